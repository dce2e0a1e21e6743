//! `POST /v1/tasks/{id}/claim`, `/release` and `/comments`: what people leave on a task beside a decision.

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use statemachine::task::{MAX_COMMENT_BYTES, Task};
use statemachine::token::TaskId;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::Caller;
use super::error::Failure;
use super::tasks::{bad_body, shown, task_id};
use crate::steps::claim::Noted;

/// The body of `POST /v1/tasks/{id}/claim` and `/release`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimBody {
    /// The person's name, if the API asks for no token; `operator` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The body of `POST /v1/tasks/{id}/comments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentBody {
    /// The words; 1 to 1,000 bytes.
    pub text: String,
    /// The person's name, if the API asks for no token; `operator` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `POST /v1/tasks/{id}/claim`.
pub(super) async fn claim(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<ClaimBody>, JsonRejection>,
) -> Result<Response, Failure> {
    let id = task_id(id)?;
    let Json(body) = body.map_err(bad_body)?;
    claimed(&state, &caller, id, body.by.as_deref()).await.map(|task| shown(StatusCode::OK, *task))
}

/// `POST /v1/tasks/{id}/release`.
pub(super) async fn release(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<ClaimBody>, JsonRejection>,
) -> Result<Response, Failure> {
    let id = task_id(id)?;
    let Json(body) = body.map_err(bad_body)?;
    released(&state, &caller, id, body.by.as_deref()).await.map(|task| shown(StatusCode::OK, *task))
}

/// `POST /v1/tasks/{id}/comments`.
pub(super) async fn comment(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<CommentBody>, JsonRejection>,
) -> Result<Response, Failure> {
    let id = task_id(id)?;
    let Json(body) = body.map_err(bad_body)?;
    commented(&state, &caller, id, &body).await.map(|task| shown(StatusCode::OK, *task))
}

/// Claims a task for the caller.
pub(crate) async fn claimed(
    state: &ApiState,
    caller: &Caller,
    id: TaskId,
    by: Option<&str>,
) -> Result<Box<Task>, Failure> {
    let by = caller.person(by)?.name;
    let noted = state.pipeline.claim(&id, &by).await?;
    task_of(noted, id, Failure::NotClaimed)
}

/// Ends the caller's claim.
pub(crate) async fn released(
    state: &ApiState,
    caller: &Caller,
    id: TaskId,
    by: Option<&str>,
) -> Result<Box<Task>, Failure> {
    let by = caller.person(by)?.name;
    let noted = state.pipeline.release(&id, &by).await?;
    task_of(noted, id, Failure::NotClaimed)
}

/// Stores the caller's comment.
pub(crate) async fn commented(
    state: &ApiState,
    caller: &Caller,
    id: TaskId,
    body: &CommentBody,
) -> Result<Box<Task>, Failure> {
    let by = caller.person(body.by.as_deref())?.name;
    let text = body.text.trim();
    if !(1..=MAX_COMMENT_BYTES).contains(&text.len()) {
        return Err(Failure::Invalid(format!(
            "text is {} bytes long; a comment has 1 to {MAX_COMMENT_BYTES}",
            text.len()
        )));
    }
    let noted = state.pipeline.comment(&id, &by, text).await?;
    task_of(noted, id, Failure::NotCommented)
}

fn task_of(
    noted: Noted,
    id: TaskId,
    refused: fn(Box<Task>, String) -> Failure,
) -> Result<Box<Task>, Failure> {
    match noted {
        Noted::Now(task) => Ok(task),
        Noted::Refused(task, why) => Err(refused(task, why)),
        Noted::NotFound => Err(Failure::NoSuchTask(id)),
    }
}
