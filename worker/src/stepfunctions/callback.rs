//! Sends a stored decision to Step Functions; the response becomes a closed enum of what to do next.
//!
//! Only codes leave this file: an error message may quote the request, and the request contains the token.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_sfn::Client;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use statemachine::decision::{Decision, Outcome};
use statemachine::task::Task;

use crate::aws::fault::{Class, Fault, Resource};

/// The result of a callback or a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackAnswer {
    /// 200: the token was open, and the call succeeded.
    Accepted,
    /// The token is closed: by this decision, by another answer, or by a timeout. The response never shows which, not
    /// even on what looks like a first attempt.
    Closed,
    /// The token or the payload is wrong, permanently.
    Refused(Fault),
    /// The result is unknown, or the call was throttled: retry it.
    Again(Fault),
    /// Not specific to this decision: its workflow's callbacks fail, or all do. Keep the decision, and raise the alarm.
    Systemic(Fault),
}

/// Sends callbacks. The client's own retries must be off: a hidden retry turns a success into "closed".
#[derive(Debug, Clone)]
pub struct Callback {
    client: Client,
    /// How many callbacks were accepted or found closed; clones share it.
    answered: Arc<AtomicU64>,
}

impl Callback {
    /// Callbacks through `client`.
    pub fn new(client: Client) -> Callback {
        Callback { client, answered: Arc::default() }
    }

    /// How many callbacks Step Functions has accepted so far: it grows while others succeed, even if this one fails.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// **C**: one attempt to deliver a decision that was read back from the table.
    pub async fn send(&self, task: &Task, decision: &Decision) -> CallbackAnswer {
        let token = task.token.expose();
        let answer = match decision.outcome {
            Outcome::Approved => answer(
                "SendTaskSuccess",
                task,
                self.client.send_task_success().task_token(token).output(&decision.payload).send().await,
            ),
            Outcome::Rejected => answer(
                "SendTaskFailure",
                task,
                self.client
                    .send_task_failure()
                    .task_token(token)
                    .error(decision.failure_name())
                    .cause(&decision.payload)
                    .send()
                    .await,
            ),
        };
        if matches!(answer, CallbackAnswer::Accepted | CallbackAnswer::Closed) {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// Checks whether the token is still open, without closing it. It resets no timeout: the approval state has no
    /// heartbeat timeout.
    pub async fn ask(&self, task: &Task) -> CallbackAnswer {
        let request = self.client.send_task_heartbeat().task_token(task.token.expose());
        answer("SendTaskHeartbeat", task, request.send().await)
    }
}

fn answer<T, E: ProvideErrorMetadata>(
    operation: &'static str,
    task: &Task,
    result: Result<T, SdkError<E, HttpResponse>>,
) -> CallbackAnswer {
    let Err(error) = result else { return CallbackAnswer::Accepted };
    let fault = Fault::of(operation, Resource::Execution(task.transaction_id.clone()), &error);
    match (fault.code.as_str(), fault.class) {
        ("TaskTimedOut" | "TaskDoesNotExist", _) => CallbackAnswer::Closed,
        (_, Class::Refused) => CallbackAnswer::Refused(fault),
        (_, Class::Throttled | Class::Transient) => CallbackAnswer::Again(fault),
        (_, Class::Systemic) => CallbackAnswer::Systemic(fault),
    }
}
