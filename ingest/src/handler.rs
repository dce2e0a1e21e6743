//! Turns a batch into a partial batch response. Messages are handled separately, so a bad message fails alone.

use std::panic::AssertUnwindSafe;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use statemachine::message::Message;
use statemachine::task::{ReceivedAt, Task};
use statemachine::token::TaskId;

use crate::error::{Error, Reject, Retry};
use crate::metrics::Counts;
use crate::store::{Store, Stored};
use crate::trace::traceparent;

/// How many messages are stored at the same time. SQS delivers 10 at a time by default, and up to 10,000 if the mapping
/// says so.
const CONCURRENT_MESSAGES: usize = 64;
/// How many unknown fields a warning names, and how many characters of each name.
const NAMED_FIELDS: usize = 10;
const NAMED_CHARS: usize = 40;

/// What became of a batch.
#[derive(Debug)]
pub struct Handled {
    /// Which messages SQS must deliver again.
    pub response: SqsBatchResponse,
    /// How many had which outcome.
    pub counts: Counts,
    /// The new tasks.
    pub stored: Vec<TaskId>,
}

/// Stores every message of a batch. `clock` tells the time, for the delay from sending to storing.
pub async fn handle(event: SqsEvent, store: &Store, clock: fn() -> Timestamp) -> Handled {
    let ended: Vec<(String, Result<Done, Error>)> = futures::stream::iter(event.records)
        .map(|message| async move {
            // A message without an id cannot be reported. An empty id fails the whole batch, so no message is lost.
            let message_id = message.message_id.clone().unwrap_or_default();
            // No part of the message survives a panic, and the store has no state of its own.
            let outcome = AssertUnwindSafe(ingest(&message_id, message, store, clock)).catch_unwind().await;
            let outcome = outcome.unwrap_or_else(|_| Err(Retry::Panicked.into()));
            if let Err(error) = &outcome {
                tell(&message_id, error);
            }
            (message_id, outcome)
        })
        .buffer_unordered(CONCURRENT_MESSAGES)
        .collect()
        .await;
    let (mut counts, mut new, mut failed) = (Counts::default(), vec![], vec![]);
    for (message_id, outcome) in ended {
        match outcome {
            Ok(Done { task, stored: Stored::New, delay_ms }) => {
                counts.stored += 1;
                new.push(task);
                counts.delays_ms.push(delay_ms);
            }
            Ok(Done { stored: Stored::Already, .. }) => counts.duplicates += 1,
            Err(error) => {
                failed.push(message_id);
                match error {
                    Error::Reject(reject) => *counts.rejected.entry(reject.reason()).or_default() += 1,
                    Error::Retry(_) => counts.retried += 1,
                }
            }
        }
    }
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed);
    Handled { response, counts, stored: new }
}

/// A message that is stored.
struct Done {
    task: TaskId,
    stored: Stored,
    /// From sending to now.
    delay_ms: i64,
}

/// Logs a failed message in one line, at once: the function may run out of time before the batch ends. Success is logged
/// where the task is known.
fn tell(message_id: &str, error: &Error) {
    match error {
        Error::Reject(_) => {
            tracing::error!(message.id = message_id, outcome = "rejected", "message {message_id}: {error}");
        }
        Error::Retry(_) => {
            tracing::warn!(message.id = message_id, outcome = "retry", "message {message_id}: {error}");
        }
    }
}

async fn ingest(
    message_id: &str,
    message: SqsMessage,
    store: &Store,
    clock: fn() -> Timestamp,
) -> Result<Done, Error> {
    let task = task(message_id, &message)?;
    let stored = store.put(&task).await?;
    let (task_id, order_id) = (task.id.as_str(), task.order_id.as_str());
    let (outcome, told) = match stored {
        Stored::New => ("stored", "stored"),
        Stored::Already => ("duplicate", "is already stored"),
    };
    tracing::info!(
        message.id = message_id,
        task.id = task_id,
        order.id = order_id,
        traceparent = task.traceparent,
        step = "received",
        at = task.received_at,
        outcome,
        "task {task_id} {told}"
    );
    let sent = task.received_at.parse::<Timestamp>().ok();
    let delay_ms = sent.map_or(0, |sent| (clock().as_millisecond() - sent.as_millisecond()).max(0));
    Ok(Done { task: task.id, stored, delay_ms })
}

fn task(message_id: &str, message: &SqsMessage) -> Result<Task, Reject> {
    let parsed = Message::parse(message.body.as_deref().ok_or(Reject::NoBody)?)?;
    if !parsed.unknown_fields.is_empty() {
        let fields = names(&parsed.unknown_fields, parsed.task_token.expose());
        tracing::warn!(
            message.id = message_id,
            unknown = fields,
            "message {message_id} has unknown fields: {fields}"
        );
    }
    let received_at = received_at(message.attributes.get("SentTimestamp").map(String::as_str))?;
    let trace = message.attributes.get("AWSTraceHeader").and_then(|header| traceparent(header));
    Ok(Task::new(parsed, received_at, trace))
}

/// The names, shortened. A name that contains the token is left out: it is a misplaced token.
fn names(fields: &[String], token: &str) -> String {
    let shown = fields.iter().filter(|name| !name.contains(token)).take(NAMED_FIELDS);
    let mut names: Vec<String> = shown.map(|name| name.chars().take(NAMED_CHARS).collect()).collect();
    if names.len() < fields.len() {
        names.push(format!("and {} more", fields.len() - names.len()));
    }
    names.join(", ")
}

/// When SQS accepted the message. Unlike the clock, this is the same on each delivery.
fn received_at(sent_timestamp: Option<&str>) -> Result<ReceivedAt, Reject> {
    let text = sent_timestamp.ok_or(Reject::SentTimestamp("missing"))?;
    let milliseconds: i64 = text.parse().map_err(|_| Reject::SentTimestamp("not a whole number"))?;
    let time = Timestamp::from_millisecond(milliseconds)
        .map_err(|_| Reject::SentTimestamp("outside the calendar"))?;
    Ok(ReceivedAt { text: format!("{time:.3}"), epoch_seconds: milliseconds.div_euclid(1_000) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_sending_keeps_its_milliseconds() {
        let received = received_at(Some("1795341600123")).unwrap();
        assert_eq!(received.text, "2026-11-22T10:00:00.123Z");
        assert_eq!(received.epoch_seconds, 1_795_341_600);
        assert_eq!(received_at(Some("1795341600000")).unwrap().text, "2026-11-22T10:00:00.000Z");
    }

    #[test]
    fn a_message_without_a_time_says_so() {
        for (value, expected) in [
            (None, "attribute SentTimestamp is missing"),
            (Some(""), "attribute SentTimestamp is not a whole number"),
            (Some("1795341600.5"), "attribute SentTimestamp is not a whole number"),
            (Some("9223372036854775807"), "attribute SentTimestamp is outside the calendar"),
        ] {
            let error = received_at(value).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn unknown_fields_are_cut_and_never_the_token() {
        let field = |name: &str| name.to_owned();
        assert_eq!(names(&[field("oder")], "secret"), "oder");
        assert_eq!(names(&[field("a secret b"), field("x")], "secret"), "x, and 1 more");
        let many: Vec<String> = (0..12).map(|n| format!("f{n}")).collect();
        assert_eq!(names(&many, "secret"), "f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, and 2 more");
        assert_eq!(names(&["é".repeat(50)], "secret"), "é".repeat(40));
    }
}
