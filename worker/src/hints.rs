//! Hints: ingest has just stored these tasks. The worker that receives a hint reads its tasks from the table and takes
//! them through the same steps, so that they wait neither for their stream record nor for the next poll of its shard.
//!
//! A hint has only ids, and is no reason to do anything: the task is what the table says. The stream stays the way on
//! which no task is lost, so a hint may be lost, late, repeated or forged, and a worker that is busy drops it. Waking the
//! readers instead would need a way to each peer, and a read of every shard for each hint; this needs one read of each
//! task, however many shards and workers there are.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::Message;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use serde::Deserialize;
use statemachine::status::State;
use statemachine::token::TaskId;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::aws::fault::{Fault, Resource};
use crate::lease::guard::{Guard, Validity};
use crate::metrics::trouble::Trouble;
use crate::metrics::{Metrics, Service};
use crate::steps::pipeline::Pipeline;
use crate::tasks::handled::Handled;
use crate::tasks::in_hand::InHand;
use crate::tasks::table::TaskTable;

/// The longest wait SQS offers for a message, in seconds (ReceiveMessage, API reference).
const WAIT_SECONDS: i32 = 20;
/// How many hints are followed at once. Those that come while so many are followed are dropped: behind a backlog a hint
/// gains nothing, and each costs a read.
const AT_ONCE: usize = 64;
/// The longest time that one task may take on this way: by then the first attempts to send a decision have failed.
const TASK_TIME: Duration = Duration::from_secs(20);
/// After a failed receive.
const PAUSE: Duration = Duration::from_secs(5);

/// A message of the queue.
#[derive(Debug, Deserialize)]
struct Hint {
    tasks: Vec<String>,
}

/// Consumes the queue until `stop`.
#[derive(Debug)]
pub struct Hints {
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
    /// The worker's right to act. It holds no lease for a hinted task, and needs none: the write of the decision
    /// resolves every race.
    pub validity: Validity,
    /// The tasks that the readers of this process have in hand.
    pub in_hand: InHand,
}

impl Hints {
    /// Works until `stop`; the tasks in hand are finished.
    pub async fn run(self, stop: CancellationToken) {
        let places = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
        let hints = self.hints().take_until(stop.cancelled());
        hints
            .for_each_concurrent(None, async |messages| {
                let ids = messages.iter().flat_map(ids);
                let tasks = ids.map(async |id| {
                    let handled = match places.try_acquire() {
                        Ok(_place) => self.contain(&id).await,
                        Err(_) => Handled::PutOff,
                    };
                    self.metrics.hinted(handled);
                });
                tokio::join!(self.delete(&messages), futures::future::join_all(tasks));
            })
            .await;
    }

    /// The messages of the queue, one receive after the other, while others are handled.
    fn hints(&self) -> BoxStream<'_, Vec<Message>> {
        let received = stream::unfold(Trouble::default(), async |mut trouble| {
            let messages = match self.receive().await {
                Ok(messages) => {
                    trouble.answered();
                    messages
                }
                Err(fault) => {
                    trouble.failed(fault.class, &self.metrics, Service::Queue);
                    warn!(error = %fault, "the queue of hints: {fault}; tasks wait for the next poll of the stream");
                    sleep(PAUSE).await;
                    vec![]
                }
            };
            Some((messages, trouble))
        });
        received.boxed()
    }

    async fn receive(&self) -> Result<Vec<Message>, Fault> {
        let request = self
            .sqs
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(10)
            .wait_time_seconds(WAIT_SECONDS);
        let answer = request
            .send()
            .await
            .map_err(|error| Fault::of("ReceiveMessage", Resource::Hints(self.queue_url.clone()), &error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// Handles one task. A panic affects only this hint: the stream brings the task again.
    async fn contain(&self, id: &TaskId) -> Handled {
        AssertUnwindSafe(self.take(id)).catch_unwind().await.unwrap_or_else(|_| {
            warn!(task.id = %id, "task {id}: following a hint panicked; left to the stream");
            Handled::PutOff
        })
    }

    async fn take(&self, id: &TaskId) -> Handled {
        let out_of_time = CancellationToken::new();
        let guard = Guard::new(self.validity.clone(), out_of_time.clone());
        if !guard.is_live() {
            return Handled::LeaseLost;
        }
        if self.in_hand.holds(id, Duration::MAX) {
            return Handled::OwnWrite;
        }
        let _holding = self.in_hand.take(id.clone());
        let task = match self.tasks.get(id).await {
            Ok(Some(task)) if task.state() == State::NEW => task,
            Ok(Some(_)) => return Handled::AlreadySettled,
            Ok(None) => return Handled::Gone,
            Err(error) => {
                debug!(task.id = %id, error = %error, "task {id}: {error}; left to the stream");
                self.metrics.failed(Service::Table, error.class());
                return Handled::PutOff;
            }
        };
        let steps = self.pipeline.decide(&task, &guard).boxed();
        let mut work = pin!(self.pipeline.contained(&task, &guard, None, steps));
        let handled = match timeout(TASK_TIME, &mut work).await {
            Ok(handled) => handled,
            Err(_) => {
                // Its next step finds the guard dead, and the task is left to the stream and the sweeper.
                out_of_time.cancel();
                work.await
            }
        };
        handled.unwrap_or(Handled::LeaseLost)
    }

    /// Deletes handled messages before their tasks are done: a hint that is lost costs one poll.
    async fn delete(&self, messages: &[Message]) {
        let deletions = messages.iter().filter_map(Message::receipt_handle).map(async |handle| {
            let request = self.sqs.delete_message().queue_url(&self.queue_url).receipt_handle(handle);
            if let Err(error) = request.send().await {
                let fault = Fault::of("DeleteMessage", Resource::Hints(self.queue_url.clone()), &error);
                warn!(error = %fault, "could not delete a hint: {fault}; it is delivered again");
            }
        });
        futures::future::join_all(deletions).await;
    }
}

/// The tasks that a message names. What is not an id was not sent by ingest.
fn ids(message: &Message) -> Vec<TaskId> {
    let body = message.body().unwrap_or_default();
    let ids = serde_json::from_str(body)
        .map(|Hint { tasks }| tasks.iter().map(|id| TaskId::parse(id)).collect::<Result<Vec<TaskId>, _>>());
    match ids {
        Ok(Ok(ids)) => ids,
        Ok(Err(_)) | Err(_) => {
            let id = message.message_id().unwrap_or("none");
            warn!(
                message.id = id,
                "message {id} of the queue of hints is not a hint; only ingest may send there"
            );
            vec![]
        }
    }
}
