//! How many messages the queues hold: those that wait to be stored, and those that nobody could handle.
//!
//! Nothing is received and nothing is decided here. Each worker reads the counts for its operators.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use utoipa::ToSchema;

use crate::aws::fault::{Fault, Resource};
use crate::clock::{Clock, second_text};
use crate::config;
use crate::metrics::{Metrics, Queue};

/// The time between two readings: a few calls a minute cost nothing worth mentioning.
const EVERY: Duration = Duration::from_secs(30);
/// A call that takes longer is given up: the next reading is soon.
const PATIENCE: Duration = Duration::from_secs(10);
/// A count that is older than this many seconds is told as unknown.
const STALE_SECONDS: i64 = 75;

/// What one queue holds, as this worker read it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueView {
    /// Which queue, by the name of its setting in `queues`.
    pub queue: String,
    /// Messages that wait to be received, as read last; none before the first reading.
    pub waiting: Option<u64>,
    /// Messages that were received and not yet deleted: in hand, or to be delivered again later.
    pub in_hand: Option<u64>,
    /// Since when the counts cannot be read, in RFC 3339; none while they can.
    pub unknown_since: Option<String>,
    /// Why they cannot be read.
    pub error: Option<String>,
}

/// The queues that the settings name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queues {
    sqs: Client,
    metrics: Metrics,
    clock: Clock,
    known: Arc<Vec<(Queue, String)>>,
    /// In the order of `known`.
    readings: Arc<Mutex<Vec<Reading>>>,
}

/// A queue as it was read last.
#[derive(Debug, Clone)]
struct Reading {
    /// When the counts were read, or else when the process started; in epoch seconds.
    at: i64,
    counts: Option<Counts>,
    /// Why the last attempt failed.
    error: Option<String>,
}

/// The messages of a queue.
#[derive(Debug, Clone, Copy)]
struct Counts {
    waiting: u64,
    in_hand: u64,
}

impl Queues {
    /// The configured queues, of which nothing is known yet.
    pub fn new(sqs: Client, settings: &config::Queues, metrics: Metrics, clock: Clock) -> Queues {
        let urls = [
            (Queue::Tasks, &settings.tasks),
            (Queue::ClosedExecutions, &settings.closed_executions),
            (Queue::TaskDeadLetters, &settings.task_dead_letters),
            (Queue::ClosedExecutionsDeadLetters, &settings.closed_executions_dead_letters),
        ];
        let known: Vec<_> = urls.into_iter().filter_map(|(queue, url)| Some((queue, url.clone()?))).collect();
        let at = clock.now().as_second();
        for (queue, _) in &known {
            metrics.queue_unread(*queue, at);
        }
        let readings = vec![Reading { at, counts: None, error: None }; known.len()];
        Queues { sqs, metrics, clock, known: known.into(), readings: Arc::new(Mutex::new(readings)) }
    }

    /// Reads the counts again and again until `stop`.
    pub async fn follow(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                // A reading in progress has nothing to finish.
                biased;
                () = stop.cancelled() => return,
                () = self.read_all() => {}
            }
            if timeout(EVERY, stop.cancelled()).await.is_ok() {
                return;
            }
        }
    }

    async fn read_all(&self) {
        let reads = (0..).zip(self.known.iter()).map(|(place, (queue, url))| async move {
            let read = timeout(PATIENCE, self.read(url)).await;
            let read = read.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
            self.note(place, *queue, read);
        });
        futures::future::join_all(reads).await;
    }

    async fn read(&self, url: &str) -> Result<Counts, String> {
        let resource = || Resource::DeadLetters(url.to_owned());
        let wanted =
            [Attribute::ApproximateNumberOfMessages, Attribute::ApproximateNumberOfMessagesNotVisible];
        let request = self.sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(wanted.into()));
        let answer = request
            .send()
            .await
            .map_err(|error| Fault::of("GetQueueAttributes", resource(), &error).to_string())?;
        let number = |name| {
            let text = answer.attributes.as_ref().and_then(|attributes| attributes.get(&name));
            text.and_then(|text| text.parse().ok())
                .ok_or_else(|| Fault::unreadable("GetQueueAttributes", resource(), name.as_str()).to_string())
        };
        Ok(Counts {
            waiting: number(Attribute::ApproximateNumberOfMessages)?,
            in_hand: number(Attribute::ApproximateNumberOfMessagesNotVisible)?,
        })
    }

    fn note(&self, place: usize, queue: Queue, read: Result<Counts, String>) {
        let mut readings = self.readings.lock().expect("no holder of the readings panics");
        let Some(reading) = readings.get_mut(place) else { return };
        match read {
            Ok(counts) => {
                let at = self.clock.now().as_second();
                *reading = Reading { at, counts: Some(counts), error: None };
                self.metrics.queue(queue, counts.waiting, counts.in_hand, at);
            }
            Err(error) => {
                let name = queue.label();
                warn!(error, "cannot count the messages of the queue {name}: {error}; retrying");
                reading.error = Some(error);
            }
        }
    }

    /// What each queue holds.
    ///
    /// # Panics
    ///
    /// Never: no holder of the readings panics.
    pub fn view(&self) -> Vec<QueueView> {
        let readings = self.readings.lock().expect("no holder of the readings panics");
        let now = self.clock.now().as_second();
        let view = |((queue, _), reading): (&(Queue, String), &Reading)| {
            let is_known = reading.counts.is_some() && reading.error.is_none();
            let is_stale = now.saturating_sub(reading.at) > STALE_SECONDS;
            QueueView {
                queue: queue.label().to_owned(),
                waiting: reading.counts.map(|counts| counts.waiting),
                in_hand: reading.counts.map(|counts| counts.in_hand),
                unknown_since: if is_known && !is_stale { None } else { second_text(reading.at) },
                error: reading.error.clone(),
            }
        };
        self.known.iter().zip(readings.iter()).map(view).collect()
    }
}
