//! Who calls the API, and whether they may: bearer tokens, access tokens of the identity provider, roles, and a line in the
//! log for each change and refusal.

mod sign_on;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::ApiState;
use super::audit::{Line, Written};
use super::caller::{Caller, Holder};
use super::error::Failure;
use super::failures::Failures;
use super::known::Known;
use super::server::Peer;
use crate::clock::{Clock, day};
use crate::config::{self, AuthMode};
use crate::control::table::ControlTable;
use crate::control::tokens::{Secret, StoredToken, TokenHash};
use crate::metrics::Refusal;
use crate::oidc::Provider;
use crate::role::Role;
use crate::steps::person::Identity;

pub(crate) use self::sign_on::SignIn;

/// The most tokens that are looked up at once: strangers must not take the table's connections from the tail.
const LOOKUPS: usize = 32;
/// The most requests that wait for the identity provider at once.
const QUESTIONS: usize = 16;
/// How long a lookup may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How callers are known. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth(Option<Arc<Tokens>>);

#[derive(Debug)]
struct Tokens {
    table: ControlTable,
    clock: Clock,
    known: Known,
    failures: Failures,
    lookups: Semaphore,
    questions: Semaphore,
    /// None without one.
    provider: Option<Provider>,
}

/// What a request shows of its caller.
#[derive(Debug, PartialEq, Eq)]
enum Credentials<'a> {
    /// A token of ours.
    Secret(Secret),
    /// Whatever else was sent as a token.
    Foreign(&'a str),
}

/// Why a request is refused before its handler sees it.
struct Refused {
    why: Refusal,
    failure: Failure,
    /// Beyond the limit of failures of an address, they are only counted.
    is_logged: bool,
    /// What the log says beyond the reason.
    detail: Option<&'static str>,
}

impl Auth {
    /// As configured.
    ///
    /// # Errors
    ///
    /// When the identity provider cannot be asked: the system has no certificates.
    pub fn new(config: &config::Auth, table: &ControlTable, clock: &Clock) -> io::Result<Auth> {
        let provider = match config.mode {
            AuthMode::None => return Ok(Auth(None)),
            AuthMode::Tokens => None,
            AuthMode::Oidc => Some(Provider::new(&config.oidc)?),
        };
        Ok(Auth(Some(Arc::new(Tokens {
            table: table.clone(),
            clock: clock.clone(),
            known: Known::default(),
            failures: Failures::default(),
            lookups: Semaphore::new(LOOKUPS),
            questions: Semaphore::new(QUESTIONS),
            provider,
        }))))
    }

    /// The identity provider; none without one.
    pub fn provider(&self) -> Option<&Provider> {
        self.0.as_ref()?.provider.as_ref()
    }

    /// Whose word the name of a person is.
    pub(super) fn identity(&self) -> Identity {
        match &self.0 {
            None => Identity::Claimed,
            Some(tokens) if tokens.provider.is_some() => Identity::Oidc,
            Some(_) => Identity::Token,
        }
    }

    /// Finds out whose a token is, for the console's form. A refusal is counted, logged and answered as that of any request.
    pub(crate) async fn sign_in(
        &self,
        state: &ApiState,
        line: &Line,
        headers: &HeaderMap,
        from: Option<Peer>,
    ) -> Result<Caller, Response> {
        self.identify(headers, from).await.map_err(|refused| refused.answer(state, line))
    }

    /// Whether callers show who they are.
    pub(crate) fn has_tokens(&self) -> bool {
        self.0.is_some()
    }

    async fn identify(&self, headers: &HeaderMap, from: Option<Peer>) -> Result<Caller, Refused> {
        match &self.0 {
            None => Ok(Caller::default()),
            Some(tokens) => Ok(Caller::with(tokens.identify(headers, from).await?)),
        }
    }
}

impl Tokens {
    async fn identify(&self, headers: &HeaderMap, from: Option<Peer>) -> Result<Holder, Refused> {
        let hash = match (bearer(headers), &self.provider) {
            (Ok(Some(Credentials::Secret(secret))), _) => secret.hash(),
            (Ok(Some(Credentials::Foreign(token))), Some(provider)) => {
                return self.ask(provider, token, from).await;
            }
            (Ok(None), _) => return Err(self.failed(from, Refusal::NoToken)),
            (Ok(Some(Credentials::Foreign(_))) | Err(()), _) => {
                return Err(self.failed(from, Refusal::UnknownToken));
            }
        };
        let token = match self.known.fresh(&hash) {
            Some(token) => token,
            None => self.look_up(&hash, from).await?,
        };
        if token.is_valid(self.clock.now()) {
            Ok(Holder::of_token(&token))
        } else {
            Err(self.failed(from, Refusal::UnknownToken))
        }
    }

    /// Reads a token from the table. One that is not valid is a failed attempt.
    async fn look_up(&self, hash: &TokenHash, from: Option<Peer>) -> Result<Arc<StoredToken>, Refused> {
        // A token that was valid a moment ago is not a guess.
        if !self.known.contains(hash) && self.failures.are_too_many(from) {
            return Err(self.failed(from, Refusal::TooMany));
        }
        let Ok(_lookup) = self.lookups.try_acquire() else {
            return Err(Refused::busy());
        };
        let found = timeout(PATIENCE, self.table.find_token(hash)).await;
        let found = found.map_err(|_| {
            Refused::no_answer(Failure::Unavailable {
                why: "the control table did not say whether the token is valid".to_owned(),
                may_pass: true,
            })
        })?;
        let found = found.map_err(|fault| Refused::no_answer(fault.into()))?;
        let now = self.clock.now();
        let token = found.filter(|token| token.is_valid(now)).map(Arc::new);
        self.known.learn(hash, token.clone());
        let Some(token) = token else { return Err(self.failed(from, Refusal::UnknownToken)) };
        let today = day(now);
        if token.last_used.as_ref() != Some(&today) {
            // Only `countersign token list` shows it: a request does not fail or wait for it.
            let _ = timeout(PATIENCE, self.table.note_token_use(hash, &today)).await;
        }
        Ok(token)
    }

    fn failed(&self, from: Option<Peer>, why: Refusal) -> Refused {
        let is_logged = why != Refusal::TooMany && !self.failures.are_too_many(from);
        self.failures.count(from);
        let failure = match why {
            Refusal::TooMany => Failure::TooManyFailures,
            Refusal::NoToken => Failure::Unauthenticated("send a token, as Authorization: Bearer csgn_…"),
            Refusal::UnknownToken | Refusal::NoAnswer | Refusal::Role | Refusal::Foreign => {
                Failure::Unauthenticated(
                    "the token is unknown, expired or revoked; ask an operator for another",
                )
            }
        };
        Refused { why, failure, is_logged, detail: None }
    }
}

/// The token of a request; none if it has no credentials.
fn bearer(headers: &HeaderMap) -> Result<Option<Credentials<'_>>, ()> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (line, more) = (lines.next(), lines.next());
    let Some(line) = line else { return Ok(None) };
    let (scheme, token) = line.to_str().map_err(drop)?.split_once(' ').ok_or(())?;
    if more.is_some() || !scheme.eq_ignore_ascii_case("bearer") {
        return Err(());
    }
    let token = token.trim();
    Ok(Some(Secret::parse(token).map_or(Credentials::Foreign(token), Credentials::Secret)))
}

/// Passes a request on if its caller has the role, and logs it if it changes something or is refused.
pub(super) async fn admit(
    State((role, state)): State<(Role, ApiState)>,
    mut request: Request,
    next: Next,
) -> Response {
    let from = request.extensions().get::<Peer>().copied();
    let line = Line::of(&request, from);
    let caller = match state.auth.identify(request.headers(), from).await {
        Ok(caller) => caller,
        Err(refused) => return refused.answer(&state, &line),
    };
    if !caller.may(role) {
        let failure = Failure::Forbidden(role);
        let refused = Refused { why: Refusal::Role, failure, is_logged: true, detail: None };
        return refused.answer(&state, &line.by(caller));
    }
    request.extensions_mut().insert(caller.clone());
    if request.method().is_safe() {
        return next.run(request).await;
    }
    // The line is written also if the caller disconnects: what was begun may be done.
    let line = Written::begin(line, caller);
    let response = next.run(request).await;
    line.end(response.status().as_u16());
    response
}

impl Refused {
    fn busy() -> Refused {
        Refused { why: Refusal::NoAnswer, failure: Failure::Busy, is_logged: false, detail: None }
    }

    fn no_answer(failure: Failure) -> Refused {
        Refused { why: Refusal::NoAnswer, failure, is_logged: true, detail: None }
    }

    fn answer(self, state: &ApiState, line: &Line) -> Response {
        state.metrics.refused_request(self.why);
        let response = self.failure.into_response();
        if self.is_logged {
            line.write_refusal(self.why, self.detail, response.status().as_u16());
        }
        response
    }
}
