//! SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat: how a token is closed, and the responses for a closed one
//! (API_SendTaskSuccess, API_SendTaskFailure, API_SendTaskHeartbeat, Step Functions API reference).

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Due, Effects, StepFunctions, TOKEN_START, ended, error};
use crate::events::Change;
use crate::turn::Turn;
use crate::wire::{Answer, Service, ServiceError, success};

/// The largest output in bytes of UTF-8.
const MAX_OUTPUT_BYTES: usize = 262_144;
/// The longest error name and cause, in characters.
const MAX_ERROR_CHARS: usize = 256;
const MAX_CAUSE_CHARS: usize = 32_768;
/// The longest token, in characters.
const MAX_TOKEN_CHARS: usize = 2_048;

/// One SendTask* call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The node that sent it.
    pub node: String,
    /// The token in the call.
    pub token: String,
    /// The kind of call.
    pub verb: Verb,
    /// Whether it closed the token or, for a heartbeat, whether the token was open.
    pub accepted: bool,
}

/// The kinds of SendTask* calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// The task succeeded.
    Success {
        /// Its output.
        output: String,
    },
    /// The task failed.
    Failure {
        /// The error's name.
        error: String,
        /// The error's cause.
        cause: String,
    },
    /// The task is still running.
    Heartbeat,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SuccessRequest {
    task_token: String,
    output: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FailureRequest {
    task_token: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    cause: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HeartbeatRequest {
    task_token: String,
}

impl StepFunctions {
    pub(super) fn send_task_success(
        &mut self,
        request: SuccessRequest,
        turn: &mut Turn<'_>,
        effects: &mut Effects,
    ) -> Answer {
        let SuccessRequest { task_token, output } = request;
        check_token(&task_token)?;
        if output.len() > MAX_OUTPUT_BYTES {
            let words = format!("Invalid Output: output is longer than {MAX_OUTPUT_BYTES} bytes");
            return Err(error("InvalidOutput", &words));
        }
        if serde_json::from_str::<Json>(&output).is_err() {
            return Err(error("InvalidOutput", "Invalid Output: 'The output is not valid JSON'"));
        }
        self.close(&task_token, Verb::Success { output }, turn, effects)
    }

    pub(super) fn send_task_failure(
        &mut self,
        request: FailureRequest,
        turn: &mut Turn<'_>,
        effects: &mut Effects,
    ) -> Answer {
        let FailureRequest { task_token, error, cause } = request;
        check_token(&task_token)?;
        check_length("error", &error, MAX_ERROR_CHARS)?;
        check_length("cause", &cause, MAX_CAUSE_CHARS)?;
        self.close(&task_token, Verb::Failure { error, cause }, turn, effects)
    }

    pub(super) fn send_task_heartbeat(
        &mut self,
        request: &HeartbeatRequest,
        turn: &mut Turn<'_>,
        effects: &mut Effects,
    ) -> Answer {
        check_token(&request.task_token)?;
        let open = self.open(&request.task_token, turn);
        note(&request.task_token, Verb::Heartbeat, open.is_ok(), turn);
        let arn = open?;
        let heartbeat_seconds =
            self.executions.get(&arn).and_then(|execution| execution.waiting().heartbeat_seconds);
        if let (Some(seconds), Some(state)) = (heartbeat_seconds, self.tokens.get_mut(&request.task_token)) {
            // It resets the heartbeat timer and never extends TimeoutSeconds.
            state.heartbeat_at_ms = turn.now_ms + seconds * 1_000;
            effects.due.push((state.heartbeat_at_ms, Due::Heartbeat { token: request.task_token.clone() }));
        }
        success(&json!({}))
    }

    fn close(&mut self, token: &str, verb: Verb, turn: &mut Turn<'_>, effects: &mut Effects) -> Answer {
        let open = self.open(token, turn);
        note(token, verb.clone(), open.is_ok(), turn);
        let arn = open?;
        let state = self.tokens.get_mut(token).expect("an open token exists");
        state.is_open = false;
        state.accepted += 1;
        let execution = self.executions.get_mut(&arn).expect("the execution of a token exists");
        let status = match verb {
            Verb::Success { output } => execution.succeed(&output, turn.now_ms),
            Verb::Failure { error, cause } => execution.fail_task(&error, &cause, turn.now_ms),
            Verb::Heartbeat => unreachable!("a heartbeat does not close a token"),
        };
        ended(&arn, status, turn, effects);
        success(&json!({}))
    }

    /// The execution that waits for a token, or the error for a token for which no execution waits.
    fn open(&self, token: &str, turn: &mut Turn<'_>) -> Result<String, ServiceError> {
        match self.tokens.get(token) {
            Some(state) if state.is_open => Ok(state.execution_arn.clone()),
            None if !token.starts_with(TOKEN_START) => {
                Err(error("InvalidToken", "Invalid Token: 'Invalid token'"))
            }
            Some(_) | None if turn.happens(turn.options.task_does_not_exist_percent) => {
                Err(error("TaskDoesNotExist", "Task does not exist"))
            }
            Some(_) | None => {
                Err(error("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'"))
            }
        }
    }
}

fn note(token: &str, verb: Verb, accepted: bool, turn: &mut Turn<'_>) {
    let callback = Callback { node: turn.node.to_owned(), token: token.to_owned(), verb, accepted };
    turn.changes.push(Change::Callback(callback));
}

fn check_token(token: &str) -> Result<(), ServiceError> {
    if token.is_empty() {
        return Err(error("InvalidToken", "Invalid Token: 'Empty token'"));
    }
    check_length("taskToken", token, MAX_TOKEN_CHARS)
}

fn check_length(field: &str, text: &str, max_chars: usize) -> Result<(), ServiceError> {
    if text.chars().count() <= max_chars {
        return Ok(());
    }
    Err(Service::StepFunctions.validation(&format!(
        "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must have length less than or equal to {max_chars}"
    )))
}
