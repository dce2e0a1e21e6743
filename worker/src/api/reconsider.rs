//! `POST /v1/tasks/{id}/reconsider`: a task that was left to a person goes back to the rules.

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::caller::Caller;
use super::error::Failure;
use super::tasks::{bad_body, shown, task_id};
use crate::steps::reconsider::Reconsidered;

/// The body of `POST /v1/tasks/{id}/reconsider`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReconsiderBody {
    /// The person's name, if the API asks for no token; `operator` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `POST /v1/tasks/{id}/reconsider`.
pub(super) async fn reconsider(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<ReconsiderBody>, JsonRejection>,
) -> Result<Response, Failure> {
    let id = task_id(id)?;
    let Json(body) = body.map_err(bad_body)?;
    let by = caller.person(body.by.as_deref())?.name;
    match state.pipeline.reconsider(&id, &by).await? {
        Reconsidered::GivenBack(task) => Ok(shown(StatusCode::OK, *task)),
        Reconsidered::Refused(task, why) => Err(Failure::NotReconsidered(task, why)),
        Reconsidered::NotFound => Err(Failure::NoSuchTask(id)),
        Reconsidered::Unknown => Err(Failure::Unavailable {
            why: "could not check whether automation is running".to_owned(),
            may_pass: true,
        }),
    }
}
