//! Signing in with a browser: the code flow (OpenID Connect Core 1.0, section 3.1) with PKCE (RFC 7636).
//!
//! Nothing is stored between the two halves. The browser keeps one secret, from which the state, the nonce and the verifier
//! are derived, so that any worker of the fleet can finish what another began.

use std::fmt;

use axum::body::Body;
use jiff::Timestamp;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    ExtraTokenFields, HttpRequest, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    Scope, StandardRevocableToken, StandardTokenResponse, TokenUrl,
};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::fetch::NoAnswer;
use super::person::Person;
use super::provider::{Denied, Provider};
use super::token::Purpose;

/// The random bytes of an attempt.
const BYTES: usize = 32;

type Client = oauth2::Client<
    BasicErrorResponse,
    StandardTokenResponse<WithIdToken, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// What the provider's answer has beyond OAuth's.
#[derive(Serialize, Deserialize)]
struct WithIdToken {
    id_token: Option<String>,
}

impl ExtraTokenFields for WithIdToken {}

impl fmt::Debug for WithIdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WithIdToken(hidden)")
    }
}

/// One attempt to sign in: a secret of the browser that makes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt(String);

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempt(hidden)")
    }
}

impl Attempt {
    /// A new attempt.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers.
    pub fn begin() -> Result<Attempt, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Attempt(hex(&bytes)))
    }

    /// Reads the secret that a browser kept; none if the text cannot be one.
    pub fn parse(text: &str) -> Option<Attempt> {
        let is_one = text.len() == 2 * BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_one.then(|| Attempt(text.to_owned()))
    }

    /// The secret, for its browser alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether the provider's answer is for this attempt: its state is derived from the secret by a hash, so the time of
    /// the comparison tells nothing of it.
    pub fn is_of(&self, state: &str) -> bool {
        self.derived("state") == state
    }

    fn derived(&self, what: &str) -> String {
        hex(&Sha256::digest(format!("{what} of {}", self.0).as_bytes()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Provider {
    /// Whether people can sign in with it.
    pub fn has_client(&self) -> bool {
        !self.config().client_id.is_empty()
    }

    /// Whether it has this issuer.
    pub fn is(&self, issuer: &str) -> bool {
        self.config().issuer == issuer
    }

    /// Where a browser goes to sign in. `back` is the address to which the provider sends it afterwards.
    ///
    /// # Errors
    ///
    /// [`Denied::NoKeys`] while the provider has not answered.
    pub fn entrance(&self, attempt: &Attempt, back: &str) -> Result<Url, Denied> {
        let client = self.client(back)?;
        let verifier = PkceCodeVerifier::new(attempt.derived("verifier"));
        let scopes = self.config().scopes.split(' ').filter(|scope| !scope.is_empty());
        let (url, _) = client
            .authorize_url(|| CsrfToken::new(attempt.derived("state")))
            .add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_extra_param("nonce", attempt.derived("nonce"))
            .url();
        Ok(url)
    }

    /// Whom the code of the provider's answer is of.
    ///
    /// # Errors
    ///
    /// [`Denied`] when the provider refuses the code, does not answer, or answers with a token that is not good.
    pub async fn redeem(
        &self,
        attempt: &Attempt,
        back: &str,
        code: String,
        now: Timestamp,
    ) -> Result<Person, Denied> {
        let client = self.client(back)?;
        let send = |request: HttpRequest| {
            let fetch = self.fetch().clone();
            async move { fetch.send(request.map(Body::from)).await }
        };
        let verifier = PkceCodeVerifier::new(attempt.derived("verifier"));
        let exchange = client.exchange_code(AuthorizationCode::new(code)).set_pkce_verifier(verifier);
        let answer = exchange.request_async(&send).await.map_err(|error| refusal(&error))?;
        let token = answer.extra_fields().id_token.as_deref();
        let token =
            token.ok_or(Denied::Refused("the identity provider sent no ID token; is openid a scope?"))?;
        let nonce = attempt.derived("nonce");
        let purpose = Purpose::SignIn { client: &self.config().client_id, nonce: &nonce };
        match self.identify(token, purpose, now) {
            Err(Denied::UnknownKey | Denied::NoKeys) => self.identify_newly(token, purpose, now).await,
            identified => identified,
        }
    }

    /// Where a person signs out of the provider too, if it has such a page.
    pub fn exit(&self, back: &str) -> Option<String> {
        let mut url: Url = self.document().ok()?.end_session_endpoint.as_ref()?.parse().ok()?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.config().client_id)
            .append_pair("post_logout_redirect_uri", back);
        Some(url.into())
    }

    fn client(&self, back: &str) -> Result<Client, Denied> {
        let document = self.document()?;
        let unusable = |_| {
            Denied::Refused("the identity provider's discovery document has an address that is not a URL")
        };
        let endpoint = |url: &Option<String>| {
            url.clone().ok_or(Denied::Refused("the identity provider does not sign people in"))
        };
        let client = oauth2::Client::new(ClientId::new(self.config().client_id.clone()))
            .set_auth_uri(AuthUrl::new(endpoint(&document.authorization_endpoint)?).map_err(unusable)?)
            .set_token_uri(TokenUrl::new(endpoint(&document.token_endpoint)?).map_err(unusable)?)
            .set_redirect_uri(RedirectUrl::new(back.to_owned()).map_err(unusable)?);
        Ok(match self.client_secret() {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.to_owned())),
            None => client,
        })
    }
}

/// What the provider says of a code. Its own words are only logged, without the description: that may hold anything.
fn refusal(error: &RequestTokenError<NoAnswer, BasicErrorResponse>) -> Denied {
    match error {
        RequestTokenError::ServerResponse(answer) => {
            let error = answer.error().to_string();
            warn!(error, "the identity provider rejected the code of a sign-in: {error}");
            Denied::Refused("the identity provider rejected the sign-in; sign in again")
        }
        RequestTokenError::Request(error) => {
            warn!(error = %error, "the identity provider does not answer: {error}");
            Denied::Silent
        }
        // The answer may hold tokens.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            Denied::Refused("the identity provider's answer to the sign-in cannot be read")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_an_attempt_is_derived_from_its_secret() {
        let (one, other) = (Attempt::begin().unwrap(), Attempt::begin().unwrap());
        let derived = ["state", "nonce", "verifier"].map(|what| one.derived(what));
        assert!(derived.iter().all(|text| text.len() == 64 && text != one.reveal()), "{derived:?}");
        assert!(derived[0] != derived[1] && derived[1] != derived[2]);
        assert!(one.is_of(&derived[0]) && !other.is_of(&derived[0]) && !one.is_of(""));
        assert_eq!(Attempt::parse(one.reveal()), Some(one.clone()));
        assert_eq!(format!("{one:?}"), "Attempt(hidden)");
        for text in ["", "ab", &"g".repeat(64), &"a".repeat(65)] {
            assert_eq!(Attempt::parse(text), None, "{text}");
        }
    }
}
