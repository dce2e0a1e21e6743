//! `/v1/tasks/{id}`: where people read and decide a task.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use statemachine::decision::{MAX_REASON_CHARS, Outcome};
use statemachine::task::Task;
use statemachine::token::TaskId;
use tracing::{Instrument as _, info_span};
use utoipa::ToSchema;

use super::ApiState;
use super::caller::{Caller, Person};
use super::error::Failure;
use super::limits::Place;
use super::masked::without;
use super::view::{TaskView, etag};
use crate::control::tokens::Role;
use crate::shapes;
use crate::steps::person::{PersonDecision, PersonOutcome};
use crate::steps::story::Story;

/// The body of `POST /v1/tasks/{id}/decision`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"outcome": "rejected", "reason": "the address does not exist"}))]
pub struct DecisionBody {
    /// Approve or reject.
    #[schema(value_type = shapes::Outcome)]
    pub outcome: Outcome,
    /// The reason that the workflow receives. Required for a rejection.
    #[serde(default)]
    pub reason: String,
    /// The person's name, if the API asks for no token; `operator` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `GET /v1/tasks/{id}`. Those who only read see the order without the values that its schema masks.
pub(super) async fn get(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Failure> {
    let id = task_id(id)?;
    let task = state.task(&id).await?;
    let etag = etag(&task.reviewed());
    let mut view = TaskView::of_task(task);
    if !caller.may(Role::Reviewer) {
        let masked = state.automation.rules.pin().masked_names();
        view.order = view.order.map(|order| without(&order, &masked));
    }
    Ok((StatusCode::OK, [(header::ETAG, etag)], Json(view)).into_response())
}

/// `GET /v1/tasks/{id}/story`.
pub(super) async fn story(
    State(state): State<ApiState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Story>, Failure> {
    let id = task_id(id)?;
    let story = state.pipeline.story(&id).await?;
    story.map(Json).ok_or(Failure::NoSuchTask(id))
}

/// `POST /v1/tasks/{id}/decision`.
pub(super) async fn decide(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Json<DecisionBody>, JsonRejection>,
) -> Result<Response, Failure> {
    let id = task_id(id)?;
    let Json(body) = body.map_err(bad_body)?;
    let (status, task) = decided(&state, place, &caller, id, if_match(&headers)?, body).await?;
    Ok(shown(status, *task))
}

/// Decides a task for a person: the task, with 200 once the workflow received the decision, or 202 while it is stored and
/// still due, and for the first of two approvals. With `if_reviewed` only while the task is what was reviewed.
pub(crate) async fn decided(
    state: &ApiState,
    place: Place,
    caller: &Caller,
    id: TaskId,
    if_reviewed: Option<String>,
    body: DecisionBody,
) -> Result<(StatusCode, Box<Task>), Failure> {
    let person = caller.person(body.by.as_deref())?;
    let request = request(id.clone(), if_reviewed, body, person)?;
    let span = info_span!("decision", task.id = %id);
    let pipeline = state.pipeline.clone();
    // In its own tokio task: once the decision is stored, its delivery must not end with the caller's connection.
    let decision = async move {
        let decided = pipeline.decide_for_person(request).await;
        // Callers who disconnect must not have more decisions in hand than others.
        drop(place);
        decided
    };
    let decided = state.tracker.spawn(decision.instrument(span));
    let response =
        decided.await.map_err(|_| Failure::Internal("a step of a person's decision panicked".to_owned()))?;
    ended(response, &id)
}

/// The status and the task of a request that succeeded, or why it did not.
pub(super) fn ended(outcome: PersonOutcome, id: &TaskId) -> Result<(StatusCode, Box<Task>), Failure> {
    match outcome {
        PersonOutcome::Settled(task) => Ok((StatusCode::OK, task)),
        PersonOutcome::Due(task) | PersonOutcome::FirstApproved(task) => Ok((StatusCode::ACCEPTED, task)),
        PersonOutcome::OwnRequest(task) => Err(Failure::OwnRequest(task)),
        PersonOutcome::TooEarly(task) => Err(Failure::TooEarly(task)),
        PersonOutcome::Conflict(task) => Err(Failure::Conflict(task)),
        PersonOutcome::Expired(task) => Err(Failure::Expired(task)),
        PersonOutcome::Changed(task) => Err(Failure::Changed(task)),
        PersonOutcome::NotFound => Err(Failure::NoSuchTask(id.clone())),
        PersonOutcome::Unavailable(error) => Err(error.into()),
        PersonOutcome::Unknown => Err(Failure::TooSlow),
    }
}

pub(super) fn shown(status: StatusCode, task: Task) -> Response {
    let etag = etag(&task.reviewed());
    (status, [(header::ETAG, etag)], Json(TaskView::of_task(task))).into_response()
}

pub(crate) fn task_id(path: Result<Path<String>, PathRejection>) -> Result<TaskId, Failure> {
    TaskId::parse(&parameter(path)?).map_err(|invalid| Failure::Invalid(invalid.to_string()))
}

/// The one parameter of a path.
pub(super) fn parameter(path: Result<Path<String>, PathRejection>) -> Result<String, Failure> {
    path.map(|Path(text)| text).map_err(|rejection| Failure::Invalid(rejection.body_text()))
}

pub(super) fn bad_body(rejection: JsonRejection) -> Failure {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => Failure::NotJson,
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
        other => Failure::Invalid(other.body_text()),
    }
}

/// The ETag of `If-Match`; none for `*` or no header, since each means any.
fn if_match(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let is_one = values.next().is_none();
    if text == "*" && is_one {
        return Ok(None);
    }
    let etag = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match etag.filter(|etag| is_one && !etag.is_empty() && etag.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        Some(etag) => Ok(Some(etag.to_owned())),
        None => Err(Failure::Invalid(
            "If-Match is not the ETag of a task, such as \"3b0c44298fc1c149\" with its quotes".to_owned(),
        )),
    }
}

pub(super) fn request(
    id: TaskId,
    if_reviewed: Option<String>,
    body: DecisionBody,
    person: Person,
) -> Result<PersonDecision, Failure> {
    let DecisionBody { outcome, reason, by: _ } = body;
    let reason = reason.trim().to_owned();
    if outcome == Outcome::Rejected && reason.is_empty() {
        return Err(Failure::Invalid("reason is empty; a rejection must tell the workflow why".to_owned()));
    }
    if reason.chars().count() > MAX_REASON_CHARS {
        return Err(Failure::Invalid(format!("reason is longer than {MAX_REASON_CHARS} characters")));
    }
    let Person { name: by, identity } = person;
    Ok(PersonDecision { id, outcome, reason, by, identity, if_reviewed })
}

#[cfg(test)]
mod tests;
