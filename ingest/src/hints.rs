//! Hints for the workers: the tasks that a batch has just stored, by id, so that they wait neither for their stream
//! record nor for the next poll of its shard.
//!
//! A hint has no token and no order. It may be lost: the stream brings every task.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use serde_json::json;
use statemachine::token::TaskId;

/// The longest time that a batch may be delayed by its hint: until then the stream has brought most of its tasks.
const HINT_TIMEOUT: Duration = Duration::from_millis(500);
/// How many tasks a hint names. A batch of more is a backlog, which the stream brings in large pages.
const MOST_TASKS: usize = 100;

/// The queue of hints.
#[derive(Debug, Clone)]
pub struct Hints {
    client: Client,
    queue_url: String,
}

impl Hints {
    /// Hints to one queue. Each is sent once and given up after half a second.
    pub fn new(config: &aws_sdk_sqs::Config, queue_url: impl Into<String>) -> Hints {
        let timeouts = TimeoutConfig::builder().operation_timeout(HINT_TIMEOUT).build();
        let config = config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts);
        Hints { client: Client::from_conf(config.build()), queue_url: queue_url.into() }
    }

    /// Sends one hint for the new tasks of a batch, if it has any. A hint that cannot be sent fails no message.
    pub async fn send(&self, tasks: &[TaskId]) {
        if tasks.is_empty() {
            return;
        }
        let ids: Vec<&str> = tasks.iter().take(MOST_TASKS).map(TaskId::as_str).collect();
        let body = json!({ "tasks": ids }).to_string();
        let sent = self.client.send_message().queue_url(&self.queue_url).message_body(body).send().await;
        if let Err(error) = sent {
            let why = match error.as_service_error() {
                Some(answer) => answer.code().unwrap_or("an unnamed error").to_owned(),
                None => DisplayErrorContext(&error).to_string(),
            };
            tracing::warn!(
                error = why,
                "no hint for {} stored tasks: {why}; the stream brings them",
                tasks.len()
            );
        }
    }
}
