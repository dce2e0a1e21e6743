//! Step Functions: executions that wait for a token, and the calls that answer them or read them.

mod callback;
mod execution;
mod history;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rand::Rng as _;

pub use self::callback::{Callback, Verb};
use self::execution::{Execution, Waiting};
pub use self::execution::{ExecutionStatus, ExecutionView, Start, Started};
use super::bucket::Bucket;
use super::turn::Turn;
use super::wire::{Answer, Call, Service, ServiceError};

/// Tokens of this model begin with this text; no other text was ever a token.
const TOKEN_START: &str = "AAAAKgAAAAIAAAAAAAAAAQ";

/// All executions and tokens.
#[derive(Debug, Default)]
pub(super) struct StepFunctions {
    executions: BTreeMap<String, Execution>,
    tokens: BTreeMap<String, TokenState>,
    buckets: BTreeMap<String, Bucket>,
}

/// A token and the state that waits for it.
#[derive(Debug)]
struct TokenState {
    execution_arn: String,
    is_open: bool,
    /// How many closing calls it has accepted: never more than one.
    accepted: u32,
    heartbeat_at_ms: u64,
}

/// A timer that expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Due {
    /// The state's TimeoutSeconds have passed.
    Timeout { token: String },
    /// The state's HeartbeatSeconds have passed since the last heartbeat.
    Heartbeat { token: String },
    /// The execution's own TimeoutSeconds have passed.
    ExecutionTimeout { arn: String },
}

/// The effects of a step of an execution on other parts of the world.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Timers to start.
    pub(super) due: Vec<(u64, Due)>,
    /// Messages to send: queue URL and body.
    pub(super) messages: Vec<(String, String)>,
    /// Executions that ended, for EventBridge.
    pub(super) ended: Vec<(String, ExecutionStatus)>,
}

impl StepFunctions {
    /// Answers a call.
    ///
    /// # Panics
    ///
    /// If the model does not support the operation.
    pub(super) fn answer(&mut self, call: &Call, turn: &mut Turn<'_>, effects: &mut Effects) -> Answer {
        let operation = call.operation.as_str();
        let rate = match operation {
            "SendTaskSuccess" | "SendTaskFailure" | "SendTaskHeartbeat" => turn.options.send_task,
            "DescribeExecution" => turn.options.describe_execution,
            "GetExecutionHistory" => turn.options.get_execution_history,
            other => panic!("the model of Step Functions does not support {other}"),
        };
        if !self.buckets.entry(operation.to_owned()).or_default().take(rate, turn.now_ms) {
            return Err(Service::StepFunctions.throttled());
        }
        match operation {
            "SendTaskSuccess" => self.send_task_success(call.request()?, turn, effects),
            "SendTaskFailure" => self.send_task_failure(call.request()?, turn, effects),
            "SendTaskHeartbeat" => self.send_task_heartbeat(&call.request()?, turn, effects),
            "DescribeExecution" => self.describe_execution(&call.request()?, turn),
            _ => self.get_execution_history(&call.request()?, turn),
        }
    }

    /// Starts an execution and runs it until its waiting state.
    pub(super) fn start(&mut self, start: Start, turn: &mut Turn<'_>, effects: &mut Effects) -> Started {
        let arn =
            format!("{}:{}", start.state_machine_arn.replace(":stateMachine:", ":execution:"), start.name);
        if let Some(seconds) = start.execution_timeout_seconds {
            effects.due.push((turn.now_ms + seconds * 1_000, Due::ExecutionTimeout { arn: arn.clone() }));
        }
        let execution = Execution::start(&arn, start, turn.now_ms);
        let old = self.executions.insert(arn.clone(), execution);
        assert!(old.is_none(), "execution {arn} already exists");
        let (token, body) = self.wait(&arn, turn, effects);
        Started { execution_arn: arn, token, body }
    }

    /// Stops an execution, as an operator does.
    pub(super) fn stop(&mut self, arn: &str, turn: &mut Turn<'_>, effects: &mut Effects) -> bool {
        self.end(arn, ExecutionStatus::Aborted, turn, effects)
    }

    /// Redrives an execution that ended without success, as an operator does: it enters its state again, with a new
    /// token and a new message (RedriveExecution, Step Functions API reference).
    pub(super) fn redrive(&mut self, arn: &str, turn: &mut Turn<'_>, effects: &mut Effects) -> bool {
        let is_redriven =
            self.executions.get_mut(arn).is_some_and(|execution| execution.redrive(turn.now_ms));
        if is_redriven {
            self.wait(arn, turn, effects);
        }
        is_redriven
    }

    /// Handles a timer that expired.
    pub(super) fn elapse(&mut self, due: &Due, turn: &mut Turn<'_>, effects: &mut Effects) {
        match due {
            Due::ExecutionTimeout { arn } => {
                self.end(arn, ExecutionStatus::TimedOut, turn, effects);
            }
            Due::Timeout { token } => self.time_out(token, "States.Timeout", turn, effects),
            Due::Heartbeat { token } => {
                let is_due = self
                    .tokens
                    .get(token)
                    .is_some_and(|state| state.is_open && state.heartbeat_at_ms <= turn.now_ms);
                if is_due {
                    self.time_out(token, "States.HeartbeatTimeout", turn, effects);
                }
            }
        }
    }

    /// The current and complete state of an execution, for tests.
    pub(super) fn view(&self, arn: &str) -> Option<ExecutionView> {
        self.executions.get(arn).map(Execution::view)
    }

    /// Every execution.
    pub(super) fn views(&self) -> Vec<ExecutionView> {
        self.executions.values().map(Execution::view).collect()
    }

    /// How many closing calls a token has accepted.
    pub(super) fn accepted(&self, token: &str) -> u32 {
        self.tokens.get(token).map_or(0, |state| state.accepted)
    }

    /// Enters the waiting state: creates a token, sends its message, starts its timers.
    fn wait(&mut self, arn: &str, turn: &mut Turn<'_>, effects: &mut Effects) -> (String, String) {
        let execution = self.executions.get_mut(arn).expect("only existing executions wait");
        let token =
            format!("{TOKEN_START}{:032x}{:032x}", turn.rng.random::<u128>(), turn.rng.random::<u128>());
        let token = format!("{token:0<0$}", turn.options.token_chars);
        let body = execution.schedule(&token, turn.now_ms);
        let Waiting { timeout_seconds, heartbeat_seconds, queue_url, .. } = execution.waiting();
        if let Some(seconds) = timeout_seconds {
            effects.due.push((turn.now_ms + seconds * 1_000, Due::Timeout { token: token.clone() }));
        }
        let heartbeat_at_ms = heartbeat_seconds.map_or(u64::MAX, |seconds| turn.now_ms + seconds * 1_000);
        if heartbeat_seconds.is_some() {
            effects.due.push((heartbeat_at_ms, Due::Heartbeat { token: token.clone() }));
        }
        if let Some(url) = queue_url {
            effects.messages.push((url.clone(), body.clone()));
        }
        let state = TokenState { execution_arn: arn.to_owned(), is_open: true, accepted: 0, heartbeat_at_ms };
        self.tokens.insert(token.clone(), state);
        turn.changes
            .push(super::events::Change::Waiting { execution_arn: arn.to_owned(), token: token.clone() });
        (token, body)
    }

    /// Handles the timeout of a waiting state: another attempt with a new token, or the failure of the execution.
    fn time_out(&mut self, token: &str, error: &str, turn: &mut Turn<'_>, effects: &mut Effects) {
        let Some(state) = self.tokens.get_mut(token).filter(|state| state.is_open) else { return };
        state.is_open = false;
        let arn = state.execution_arn.clone();
        let execution = self.executions.get_mut(&arn).expect("the execution of a token exists");
        execution.record_timeout(error, turn.now_ms);
        if execution.retry() {
            self.wait(&arn, turn, effects);
        } else {
            execution.fail(error, "", turn.now_ms);
            ended(&arn, ExecutionStatus::Failed, turn, effects);
        }
    }

    /// Ends a running execution from outside and closes its token.
    fn end(
        &mut self,
        arn: &str,
        status: ExecutionStatus,
        turn: &mut Turn<'_>,
        effects: &mut Effects,
    ) -> bool {
        let Some(execution) = self.executions.get_mut(arn) else { return false };
        if !execution.end(status, turn.now_ms) {
            return false;
        }
        for state in self.tokens.values_mut().filter(|state| state.execution_arn == arn) {
            state.is_open = false;
        }
        ended(arn, status, turn, effects);
        true
    }
}

fn ended(arn: &str, status: ExecutionStatus, turn: &mut Turn<'_>, effects: &mut Effects) {
    turn.changes.push(super::events::Change::Execution { arn: arn.to_owned(), status });
    effects.ended.push((arn.to_owned(), status));
}

fn error(kind: &str, message: &str) -> ServiceError {
    ServiceError::new(Service::StepFunctions, kind, message)
}
