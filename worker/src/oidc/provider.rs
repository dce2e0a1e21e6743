//! The identity provider as this process knows it: what was fetched last, and when to fetch it again.
//!
//! One task fetches, at a pace that no caller can change: a token with an unknown key only wakes it. Requests read what
//! is there.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::fetch::{Fetch, NoAnswer};
use super::keys::Keys;
use super::person::Person;
use super::signature;
use super::token::{Expected, Flaw, Purpose, check};
use crate::config;
use crate::in_time::read_small;

/// How often the keys are fetched: a key that the provider has dropped is good for this long.
const REFRESH: Duration = Duration::from_secs(300);
/// The time between attempts while the provider does not answer.
const RETRY: Duration = Duration::from_secs(30);
/// The least time between two attempts, however many unknown keys come.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a request with an unknown key waits for the next attempt.
const PATIENCE: Duration = Duration::from_secs(3);

/// The identity provider. Cheap to clone.
#[derive(Clone)]
pub struct Provider(Arc<Shared>);

struct Shared {
    config: config::Oidc,
    expected: Expected,
    fetch: Fetch,
    client_secret: Option<String>,
    known: watch::Sender<Known>,
    /// Somebody came with a key that is not known.
    asked: Notify,
}

/// What was fetched.
#[derive(Debug, Clone, Default)]
struct Known {
    /// How many attempts have ended.
    attempts: u64,
    /// Of the last one that succeeded.
    keys: Option<Arc<Keys>>,
    document: Option<Arc<Document>>,
}

/// Why a token lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It is not good; in words for its sender.
    Refused(&'static str),
    /// It is signed with a key that the provider did not have when it was asked last.
    UnknownKey,
    /// The provider did not answer now.
    Silent,
    /// The provider's keys were never fetched, so nobody can tell.
    NoKeys,
}

/// The provider's document (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Deserialize)]
pub(super) struct Document {
    issuer: String,
    jwks_uri: String,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    pub(super) end_session_endpoint: Option<String>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(&self.0.config.issuer).finish()
    }
}

impl Provider {
    /// The configured provider, of which nothing is known yet.
    ///
    /// # Errors
    ///
    /// When the system has no certificates to believe, or the file with the client's secret cannot be read.
    pub fn new(config: &config::Oidc) -> io::Result<Provider> {
        signature::install();
        let expected = Expected { issuer: config.issuer.clone(), audience: config.audience.clone() };
        let client_secret = match &config.client_secret_file {
            None => None,
            Some(file) => {
                let named =
                    |error| io::Error::other(format!("auth.oidc.client_secret_file = {file}: {error}"));
                let text = read_small(Path::new(file)).map_err(named)?;
                let text = String::from_utf8(text).map_err(|_| named(io::ErrorKind::InvalidData.into()))?;
                Some(text.trim_end().to_owned())
            }
        };
        let (fetch, known) = (Fetch::new()?, watch::Sender::default());
        let (config, asked) = (config.clone(), Notify::new());
        Ok(Provider(Arc::new(Shared { config, expected, fetch, client_secret, known, asked })))
    }

    /// Whom a token names, by the keys that were fetched last.
    ///
    /// # Errors
    ///
    /// [`Denied`] when it is not good, or nobody can tell.
    pub fn identify(&self, token: &str, purpose: Purpose<'_>, now: Timestamp) -> Result<Person, Denied> {
        self.by(&self.0.known.borrow(), token, purpose, now)
    }

    /// The same, by newer keys if there are any soon.
    ///
    /// # Errors
    ///
    /// [`Denied`] when it is not good, or nobody can tell.
    pub async fn identify_newly(
        &self,
        token: &str,
        purpose: Purpose<'_>,
        now: Timestamp,
    ) -> Result<Person, Denied> {
        let known = self.0.known.borrow().clone();
        self.by(&self.newer(&known).await, token, purpose, now)
    }

    /// The settings.
    pub(super) fn config(&self) -> &config::Oidc {
        &self.0.config
    }

    /// The HTTP client.
    pub(super) fn fetch(&self) -> &Fetch {
        &self.0.fetch
    }

    /// The secret of the console's client; none of a public one.
    pub(super) fn client_secret(&self) -> Option<&str> {
        self.0.client_secret.as_deref()
    }

    /// The provider's addresses, as it gave them last.
    pub(super) fn document(&self) -> Result<Arc<Document>, Denied> {
        self.0.known.borrow().document.clone().ok_or(Denied::NoKeys)
    }

    fn by(&self, known: &Known, token: &str, purpose: Purpose<'_>, now: Timestamp) -> Result<Person, Denied> {
        let keys = known.keys.as_ref().ok_or(Denied::NoKeys)?;
        let claims = check(token, keys, &self.0.expected, purpose, now).map_err(|flaw| match flaw {
            Flaw::UnknownKey => Denied::UnknownKey,
            Flaw::Other(why) => Denied::Refused(why),
        })?;
        Person::of(&claims, &self.0.config).map_err(Denied::Refused)
    }

    /// What is known after the next attempt, if it comes soon.
    async fn newer(&self, known: &Known) -> Known {
        let mut watched = self.0.known.subscribe();
        self.0.asked.notify_one();
        let newer = timeout(PATIENCE, watched.wait_for(|now| now.attempts > known.attempts)).await;
        match newer {
            Ok(Ok(newer)) => newer.clone(),
            Ok(Err(_)) | Err(_) => known.clone(),
        }
    }

    /// Keeps what is known up to date, until `stop`.
    pub async fn follow(self, stop: CancellationToken) {
        let follow = async {
            let mut is_silent = false;
            loop {
                let fetched = self.refresh().await;
                match &fetched {
                    Ok(keys) if is_silent => info!("the identity provider answers again: {keys} keys"),
                    Ok(_) => {}
                    Err(error) if !is_silent => {
                        warn!(error = %error, "the identity provider does not answer; its last keys stay in use: {error}");
                    }
                    Err(_) => {}
                }
                is_silent = fetched.is_err();
                sleep(PAUSE).await;
                let rest = if is_silent { RETRY } else { REFRESH } - PAUSE;
                // Woken or not, the next attempt comes.
                let _ = timeout(rest, self.0.asked.notified()).await;
            }
        };
        // An attempt holds nothing that must end well.
        stop.run_until_cancelled(follow).await;
    }

    /// Fetches the keys; returns how many there are. After a failure the last ones stay.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`] when the provider gave none that can be used.
    pub async fn refresh(&self) -> Result<usize, NoAnswer> {
        let fetched = self.fetch_all().await;
        let count = fetched.as_ref().map(|(_, keys)| keys.len()).map_err(NoAnswer::clone);
        self.0.known.send_modify(|known| {
            known.attempts += 1;
            if let Ok((document, keys)) = fetched {
                (known.document, known.keys) = (Some(Arc::new(document)), Some(Arc::new(keys)));
            }
        });
        count
    }

    async fn fetch_all(&self) -> Result<(Document, Keys), NoAnswer> {
        let issuer = &self.0.config.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document = self.0.fetch.document(&url).await?;
        let document: Document =
            serde_json::from_slice(&document).map_err(|error| NoAnswer::new(&url, error))?;
        // Another issuer's document would bring another issuer's keys.
        if document.issuer != *issuer {
            return Err(NoAnswer::new(
                &url,
                format!("its issuer is {:?}, not auth.oidc.issuer", document.issuer),
            ));
        }
        let addresses =
            [&Some(document.jwks_uri.clone()), &document.authorization_endpoint, &document.token_endpoint];
        let is_plain = |address: &&String| !address.starts_with("https:");
        if let Some(plain) = addresses.into_iter().flatten().find(is_plain)
            && !issuer.starts_with("http:")
        {
            return Err(NoAnswer::new(&url, format!("its address {plain} does not use TLS")));
        }
        let keys = self.0.fetch.document(&document.jwks_uri).await?;
        let keys = Keys::parse(&keys).map_err(|error| NoAnswer::new(&document.jwks_uri, error))?;
        Ok((document, keys))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::extract::State;
    use axum::routing::get;
    use axum::{Json, Router};
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::super::token::tests::{AUDIENCE, NOW, Signer, claims, header};
    use super::*;
    use crate::role::Role;

    /// What the provider answers: its document, and its keys.
    type Answers = Arc<Mutex<(Value, String)>>;

    /// A provider on loopback, and the worker's view of it.
    async fn provider() -> (Provider, Answers) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")});
        let answers = Answers::new(Mutex::new((document, String::new())));
        let document = async |State(answers): State<Answers>| Json(answers.lock().unwrap().0.clone());
        let keys = async |State(answers): State<Answers>| answers.lock().unwrap().1.clone();
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(document))
            .route("/keys", get(keys))
            .with_state(answers.clone());
        // Ends with the test's runtime.
        tokio_util::task::TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
        let config = config::Oidc {
            issuer,
            audience: AUDIENCE.to_owned(),
            person_claim: "sub".to_owned(),
            roles_claim: "groups".to_owned(),
            client_id: "console".to_owned(),
            client_secret_file: None,
            scopes: "openid".to_owned(),
            roles: [("approvers".to_owned(), Role::Reviewer)].into(),
        };
        (Provider::new(&config).unwrap(), answers)
    }

    fn set(keys: &[Value]) -> String {
        json!({"keys": keys}).to_string()
    }

    impl Provider {
        fn token(&self, signer: &Signer, id: &str) -> String {
            let (mut header, mut claims) = (header(), claims());
            (header["kid"], claims["iss"]) = (id.into(), self.0.config.issuer.clone().into());
            signer.sign(&header, &claims)
        }

        fn check_now(&self, token: &str) -> Result<Person, Denied> {
            self.identify(token, Purpose::Access, Timestamp::from_second(NOW).unwrap())
        }
    }

    #[tokio::test]
    async fn keys_follow_the_provider_and_stay_while_it_is_silent() {
        let (provider, answers) = provider().await;
        let (old, new) = (Signer::new(), Signer::new());
        let (by_old, by_new) = (provider.token(&old, "old"), provider.token(&new, "new"));
        assert_eq!(provider.check_now(&by_old), Err(Denied::NoKeys));
        answers.lock().unwrap().1 = set(&[old.jwk("old")]);
        assert_eq!(provider.refresh().await, Ok(1));
        assert!(provider.check_now(&by_old).is_ok());
        assert_eq!(provider.check_now(&by_new), Err(Denied::UnknownKey));

        answers.lock().unwrap().1 = set(&[old.jwk("old"), new.jwk("new")]);
        assert_eq!(provider.refresh().await, Ok(2));
        assert!(provider.check_now(&by_old).is_ok() && provider.check_now(&by_new).is_ok());
        answers.lock().unwrap().1 = set(&[new.jwk("new")]);
        assert_eq!(provider.refresh().await, Ok(1));
        assert_eq!(provider.check_now(&by_old), Err(Denied::UnknownKey));

        let good = answers.lock().unwrap().clone();
        let issuer = provider.0.config.issuer.clone();
        for (document, keys) in [
            (good.0.clone(), String::new()),
            (good.0.clone(), "<html>".to_owned()),
            (good.0.clone(), format!("{{\"keys\":[\"{}\"]}}", "x".repeat(300 * 1024))),
            (
                json!({"issuer": "https://evil.example", "jwks_uri": format!("{issuer}/keys")}),
                set(&[old.jwk("old")]),
            ),
            (json!({"issuer": issuer, "jwks_uri": format!("{issuer}/none")}), String::new()),
            (json!({"issuer": issuer, "jwks_uri": "http://127.0.0.1:1/keys"}), String::new()),
            (json!({"issuer": issuer}), String::new()),
        ] {
            *answers.lock().unwrap() = (document, keys);
            let refreshed = provider.refresh().await;
            assert!(refreshed.is_err(), "{refreshed:?}");
            assert!(provider.check_now(&by_new).is_ok(), "the last keys stay in use");
            assert_eq!(provider.check_now(&by_old), Err(Denied::UnknownKey), "silence lets nobody in");
        }
    }

    #[tokio::test]
    async fn a_request_with_a_new_key_wakes_the_follower() {
        let (provider, answers) = provider().await;
        let signer = Signer::new();
        answers.lock().unwrap().1 = set(&[signer.jwk("one")]);
        let stop = CancellationToken::new();
        let tasks = tokio_util::task::TaskTracker::new();
        // Before the first attempt: the request waits for it.
        let token = provider.token(&signer, "one");
        let now = Timestamp::from_second(NOW).unwrap();
        let identified = provider.identify_newly(&token, Purpose::Access, now);
        tasks.spawn(provider.clone().follow(stop.clone()));
        assert_eq!(identified.await.unwrap().name, "00u1");
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }
}
