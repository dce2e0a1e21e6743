//! What all pages share: their frame, and the headers that tell browsers what a page may do.

use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Response};

use super::session::Session;
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::plain_text::plain;

/// Scripts, styles, images, calls and forms of this server alone, none of them in a page; no frame around a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the head of a page shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    /// The page's place in the navigation.
    pub(super) here: &'static str,
    /// Who is signed in; empty on pages without a session.
    pub(super) who: String,
    /// Whether that is only their word.
    pub(super) is_claimed: bool,
    /// The token of the forms.
    pub(super) form_token: String,
}

impl Frame {
    pub(super) fn new(here: &'static str, caller: &Caller, session: &Session) -> Frame {
        Frame {
            here,
            who: who(caller, session),
            is_claimed: session.name.is_some(),
            form_token: session.form_token(),
        }
    }

    /// Of a page that is shown whether or not the session is still good.
    pub(super) fn without_caller(session: &Session) -> Frame {
        Frame {
            here: "",
            who: session.name.clone().unwrap_or_default(),
            is_claimed: session.name.is_some(),
            form_token: session.form_token(),
        }
    }
}

/// The name in decisions, behind the one that the identity provider shows, if there is one.
fn who(caller: &Caller, session: &Session) -> String {
    let name = session.name.as_deref().or(caller.name()).unwrap_or_default();
    match caller.holder().and_then(|holder| holder.label.as_deref()) {
        Some(label) => format!("{} ({name})", plain(label)),
        None => name.to_owned(),
    }
}

/// A page.
pub(super) fn html(status: StatusCode, template: &impl Template) -> Result<Response, Failure> {
    let text = template.render().map_err(|error| Failure::Internal(format!("a page: {error}")))?;
    Ok((status, Html(text)).into_response())
}

/// Adds the headers that protect a page to every answer of the console.
pub(super) async fn protected(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // With `no-referrer` browsers would send the forms with the origin `null`.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    response
}
