//! `/v1/automation`: whether automatic decisions are on, for the whole fleet.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use statemachine::decision::MAX_REASON_CHARS;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::Caller;
use super::error::Failure;
use super::tasks::bad_body;
use crate::control::item::{ControlError, Paused};
use crate::control::rule_store::{Author, Event, Line};

/// The response of `/v1/automation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Automation {
    /// Rules decide.
    pub running: bool,
    /// Why they do not.
    pub paused: Option<Paused>,
    /// Why they do not although automation is not paused: the control item was edited or deleted by hand.
    pub held: Option<String>,
}

/// The body of `POST /v1/automation/pause` and `resume`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchBody {
    /// The reason, for the history and for the escalated tasks.
    pub reason: String,
    /// The person's name, if the API asks for no token; `operator` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `GET /v1/automation`: read from the table, not from what this worker last saw.
pub(crate) async fn get(State(state): State<ApiState>) -> Result<Json<Automation>, Failure> {
    Ok(Json(match state.control_table.read_control_item().await {
        Ok(control) => Automation { running: control.paused.is_none(), paused: control.paused, held: None },
        Err(ControlError::Fault(fault)) => return Err(fault.into()),
        Err(
            damage @ (ControlError::Unreadable { .. } | ControlError::Newer { .. } | ControlError::Vanished),
        ) => Automation { running: false, paused: None, held: Some(damage.to_string()) },
    }))
}

/// `POST /v1/automation/pause`.
pub(super) async fn pause(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    body: Result<Json<SwitchBody>, JsonRejection>,
) -> Result<Json<Automation>, Failure> {
    switch(&state, &caller, Event::Pause, body).await
}

/// `POST /v1/automation/resume`.
pub(super) async fn resume(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    body: Result<Json<SwitchBody>, JsonRejection>,
) -> Result<Json<Automation>, Failure> {
    switch(&state, &caller, Event::Resume, body).await
}

async fn switch(
    state: &ApiState,
    caller: &Caller,
    event: Event,
    body: Result<Json<SwitchBody>, JsonRejection>,
) -> Result<Json<Automation>, Failure> {
    switched(state, caller, event, body.map_err(bad_body)?.0).await.map(Json)
}

/// Pauses or resumes.
pub(crate) async fn switched(
    state: &ApiState,
    caller: &Caller,
    event: Event,
    body: SwitchBody,
) -> Result<Automation, Failure> {
    let author = author(caller, body)?;
    let line: Line = state.control_table.change(event, None, &author, state.clock.now()).await?;
    let paused = line.paused();
    Ok(Automation { running: paused.is_none(), paused, held: None })
}

fn author(caller: &Caller, body: SwitchBody) -> Result<Author, Failure> {
    let message = body.reason.trim().to_owned();
    if message.is_empty() || message.chars().count() > MAX_REASON_CHARS {
        return Err(Failure::Invalid(format!("reason must have 1 to {MAX_REASON_CHARS} characters")));
    }
    Ok(Author { by: caller.person(body.by.as_deref())?.name, message })
}
