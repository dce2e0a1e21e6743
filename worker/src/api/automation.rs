//! `/v1/automation`: whether rules decide at all, on the whole fleet.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};
use statemachine::decision::MAX_REASON_CHARS;

use super::ApiState;
use super::error::Failure;
use super::tasks::{bad_body, person};
use crate::control::gate::{ControlItem, Paused};
use crate::control::rule_store::{Author, Event, StoreError};

/// How often a change is tried that others came before.
const TRIES: usize = 5;

/// The answer of `/v1/automation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Automation {
    /// Rules decide.
    pub running: bool,
    /// Why they do not.
    pub paused: Option<Paused>,
}

/// The body of `POST /v1/automation/pause` and `resume`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchBody {
    /// Why, for the history and for everyone whose task then escalates.
    pub reason: String,
    /// The person's name; `operator` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `GET /v1/automation`: as the table has it, not as this worker last saw it.
pub(super) async fn get(State(state): State<ApiState>) -> Result<Json<Automation>, Failure> {
    Ok(Json(state.control_table.read_control_item().await?.into()))
}

/// `POST /v1/automation/pause`.
pub(super) async fn pause(
    State(state): State<ApiState>,
    body: Result<Json<SwitchBody>, JsonRejection>,
) -> Result<Json<Automation>, Failure> {
    switch(&state, Event::Pause, body).await
}

/// `POST /v1/automation/resume`.
pub(super) async fn resume(
    State(state): State<ApiState>,
    body: Result<Json<SwitchBody>, JsonRejection>,
) -> Result<Json<Automation>, Failure> {
    switch(&state, Event::Resume, body).await
}

/// Whoever wants to stop everything must not be told to try again because someone published at the same moment.
async fn switch(
    state: &ApiState,
    event: Event,
    body: Result<Json<SwitchBody>, JsonRejection>,
) -> Result<Json<Automation>, Failure> {
    let author = author(body.map_err(bad_body)?.0)?;
    let mut raced = Failure::Raced;
    for _ in 0..TRIES {
        let now = state.clock.now();
        match state.control_table.change(event, None, &author, now).await {
            Ok(control) => return Ok(Json(control.into())),
            Err(error @ StoreError::Raced) => raced = error.into(),
            Err(error) => return Err(error.into()),
        }
    }
    Err(raced)
}

fn author(body: SwitchBody) -> Result<Author, Failure> {
    let message = body.reason.trim().to_owned();
    if message.is_empty() || message.chars().count() > MAX_REASON_CHARS {
        return Err(Failure::Invalid(format!("reason is not 1 to {MAX_REASON_CHARS} characters long")));
    }
    Ok(Author { by: person(body.by.as_deref())?, message })
}

impl From<ControlItem> for Automation {
    fn from(control: ControlItem) -> Automation {
        Automation { running: control.paused.is_none(), paused: control.paused }
    }
}
