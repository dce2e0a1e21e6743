//! Signing in with a token, or with a name where the API asks for no token, and signing out.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, FromRequest as _, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::HOME;
use super::page::{Frame, html};
use super::session::{NO_SESSION, Session, bearer, no_cookie};
use crate::api::ApiState;
use crate::api::audit::Line;
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::api::problem::Problem;
use crate::api::server::Peer;
use crate::control::person_name;
use crate::control::tokens::Secret;
use crate::oidc::Provider;

#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInPage {
    frame: Frame,
    /// Whether a token is asked for, or a name.
    has_tokens: bool,
    /// Whether people can sign in at the identity provider.
    has_provider: bool,
    /// Where people sign out of the identity provider too.
    exit: Option<String>,
    /// Where to go afterwards.
    next: String,
    /// Why the person is here, unless they came by themselves.
    why: String,
    /// The page to try again at once, if this may show that the person is signed in.
    reload: String,
}

/// Where to go after signing in.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    pub(super) next: String,
}

#[derive(Deserialize)]
struct SignIn {
    #[serde(default)]
    token: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct SignOut {
    #[serde(default)]
    form_token: String,
}

/// `GET /console/sign-in`.
pub(super) async fn form(
    State(state): State<ApiState>,
    Query(next): Query<Next>,
) -> Result<Response, Failure> {
    html(StatusCode::OK, &SignInPage::new(&state, &next.next, ""))
}

/// `POST /console/sign-in`.
pub(super) async fn sign_in(
    State(state): State<ApiState>,
    Query(next): Query<Next>,
    request: Request,
) -> Result<Response, Response> {
    let from = request.extensions().get::<Peer>().copied();
    let reach = state.site.reach(request.uri(), request.headers());
    let line = Line::of(&request, from);
    let form =
        Form::<SignIn>::from_request(request, &()).await.map_err(|bad| bad_form(&bad).into_response())?;
    let Form(SignIn { token, name }) = form;
    let again = |why: &str| {
        let page = SignInPage::new(&state, &next.next, why);
        html(StatusCode::UNPROCESSABLE_ENTITY, &page).unwrap_or_else(|failure| failure.into_response())
    };
    let (session, caller) = if state.auth.has_tokens() {
        let Some(secret) = Secret::parse(token.trim()) else {
            return Err(again("This is not a token: a token begins with csgn_ and has 48 characters."));
        };
        let mut headers = HeaderMap::new();
        if let Some(credentials) = bearer(secret.reveal()) {
            headers.insert(header::AUTHORIZATION, credentials);
        }
        let caller = state.auth.sign_in(&state, &line, &headers, from).await?;
        (Session::of_token(&secret), caller)
    } else {
        let name = person_name::check(&name).map_err(|why| again(&format!("This {why}.")))?;
        let caller = Caller::claiming(&name);
        let session = Session::of_name(name);
        let session = session
            .map_err(|error| Failure::Internal(format!("no random numbers: {error}")).into_response())?;
        (session, caller)
    };
    let Some(cookie) = session.cookie(reach) else {
        return Err(again(
            "Nobody can sign in over a network in plain text: use the address in api.public_url, or a tunnel to this machine.",
        ));
    };
    line.write_sign_in(caller);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(safe(&next.next))).into_response())
}

/// `POST /console/sign-out`.
pub(super) async fn sign_out(State(state): State<ApiState>, request: Request) -> Result<Response, Failure> {
    let reach = state.site.reach(request.uri(), request.headers());
    let session = Session::of_request(&state, request.uri(), request.headers());
    let origin = state.site.origin(request.uri(), request.headers());
    let Form(SignOut { form_token }) =
        Form::from_request(request, &()).await.map_err(|bad| bad_form(&bad))?;
    if let Some(session) = session {
        session.check_form(&form_token)?;
        if let Some(secret) = session.secret() {
            state.auth.close_session(&secret).await?;
        }
    }
    let mut page = SignInPage::new(&state, "", "You are signed out.");
    page.exit = origin.and_then(|origin| {
        let provider = state.auth.provider().filter(|provider| provider.has_client())?;
        provider.exit(&format!("{origin}/console/sign-in"))
    });
    let mut page = html(StatusCode::OK, &page)?;
    if let Some(cookie) = no_cookie(reach) {
        page.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(page)
}

/// The page of a request that was refused for want of a session.
///
/// A link in a mail comes without the cookie of the session, since browsers send it only from our own pages. This page is
/// one: from it, the same address is asked for again.
pub(super) fn refused(
    state: &ApiState,
    uri: &Uri,
    is_link: bool,
    status: StatusCode,
    problem: &Problem,
) -> Response {
    let path = uri.path_and_query().map_or(HOME, |path| path.as_str());
    let (next, was_decision) = match path.strip_suffix("/decision") {
        Some(task) => (task.to_owned(), true),
        None if uri.path() == "/console/sign-in" => {
            (Query::<Next>::try_from_uri(uri).map(|Query(next)| next.next).unwrap_or_default(), false)
        }
        None => (path.to_owned(), false),
    };
    let why = if was_decision {
        "Your session has ended: nothing was decided. Sign in, and decide again.".to_owned()
    } else if problem.is("too-many-failures") {
        "Too many attempts failed. Try again in a minute.".to_owned()
    } else if problem.detail == NO_SESSION {
        String::new()
    } else {
        format!("You are not signed in: {}.", problem.detail)
    };
    let mut page = SignInPage::new(state, &next, &why);
    if is_link {
        page.reload.clone_from(&page.next);
    }
    html(status, &page).unwrap_or_else(|failure| failure.into_response())
}

pub(super) fn bad_form(rejection: &FormRejection) -> Failure {
    Failure::Invalid(rejection.body_text())
}

impl SignInPage {
    pub(super) fn new(state: &ApiState, next: &str, why: &str) -> SignInPage {
        let has_tokens = state.auth.has_tokens();
        let (next, why) = (safe(next).to_owned(), why.to_owned());
        let has_provider = state.auth.provider().is_some_and(Provider::has_client);
        let (frame, reload) = (Frame::default(), String::new());
        SignInPage { frame, has_tokens, has_provider, exit: None, next, why, reload }
    }
}

/// A page of the console, whatever was asked for: a link must not lead people from the sign-in page to another site.
pub(super) fn safe(next: &str) -> &str {
    let is_ours = next == HOME || ["/console/", "/console?"].iter().any(|start| next.starts_with(start));
    let is_page =
        !next.starts_with("/console/sign-") && next.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    if is_ours && is_page && !next.contains("..") && !next.contains('\\') { next } else { HOME }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_a_page_of_the_console_and_nowhere_else() {
        for next in ["/console", "/console?due=1h&code=a", "/console/tasks/7a7816bf8f01cfea414140de5dae2223"]
        {
            assert_eq!(safe(next), next);
        }
        for next in [
            "",
            "/",
            "https://evil.example/console/",
            "//evil.example/console",
            "/console.evil.example",
            "/console/../v1",
            "/console/sign-in",
            "/console/sign-in/callback?code=x",
            "/console/\r\nLocation: x",
            "/console/\\evil.example",
        ] {
            assert_eq!(safe(next), HOME, "{next}");
        }
    }
}
