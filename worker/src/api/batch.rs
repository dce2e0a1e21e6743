//! `POST /v1/tasks:batch`: decides many tasks, each by itself, with a result for each. A dry run only says what would
//! come of it.
//!
//! Each decision needs the ETag of what was reviewed: a batch never decides a task that has changed since.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State};
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use statemachine::decision::Outcome;
use statemachine::token::TaskId;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::Caller;
use super::error::Failure;
use super::limits::Place;
use super::tasks::{DecisionBody, bad_body, decided, ended, request};
use crate::shapes;
use crate::steps::person::Foreseen;

/// The most decisions of one batch.
pub const MAX_BATCH: usize = 50;
/// How many are made at once. A batch ends in time also if each takes as long as it may.
const AT_ONCE: usize = 25;

/// The body of `POST /v1/tasks:batch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchBody {
    /// 1 to 50 decisions, each of another task.
    pub decisions: Vec<BatchDecision>,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// The person's name, if the API asks for no token; `operator` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// One decision of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchDecision {
    /// The task.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    pub task_id: TaskId,
    /// Its `etag` as reviewed.
    pub etag: String,
    /// Approve or reject.
    #[schema(value_type = shapes::Outcome)]
    pub outcome: Outcome,
    /// The reason that the workflow receives. Required for a rejection.
    #[serde(default)]
    pub reason: String,
}

/// The response of `POST /v1/tasks:batch`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchResults {
    /// Nothing was changed.
    pub dry_run: bool,
    /// One for each decision, in their order.
    pub results: Vec<BatchResult>,
}

/// What came of one decision, or would.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchResult {
    /// The task.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    pub task_id: TaskId,
    /// What came of it.
    pub result: Came,
    /// The problem's `type`, if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// In words.
    pub detail: String,
}

/// What came of one decision of a batch, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// The workflow received it; in a dry run, it would be stored and sent.
    Decided,
    /// It is stored, and its delivery continues.
    Stored,
    /// It is the first of two approvals.
    FirstApproved,
    /// Nothing was stored, or it is not known: `type` says why.
    Refused,
}

/// `POST /v1/tasks:batch`.
pub(super) async fn batch(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    Extension(caller): Extension<Caller>,
    body: Result<Json<BatchBody>, JsonRejection>,
) -> Result<Json<BatchResults>, Failure> {
    let Json(body) = body.map_err(bad_body)?;
    Ok(Json(decide_all(&state, &place, &caller, body).await?))
}

/// Makes the decisions of a batch, or says what would come of them.
pub(crate) async fn decide_all(
    state: &ApiState,
    place: &Place,
    caller: &Caller,
    body: BatchBody,
) -> Result<BatchResults, Failure> {
    let BatchBody { decisions, dry_run, by } = body;
    let distinct: BTreeSet<&str> = decisions.iter().map(|decision| decision.task_id.as_str()).collect();
    if !(1..=MAX_BATCH).contains(&decisions.len()) || distinct.len() != decisions.len() {
        return Err(Failure::Invalid(format!(
            "decisions must have 1 to {MAX_BATCH} entries, each for a different task"
        )));
    }
    // A wrong name is the whole batch's mistake.
    caller.person(by.as_deref())?;
    let results = stream::iter(decisions).map(|decision| {
        let (by, place) = (by.clone(), place.clone());
        async move {
            let id = decision.task_id.clone();
            let came = if dry_run {
                foreseen(state, caller, decision, by).await
            } else {
                made(state, place, caller, decision, by).await
            };
            came.unwrap_or_else(|failure| BatchResult::refused(id, &failure))
        }
    });
    Ok(BatchResults { dry_run, results: results.buffered(AT_ONCE).collect().await })
}

async fn made(
    state: &ApiState,
    place: Place,
    caller: &Caller,
    decision: BatchDecision,
    by: Option<String>,
) -> Result<BatchResult, Failure> {
    let BatchDecision { task_id, etag, outcome, reason } = decision;
    let body = DecisionBody { outcome, reason, by };
    let (status, task) = decided(state, place, caller, task_id.clone(), Some(etag), body).await?;
    let (result, detail) = match (&task.decision, status.as_u16()) {
        (None, _) => (Came::FirstApproved, "this is the first of two approvals".to_owned()),
        (Some(_), 200) => (Came::Decided, format!("{outcome}; the workflow has the answer")),
        (Some(_), _) => (Came::Stored, format!("{outcome}; its delivery to the workflow continues")),
    };
    Ok(BatchResult { task_id, result, r#type: None, detail })
}

async fn foreseen(
    state: &ApiState,
    caller: &Caller,
    decision: BatchDecision,
    by: Option<String>,
) -> Result<BatchResult, Failure> {
    let BatchDecision { task_id, etag, outcome, reason } = decision;
    let person = caller.person(by.as_deref())?;
    let asked = request(task_id.clone(), Some(etag), DecisionBody { outcome, reason, by }, person)?;
    let (result, detail) = match state.pipeline.foresee(&asked).await? {
        Foreseen::Decides => (Came::Decided, format!("would be {outcome}")),
        Foreseen::First => (Came::FirstApproved, "would be the first of two approvals".to_owned()),
        Foreseen::Ended(outcome) => {
            let (_, task) = ended(*outcome, &task_id)?;
            match task.decision {
                Some(_) => (Came::Decided, "has this decision already".to_owned()),
                None => (Came::FirstApproved, "has your approval already".to_owned()),
            }
        }
    };
    Ok(BatchResult { task_id, result, r#type: None, detail })
}

impl BatchResult {
    fn refused(task_id: TaskId, failure: &Failure) -> BatchResult {
        let (name, detail) = failure.told();
        BatchResult { task_id, result: Came::Refused, r#type: Some(name), detail }
    }
}
