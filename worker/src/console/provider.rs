//! Signing in at the identity provider, and coming back from it.

use askama::Template;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::page::{Frame, html};
use super::session::{Session, attempt, attempt_cookie, no_attempt_cookie};
use super::sign_in::{Next, SignInPage, safe};
use crate::api::ApiState;
use crate::api::audit::Line;
use crate::api::auth::SignIn;
use crate::api::error::Failure;
use crate::api::server::Peer;
use crate::metrics::Refusal;
use crate::oidc::{Attempt, Denied};

/// Where the provider sends the browser back to.
pub(super) const CALLBACK: &str = "/console/sign-in/callback";

/// What the provider sends along (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    iss: String,
}

/// The page after signing in. It is one of ours: from it the browser sends the cookie of the session, which it does not send
/// along when another site leads it here.
#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedInPage {
    frame: Frame,
    next: String,
}

/// `GET /console/sign-in/provider`. It changes nothing but a cookie of this browser.
pub(super) async fn begin(
    State(state): State<ApiState>,
    Query(next): Query<Next>,
    request: Request,
) -> Result<Response, Response> {
    let (uri, headers) = (request.uri(), request.headers());
    let Some(provider) = state.auth.provider().filter(|provider| provider.has_client()) else {
        return Err(Failure::NoSuchResource.into_response());
    };
    let Some(origin) = state.site.origin(uri, headers) else {
        return Err(page(&state, &next.next, StatusCode::UNPROCESSABLE_ENTITY, PLAIN_TEXT));
    };
    let attempt = Attempt::begin()
        .map_err(|error| Failure::Internal(format!("no random numbers: {error}")).into_response())?;
    let entrance = provider.entrance(&attempt, &format!("{origin}{CALLBACK}"));
    let entrance = entrance.map_err(|denied| not_now(denied).into_response())?;
    let cookie = attempt_cookie(state.site.reach(uri, headers), &attempt, safe(&next.next));
    let mut response = Redirect::to(entrance.as_str()).into_response();
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

/// `GET /console/sign-in/callback`. With a code for an attempt of this browser it makes a session; nothing else does.
pub(super) async fn finish(
    State(state): State<ApiState>,
    Query(answer): Query<Answer>,
    request: Request,
) -> Result<Response, Response> {
    let Some(provider) = state.auth.provider().filter(|provider| provider.has_client()) else {
        return Err(Failure::NoSuchResource.into_response());
    };
    let from = request.extensions().get::<Peer>().copied();
    let (uri, headers) = (request.uri(), request.headers());
    let reach = state.site.reach(uri, headers);
    let line = Line::of(&request, from);
    let refuse = |next: &str, why: &str, detail: &str| {
        state.metrics.refused_request(Refusal::UnknownToken);
        line.write_refusal(Refusal::UnknownToken, Some(detail), StatusCode::UNAUTHORIZED.as_u16());
        let mut page = page(&state, next, StatusCode::UNAUTHORIZED, why);
        page.headers_mut().extend(no_attempt_cookie(reach).map(|cookie| (header::SET_COOKIE, cookie)));
        page
    };
    let begun = attempt(reach, headers).zip(state.site.origin(uri, headers));
    let Some(((attempt, next), origin)) = begun.filter(|((attempt, _), _)| attempt.is_of(&answer.state))
    else {
        return Err(refuse("", NOT_BEGUN, "the state is not that of a sign-in of this browser"));
    };
    if !answer.iss.is_empty() && !provider.is(&answer.iss) {
        return Err(refuse(&next, NOT_SIGNED_IN, "another identity provider answered"));
    }
    if answer.code.is_empty() {
        let why = if answer.error == "access_denied" { DENIED } else { NOT_SIGNED_IN };
        return Err(refuse(&next, why, "the identity provider did not sign the person in"));
    }
    let back = format!("{origin}{CALLBACK}");
    let code = SignIn { attempt: &attempt, back: &back, code: answer.code };
    let (secret, caller) = state.auth.redeem(&state, Line::of(&request, from), code).await?;
    let frame = Frame::default();
    let page = SignedInPage { frame, next: safe(&next).to_owned() };
    let mut page = html(StatusCode::OK, &page).map_err(|failure| failure.into_response())?;
    let cookies: [Option<HeaderValue>; 2] =
        [Session::of_token(&secret).cookie(reach), no_attempt_cookie(reach)];
    for cookie in cookies.into_iter().flatten() {
        page.headers_mut().append(header::SET_COOKIE, cookie);
    }
    line.write_sign_in(caller);
    Ok(page)
}

const PLAIN_TEXT: &str = "Nobody can sign in over a network in plain text: use the address in api.public_url, or a tunnel \
                          to this machine.";
const NOT_BEGUN: &str =
    "This sign-in was not begun in this browser, or it took longer than ten minutes. Sign in again.";
const DENIED: &str = "You did not finish signing in, or the identity provider does not let you use Countersign. Ask an \
                      operator, or sign in again.";
const NOT_SIGNED_IN: &str =
    "The identity provider did not sign you in. Sign in again; if it fails again, ask an operator.";

fn page(state: &ApiState, next: &str, status: StatusCode, why: &str) -> Response {
    let page = SignInPage::new(state, next, why);
    html(status, &page).unwrap_or_else(|failure| failure.into_response())
}

fn not_now(denied: Denied) -> Failure {
    let why = match denied {
        Denied::Refused(why) => why,
        Denied::UnknownKey | Denied::Silent | Denied::NoKeys => "the identity provider does not answer",
    };
    Failure::Unavailable { why: why.to_owned(), may_pass: true }
}
