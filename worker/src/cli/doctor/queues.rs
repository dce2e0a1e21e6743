//! The queues: each is there, messages live long enough, and what could not be handled is found.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;

use super::{Finding, unseen};
use crate::aws::fault::{Fault, Resource};
use crate::config;

const TASKS: &str = "task queue";
const CLOSED: &str = "closed executions";
const TASK_LETTERS: &str = "task dead letters";
const CLOSED_LETTERS: &str = "closed dead letters";
/// A worker takes up to 20 seconds for one event.
const CLOSED_VISIBILITY: u64 = 20;
/// An outage of DynamoDB, IAM or KMS lasts minutes; messages must wait for longer.
const PATIENCE_SECONDS: u64 = 3_600;

pub(super) async fn check(client: &Client, queues: &config::Queues) -> Vec<Finding> {
    let mut findings = vec![];
    for (on, setting, url, letters) in [
        (TASKS, "queues.tasks", &queues.tasks, Some(&queues.task_dead_letters)),
        (
            CLOSED,
            "queues.closed_executions",
            &queues.closed_executions,
            Some(&queues.closed_executions_dead_letters),
        ),
        (TASK_LETTERS, "queues.task_dead_letters", &queues.task_dead_letters, None),
        (
            CLOSED_LETTERS,
            "queues.closed_executions_dead_letters",
            &queues.closed_executions_dead_letters,
            None,
        ),
    ] {
        let Some(url) = url else {
            let what = format!("{setting} is not set");
            findings.push(match on {
                CLOSED => Finding::warning(
                    on,
                    what,
                    "set it, or undecided tasks of ended executions stay open for hours",
                ),
                _ => Finding::warning(on, what, "set it to the stack's output, and run doctor again"),
            });
            continue;
        };
        findings.extend(match Queue::read(client, url).await {
            Err(fault) => vec![unseen(on, &fault)],
            Ok(queue) if letters.is_none() => vec![queue.letters(on)],
            Ok(queue) => queue.source(on),
        });
    }
    findings
}

/// What a queue says of itself.
#[derive(Debug, Clone, Default)]
struct Queue {
    visibility_seconds: u64,
    messages: u64,
    /// How often a message is delivered before it becomes a dead letter; none without a dead-letter queue.
    receives: Option<u64>,
}

impl Queue {
    async fn read(client: &Client, url: &str) -> Result<Queue, Fault> {
        let request = client.get_queue_attributes().queue_url(url).attribute_names(Attribute::All);
        let resource = Resource::DeadLetters(url.to_owned());
        let answer =
            request.send().await.map_err(|error| Fault::of("GetQueueAttributes", resource, &error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let number =
            |name: Attribute| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or_default();
        let redrive = attributes.get(&Attribute::RedrivePolicy);
        let redrive: Option<serde_json::Value> = redrive.and_then(|text| serde_json::from_str(text).ok());
        // A number, or the same as a text.
        let receives = redrive.and_then(|policy| {
            let count = &policy["maxReceiveCount"];
            count.as_u64().or_else(|| count.as_str()?.parse().ok())
        });
        Ok(Queue {
            visibility_seconds: number(Attribute::VisibilityTimeout),
            messages: number(Attribute::ApproximateNumberOfMessages),
            receives,
        })
    }

    fn letters(&self, on: &'static str) -> Finding {
        match self.messages {
            0 => Finding::ok(on, "empty"),
            count => {
                let what = crate::cli::render::count(count, "message");
                Finding::warning(
                    on,
                    format!("{what} could not be handled"),
                    "run `countersign dead-letters list`",
                )
            }
        }
    }

    fn source(&self, on: &'static str) -> Vec<Finding> {
        let mut findings = vec![];
        match self.receives {
            None => findings.push(Finding::broken(
                on,
                "no dead-letter queue: a message that cannot be handled is lost when its time is over",
                "give the queue a redrive policy, as ops/template.yaml has it",
            )),
            Some(receives) if on == TASKS && receives * self.visibility_seconds < PATIENCE_SECONDS => {
                let minutes = receives * self.visibility_seconds / 60;
                findings.push(Finding::warning(
                    on,
                    format!("an outage of {minutes} minutes sends good messages to the dead-letter queue"),
                    "raise QueueMaxReceiveCount or QueueVisibilitySeconds",
                ));
            }
            Some(_) => {}
        }
        if on == CLOSED && self.visibility_seconds <= CLOSED_VISIBILITY {
            findings.push(Finding::warning(
                on,
                format!(
                    "a message is delivered again after {} s, while it is handled",
                    self.visibility_seconds
                ),
                "set ClosedVisibilitySeconds above 20",
            ));
        }
        if findings.is_empty() {
            findings.push(Finding::ok(
                on,
                format!("{} waiting", crate::cli::render::count(self.messages, "message")),
            ));
        }
        findings
    }
}
