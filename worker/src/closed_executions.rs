//! Executions that ended without an answer: their undecided tasks expire within seconds.
//!
//! EventBridge puts `{"executionArn", "status"}` on a queue for each aborted, failed or timed-out execution. The event
//! is a reason to check, not proof: the execution may have been redriven since, and wait again. It never changes a
//! decided task: a rejection makes its own execution FAILED before its delivery is recorded.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use futures::FutureExt as _;
use serde::Deserialize;
use statemachine::decision::Outcome;
use statemachine::status::Delivery;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::aws::fault::{Fault, Resource};
use crate::lease::guard::{Guard, Validity};
use crate::metrics::trouble::Trouble;
use crate::metrics::{Metrics, Service};
use crate::steps::expiry::Waits;
use crate::steps::pipeline::{Lost, Pipeline};
use crate::tasks::handled::Handled;
use crate::tasks::table::{TableError, TaskTable};

/// The longest wait SQS offers for a message, in seconds (ReceiveMessage, API reference).
const WAIT_SECONDS: i32 = 20;
/// How often an event is handled that no delivered answer explains: ingest may be slower than the event, and most
/// executions that fail never had a task.
const LOOKS: i32 = 4;
/// The longest one event may take; the queue's visibility timeout must be longer.
const EVENT_TIME: Duration = Duration::from_secs(20);
/// After a failed receive.
const PAUSE: Duration = Duration::from_secs(5);

/// A message of the queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Closed {
    pub(crate) execution_arn: String,
    status: String,
}

/// Consumes the queue until `stop`.
#[derive(Debug)]
pub struct ClosedExecutions {
    /// The steps.
    pub pipeline: Arc<Pipeline>,
    /// The tasks table.
    pub tasks: TaskTable,
    /// The metrics.
    pub metrics: Metrics,
    /// The queue's client.
    pub sqs: Client,
    /// The queue.
    pub queue_url: String,
}

impl ClosedExecutions {
    /// Works until `stop`; the messages in flight are finished.
    pub async fn run(self, stop: CancellationToken) {
        let mut trouble = Trouble::default();
        loop {
            let received = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                received = self.receive() => received,
            };
            match received {
                Ok(messages) => {
                    trouble.answered();
                    futures::future::join_all(messages.iter().map(|message| self.contain(message))).await;
                }
                Err(fault) => {
                    trouble.failed(fault.class, &self.metrics, Service::Queue);
                    warn!(error = %fault, "the queue of closed executions: {fault}");
                    let _ = timeout(PAUSE, stop.cancelled()).await;
                }
            }
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, Fault> {
        let request = self
            .sqs
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(10)
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = request.send().await.map_err(|error| {
            Fault::of("ReceiveMessage", Resource::ClosedExecutions(self.queue_url.clone()), &error)
        })?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// Handles one message. A panic affects only that message.
    async fn contain(&self, message: &Message) {
        if AssertUnwindSafe(self.take(message)).catch_unwind().await.is_err() {
            let id = message.message_id().unwrap_or("none");
            error!(message.id = id, "message {id}: handling it panicked; SQS will deliver it again");
        }
    }

    /// Handles one message; SQS redelivers a message that is not deleted, and moves it to the dead-letter queue.
    async fn take(&self, message: &Message) {
        let id = message.message_id().unwrap_or("none");
        let body = message.body().unwrap_or_default();
        let event: Closed = match serde_json::from_str(body) {
            Ok(event) => event,
            Err(error) => {
                error!(message.id = id, "message {id} is not a closed execution: {error}");
                return;
            }
        };
        let looks: i32 = message
            .attributes()
            .and_then(|attributes| attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount))
            .and_then(|count| count.parse().ok())
            .unwrap_or(1);
        let guard = Guard::new(Validity::until(Instant::now() + EVENT_TIME), CancellationToken::new());
        let closed = timeout(EVENT_TIME, self.close(&event, &guard)).await;
        match closed.unwrap_or_else(|_| Err("no time left".to_owned())) {
            Ok(false) if looks < LOOKS => {}
            Ok(is_done) => {
                info!(
                    workflow = event.execution_arn,
                    status = event.status,
                    is_done,
                    "a closed execution: {}",
                    event.status
                );
                self.delete(message).await;
            }
            Err(error) => {
                warn!(
                    workflow = event.execution_arn,
                    error, "a closed execution was not handled: {error}; SQS will deliver it again"
                );
            }
        }
    }

    /// Expires the execution's undecided tasks; returns whether nothing is left to do: a delivered rejection explains
    /// the end, and no task is undecided. Without a rejection each task may belong to an earlier attempt, or to an
    /// earlier state that was approved: the last task may not be stored yet.
    async fn close(&self, event: &Closed, guard: &Guard) -> Result<bool, String> {
        let ids = self.tasks.of_execution(&event.execution_arn).await.map_err(|error| self.failed(&error))?;
        let (mut is_explained, mut is_left_open) = (false, false);
        for id in &ids {
            let task = match self.tasks.get(id).await {
                Ok(Some(task)) => task,
                Ok(None) => continue,
                // The event need not wait until the item is repaired: the sweeper reads it again.
                Err(TableError::Malformed(_)) => {
                    let handled = self.pipeline.quarantine(id, guard).await;
                    self.metrics.swept(handled.map_err(|Lost| "no time left".to_owned())?);
                    is_left_open = true;
                    continue;
                }
                Err(error) => return Err(self.failed(&error)),
            };
            if task.status.is_final() && task.decision.is_none() {
                continue;
            }
            let is_rejection =
                task.decision.as_ref().is_some_and(|decision| decision.outcome == Outcome::Rejected);
            is_explained |= is_rejection && task.delivery == Some(Delivery::Delivered);
            let handled = match task.delivery {
                None => match self.pipeline.ask(&task).await.map_err(|fault| fault.to_string())? {
                    Waits::No(end) => self.pipeline.expire(&task, end, guard).await,
                    Waits::Yes => Ok(Handled::PutOff),
                },
                Some(Delivery::Unverified) => self.pipeline.verify_now(&task, guard).await,
                // The sender of its decision finds the token closed, and verifies.
                Some(Delivery::Due) => Ok(Handled::OwnWrite),
                Some(Delivery::Delivered | Delivery::ClosedElsewhere | Delivery::Undeliverable) => {
                    Ok(Handled::AlreadySettled)
                }
            };
            match handled {
                Ok(handled) => {
                    is_explained |= is_rejection && handled == Handled::Delivered;
                    is_left_open |= matches!(handled, Handled::PutOff | Handled::Poison);
                    self.metrics.swept(handled);
                }
                Err(Lost) => return Err("no time left".to_owned()),
            }
        }
        Ok(is_explained && !is_left_open)
    }

    fn failed(&self, error: &TableError) -> String {
        self.metrics.failed(Service::Table, error.class());
        error.to_string()
    }

    async fn delete(&self, message: &Message) {
        let Some(handle) = message.receipt_handle() else { return };
        let request = self.sqs.delete_message().queue_url(&self.queue_url).receipt_handle(handle);
        if let Err(error) = request.send().await {
            let fault =
                Fault::of("DeleteMessage", Resource::ClosedExecutions(self.queue_url.clone()), &error);
            warn!(error = %fault, "could not delete a handled message: {fault}; SQS will deliver it again");
        }
    }
}
