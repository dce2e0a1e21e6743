//! `/v1/log-level`: how much this worker logs.

use std::time::Duration;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::caller::Caller;
use super::error::Failure;
use super::tasks::bad_body;
use crate::clock;
use crate::telemetry::MAX_MINUTES;

/// How long another level is in effect unless the request says.
const DEFAULT_MINUTES: u32 = 30;
/// The longest filter, in bytes.
const MAX_LEVEL_BYTES: usize = 300;

/// The response of `/v1/log-level`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LogLevel)]
#[serde(rename_all = "camelCase")]
pub struct LevelView {
    /// The worker that responds: each has its own level.
    pub worker: String,
    /// The level in effect.
    pub level: String,
    /// `log.level` of its configuration.
    pub configured: String,
    /// When the configured level is in effect again, RFC 3339 in UTC; none while it is.
    pub until: Option<String>,
    /// Who changed it.
    pub by: Option<String>,
}

/// The body of `POST /v1/log-level`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelBody {
    /// The level, in the form of `log.level`; without one, the configured level is in effect again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// For how many minutes: 1 to 240; 30 unless given.
    #[schema(minimum = 1, maximum = 240)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
    /// The person's name, if the API asks for no token; `operator` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `GET /v1/log-level`.
pub(super) async fn get(State(state): State<ApiState>) -> Result<Json<LevelView>, Failure> {
    view(&state).map(Json)
}

/// `POST /v1/log-level`.
pub(super) async fn set(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    body: Result<Json<LevelBody>, JsonRejection>,
) -> Result<Json<LevelView>, Failure> {
    let Json(LevelBody { level, minutes, by }) = body.map_err(bad_body)?;
    let by = caller.person(by.as_deref())?.name;
    let log_level = state.log_level.as_ref().ok_or_else(no_log)?;
    let minutes = minutes.unwrap_or(DEFAULT_MINUTES);
    if !(1..=MAX_MINUTES).contains(&minutes) {
        return Err(Failure::Invalid(format!("minutes is {minutes}; it must be from 1 to {MAX_MINUTES}")));
    }
    match level.as_deref().map(str::trim) {
        None => log_level.reset(&by),
        Some(level) => {
            if level.is_empty() || level.len() > MAX_LEVEL_BYTES {
                return Err(Failure::Invalid(format!("level must have 1 to {MAX_LEVEL_BYTES} bytes")));
            }
            let time = Duration::from_secs(u64::from(minutes) * 60);
            log_level
                .set(level, time, &by, state.clock.now())
                .map_err(|invalid| Failure::Invalid(invalid.to_string()))?;
        }
    }
    view(&state).map(Json)
}

fn view(state: &ApiState) -> Result<LevelView, Failure> {
    let log_level = state.log_level.as_ref().ok_or_else(no_log)?;
    let change = log_level.changed();
    let configured = log_level.configured().to_owned();
    Ok(LevelView {
        worker: state.me.clone(),
        level: change.as_ref().map_or_else(|| configured.clone(), |change| change.level.clone()),
        configured,
        until: change.as_ref().map(|change| clock::text(change.until)),
        by: change.map(|change| change.by),
    })
}

/// Only a process that `countersign run` started has a log.
fn no_log() -> Failure {
    Failure::Unavailable { why: "this process has no log of its own".to_owned(), may_pass: false }
}
