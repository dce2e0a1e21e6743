//! Every problem as a page: what happened, whether anything was changed, and where to go on.

use askama::Template;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::page::{Frame, html};
use super::session::{Session, no_cookie};
use super::sign_in;
use super::times::moment;
use crate::api::ApiState;
use crate::api::origin::Reach;
use crate::api::problem::{CONTENT_TYPE, Problem};
use crate::plain_text::plain;

/// A problem's page.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    heading: String,
    what: String,
    /// Name and value, of the decision that the task has.
    facts: Vec<(&'static str, String)>,
    /// The task's page.
    task: Option<String>,
}

/// What a problem's page depends on besides the problem.
struct Asked {
    uri: Uri,
    reach: Reach,
    session: Option<Session>,
    /// Whether the browser followed a link of another site.
    is_link: bool,
}

/// Turns the problems that the API would send as JSON into pages.
pub(super) async fn shown(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri(), request.headers());
    let asked = Asked {
        uri: uri.clone(),
        reach: state.site.reach(uri, headers),
        session: Session::of_request(&state, uri, headers),
        is_link: *request.method() == Method::GET
            && headers.get("sec-fetch-site").is_some_and(|from| from == "cross-site")
            // Back from the identity provider: there is nothing to ask for again.
            && !uri.path().starts_with("/console/sign-in/"),
    };
    let response = next.run(request).await;
    if response.headers().get(header::CONTENT_TYPE) != Some(&HeaderValue::from_static(CONTENT_TYPE)) {
        return response;
    }
    let (parts, body) = response.into_parts();
    // It is ours, and as long as an order at most.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let Ok(problem) = serde_json::from_slice::<Problem>(&bytes) else {
        return parts.status.into_response();
    };
    let mut page = page(&state, &asked, parts.status, &problem);
    if let Some(seconds) = parts.headers.get(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, seconds.clone());
    }
    page
}

fn page(state: &ApiState, asked: &Asked, status: StatusCode, problem: &Problem) -> Response {
    if problem.is("unauthenticated") || problem.is("too-many-failures") {
        let is_link = asked.is_link && asked.session.is_none();
        let mut page = sign_in::refused(state, &asked.uri, is_link, status, problem);
        // A session that came along has ended. One that did not may still be good.
        if asked.session.is_some()
            && problem.is("unauthenticated")
            && let Some(cookie) = no_cookie(asked.reach)
        {
            page.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        return page;
    }
    let of_path = asked.uri.path().strip_prefix("/console/tasks/").and_then(|rest| rest.get(..32));
    let id = problem.task.as_ref().map(|task| task.task_id.to_string()).or(of_path.map(str::to_owned));
    let page = ProblemPage {
        frame: asked.session.as_ref().map(Frame::without_caller).unwrap_or_default(),
        heading: heading(problem),
        what: what(problem),
        facts: decided(problem),
        task: id.filter(|_| !problem.is("no-such-task")).map(|id| format!("/console/tasks/{id}")),
    };
    html(status, &page).unwrap_or_else(|failure| failure.into_response())
}

fn heading(problem: &Problem) -> String {
    let headings = [
        ("decided-otherwise", "Already decided: nothing was changed"),
        ("own-request", "This task is your own request: nothing was decided"),
        ("too-early", "Too early: nothing was decided"),
        ("not-claimed", "Nothing was claimed or released"),
        ("not-commented", "Your comment was not stored"),
        ("expired", "Too late: the workflow no longer waits"),
        ("changed", "The task changed since you opened it: nothing was decided"),
        ("no-such-task", "There is no such task"),
        ("no-such-resource", "There is no such page"),
        ("too-slow", "It is not known whether this was done"),
        ("busy", "Too busy: nothing was changed"),
        ("unavailable", "Not now: nothing was changed"),
        ("forbidden", "Your token does not allow this"),
        ("foreign-request", "This form was not accepted: nothing was changed"),
        ("damaged-item", "This task cannot be shown"),
    ];
    let known = headings.iter().find(|(name, _)| problem.is(name));
    known.map_or_else(|| capital(&problem.title), |(_, heading)| (*heading).to_owned())
}

/// What happened, where the heading and the facts do not say it.
fn what(problem: &Problem) -> String {
    if problem.is("decided-otherwise") && problem.task.as_ref().is_some_and(|task| task.decision.is_some()) {
        return "Your decision was not stored. The task already had this one:".to_owned();
    }
    sentence(&plain(&problem.detail))
}

/// The API's words as a sentence.
pub(super) fn sentence(text: &str) -> String {
    format!("{}.", capital(text).trim_end_matches('.'))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + chars.as_str()
}

fn decided(problem: &Problem) -> Vec<(&'static str, String)> {
    let Some(task) = &problem.task else { return Vec::new() };
    let order = ("Order", plain(&task.order_id));
    let Some(decision) = &task.decision else { return vec![order] };
    let by: String = decision.decided_by.clone().into();
    let reason =
        if decision.reason.is_empty() { "none was given".to_owned() } else { plain(&decision.reason) };
    vec![
        order,
        ("Decision", decision.outcome.to_string()),
        ("By", plain(&by)),
        ("At", moment(&decision.decided_at)),
        ("Reason", reason),
    ]
}
