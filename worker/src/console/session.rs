//! Who a browser's request is from. With tokens the cookie holds the person's token, and the request then passes the
//! same checks as one of the JSON API; without, it holds the name that the person gave.

use std::fmt;

use aws_smithy_types::base64;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use crate::api::ApiState;
use crate::api::error::Failure;
use crate::api::origin::Reach;
use crate::control::person_name;
use crate::control::tokens::Secret;
use crate::oidc::Attempt;

/// Only over TLS, only for this host, and for no other path: the prefix makes the browser check all three.
const SECURE_NAME: &str = "__Host-countersign";
/// On loopback, where there is no TLS.
const LOOPBACK_NAME: &str = "countersign";
/// What the browser keeps while it signs in at the identity provider: [`Attempt`] and where to go afterwards.
const SECURE_ATTEMPT: &str = "__Host-countersign-sign-in";
const LOOPBACK_ATTEMPT: &str = "countersign-sign-in";
/// How long it may take to sign in there, in seconds.
const ATTEMPT_SECONDS: u32 = 600;
/// What a request without a session is told.
pub(super) const NO_SESSION: &str = "sign in to see this page";
/// How long a session lasts, in seconds: a working day.
const SECONDS: u32 = 8 * 3_600;

/// The session of a browser.
#[derive(Clone)]
pub(super) struct Session {
    /// As the cookie has it.
    value: String,
    /// The name that the person gave; none with a token.
    pub(super) name: Option<String>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(hidden)")
    }
}

impl Session {
    /// The session of a token's holder.
    pub(super) fn of_token(secret: &Secret) -> Session {
        Session { value: secret.reveal().to_owned(), name: None }
    }

    /// The session of a person without a token.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers.
    pub(super) fn of_name(name: String) -> Result<Session, getrandom::Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        // The random part makes the forms' token one that no other page can know.
        let value = format!("{}.{}", base64::encode(&name), base64::encode(random));
        Ok(Session { value, name: Some(name) })
    }

    /// Reads the session of a request; none if it has no cookie or one that cannot be used.
    pub(super) fn of_request(state: &ApiState, uri: &Uri, headers: &HeaderMap) -> Option<Session> {
        let name = cookie_name(state.site.reach(uri, headers))?;
        let value = headers.get_all(header::COOKIE).iter().find_map(|line| cookie(line, name))?;
        if state.auth.has_tokens() {
            return Secret::parse(value).map(|secret| Session::of_token(&secret));
        }
        let (encoded, _) = value.split_once('.')?;
        let given = String::from_utf8(base64::decode(encoded).ok()?).ok()?;
        Some(Session { value: value.to_owned(), name: Some(person_name::check(&given).ok()?) })
    }

    /// What each form of this session sends along: derived from the cookie, which no other site can read.
    pub(super) fn form_token(&self) -> String {
        let digest = Sha256::digest(format!("a form of {}", self.value).as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Refuses a form that another session's page sent, or no page of ours.
    pub(super) fn check_form(&self, token: &str) -> Result<(), Failure> {
        // Of equal length and derived from the cookie by a hash: the time of a comparison tells nothing of the cookie.
        if token == self.form_token() {
            return Ok(());
        }
        Err(Failure::Foreign(
            "the page was loaded before you signed in; open the task again and repeat it there",
        ))
    }

    /// The secret of a session whose requests have one.
    pub(super) fn secret(&self) -> Option<Secret> {
        Secret::parse(&self.value)
    }

    /// The cookie to set; none where it would cross a network in plain text.
    pub(super) fn cookie(&self, reach: Reach) -> Option<HeaderValue> {
        set_cookie(reach, cookie_name(reach)?, &self.value, "Strict", SECONDS)
    }
}

/// The cookie that ends a session.
pub(super) fn no_cookie(reach: Reach) -> Option<HeaderValue> {
    set_cookie(reach, cookie_name(reach)?, "", "Strict", 0)
}

/// The cookie of a sign-in at the identity provider. It comes back with a link of another site, and so is `Lax`.
pub(super) fn attempt_cookie(reach: Reach, attempt: &Attempt, next: &str) -> Option<HeaderValue> {
    let value = format!("{}.{}", attempt.reveal(), base64::encode(next));
    set_cookie(reach, attempt_name(reach)?, &value, "Lax", ATTEMPT_SECONDS)
}

/// The cookie that ends it.
pub(super) fn no_attempt_cookie(reach: Reach) -> Option<HeaderValue> {
    set_cookie(reach, attempt_name(reach)?, "", "Lax", 0)
}

/// The sign-in that this browser began, and where it wanted to go.
pub(super) fn attempt(reach: Reach, headers: &HeaderMap) -> Option<(Attempt, String)> {
    let name = attempt_name(reach)?;
    let value = headers.get_all(header::COOKIE).iter().find_map(|line| cookie(line, name))?;
    let (secret, next) = value.split_once('.')?;
    Some((Attempt::parse(secret)?, String::from_utf8(base64::decode(next).ok()?).ok()?))
}

fn attempt_name(reach: Reach) -> Option<&'static str> {
    match reach {
        Reach::Https => Some(SECURE_ATTEMPT),
        Reach::Loopback => Some(LOOPBACK_ATTEMPT),
        Reach::Plain => None,
    }
}

fn set_cookie(reach: Reach, name: &str, value: &str, same_site: &str, seconds: u32) -> Option<HeaderValue> {
    let secure = if reach == Reach::Https { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}; Max-Age={seconds}{secure}");
    let mut header = HeaderValue::try_from(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn cookie_name(reach: Reach) -> Option<&'static str> {
    match reach {
        Reach::Https => Some(SECURE_NAME),
        Reach::Loopback => Some(LOOPBACK_NAME),
        Reach::Plain => None,
    }
}

fn cookie<'a>(line: &'a HeaderValue, name: &str) -> Option<&'a str> {
    let pairs = line.to_str().ok()?.split(';');
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Passes on what has a session, with its token as the credentials of the request. The checks of the API follow.
pub(super) async fn present(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    let session = Session::of_request(&state, request.uri(), request.headers());
    let Some(session) = session else {
        return Failure::Unauthenticated(NO_SESSION).into_response();
    };
    request.headers_mut().remove(header::AUTHORIZATION);
    if session.name.is_none()
        && let Some(credentials) = bearer(&session.value)
    {
        request.headers_mut().insert(header::AUTHORIZATION, credentials);
    }
    request.extensions_mut().insert(session);
    next.run(request).await
}

/// The credentials of a token's holder, as the API reads them.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let line = HeaderValue::from_static("a=1; countersign=x.y==; __Host-countersign=z; countersignx=2");
        assert_eq!(cookie(&line, LOOPBACK_NAME), Some("x.y=="));
        assert_eq!(cookie(&line, SECURE_NAME), Some("z"));
        assert_eq!(cookie(&line, "b"), None);
    }

    #[test]
    fn a_cookie_is_sent_to_this_site_alone_and_never_in_plain_text() {
        let session = Session::of_token(&Secret::generate().unwrap());
        let text = |reach| session.cookie(reach).map(|value| value.to_str().unwrap().to_owned());
        let secure = text(Reach::Https).unwrap();
        assert!(secure.starts_with("__Host-countersign=csgn_"), "the prefix");
        assert!(secure.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=28800; Secure"));
        assert!(text(Reach::Loopback).unwrap().starts_with("countersign=csgn_"));
        assert_eq!(text(Reach::Plain), None);
        assert_eq!(format!("{session:?}"), "Session(hidden)");
    }

    #[test]
    fn a_form_belongs_to_one_session() {
        let (one, other) =
            (Session::of_name("ada".to_owned()).unwrap(), Session::of_name("ada".to_owned()).unwrap());
        assert!(one.check_form(&one.form_token()).is_ok());
        assert!(one.check_form(&other.form_token()).is_err());
        assert!(one.check_form("").is_err());
    }
}
