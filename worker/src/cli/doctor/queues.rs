//! The queues: each is there, messages live long enough, and what could not be handled is found.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use tokio::time::sleep;

use super::{Finding, Grade, unseen};
use crate::aws::fault::{Fault, Resource};
use crate::cli::render::count;
use crate::config;

const TASKS: &str = "task queue";
const CLOSED: &str = "closed executions";
const HINTS: &str = "hints";
const TASK_LETTERS: &str = "task dead letters";
const CLOSED_LETTERS: &str = "closed dead letters";
const TO_OUTPUT: &str = "set it to the stack's output, and run doctor again";
/// A worker takes up to 20 seconds for one event.
const CLOSED_VISIBILITY: u64 = 20;
/// An outage of DynamoDB, IAM or KMS lasts minutes; messages must wait for longer.
const PATIENCE_SECONDS: u64 = 3_600;
/// By then the sweeper has found the task of an older hint.
const HINT_SECONDS: u64 = 300;
/// A worker that reads hints always has a receive open.
const UNREAD: Duration = Duration::from_secs(4);

/// The findings, and the task queue as it describes itself, if it could be read.
pub(super) async fn check(client: &Client, queues: &config::Queues) -> (Vec<Finding>, Option<Queue>) {
    let (tasks, task_letters, closed, closed_letters, hints) = tokio::join!(
        read(client, TASKS, "queues.tasks", queues.tasks.as_deref()),
        read(client, TASK_LETTERS, "queues.task_dead_letters", queues.task_dead_letters.as_deref()),
        read(client, CLOSED, "queues.closed_executions", queues.closed_executions.as_deref()),
        read(
            client,
            CLOSED_LETTERS,
            "queues.closed_executions_dead_letters",
            queues.closed_executions_dead_letters.as_deref()
        ),
        of_hints(client, queues.hints.as_deref()),
    );
    let mut findings = vec![];
    for (on, source, letters) in [(TASKS, &tasks, &task_letters), (CLOSED, &closed, &closed_letters)] {
        findings.extend(match source {
            Ok(queue) => queue.source(on, letters.as_ref().ok()),
            Err(finding) => vec![finding.clone()],
        });
    }
    for (on, letters) in [(TASK_LETTERS, &task_letters), (CLOSED_LETTERS, &closed_letters)] {
        findings.push(letters.as_ref().map_or_else(Finding::clone, |queue| queue.letters(on)));
    }
    findings.extend(hints);
    (findings, tasks.ok())
}

async fn read(client: &Client, on: &'static str, setting: &str, url: Option<&str>) -> Result<Queue, Finding> {
    let Some(url) = url else {
        let remedy = match on {
            CLOSED => "set it, or undecided tasks of ended executions stay open for hours",
            _ => TO_OUTPUT,
        };
        return Err(Finding::warning(on, format!("{setting} is not set"), remedy));
    };
    let resource = match on {
        CLOSED => Resource::ClosedExecutions(url.to_owned()),
        _ => Resource::DeadLetters(url.to_owned()),
    };
    Queue::read(client, resource, url).await.map_err(|fault| unseen(on, &fault))
}

/// The queue of hints, if there is one: without it, tasks are found in the stream.
async fn of_hints(client: &Client, url: Option<&str>) -> Vec<Finding> {
    let Some(url) = url else {
        let what = "queues.hints is not set: a task waits for the next read of the stream, up to 250 ms";
        return vec![Finding::ok(HINTS, what)];
    };
    let look = async || Queue::read(client, Resource::Hints(url.to_owned()), url).await;
    let looks = async {
        let first = look().await?;
        if first.messages == 0 {
            return Ok((first.clone(), first));
        }
        sleep(UNREAD).await;
        Ok::<_, Fault>((first, look().await?))
    };
    match looks.await {
        Ok((first, second)) => hints(&first, &second),
        Err(fault) => vec![unseen(HINTS, &fault)],
    }
}

fn hints(first: &Queue, second: &Queue) -> Vec<Finding> {
    let mut findings = vec![];
    if first.messages > 0 && second.messages > 0 {
        let what = format!("{} waiting, and no worker receives them", count(second.messages, "hint"));
        let remedy =
            "set queues.hints on every worker, as WakeUp=true does; until then tasks are found in the stream";
        findings.push(Finding::warning(HINTS, what, remedy));
    }
    if second.retention_seconds > HINT_SECONDS {
        let what = format!(
            "the queue keeps hints for {} s, which are of no use after a minute",
            second.retention_seconds
        );
        let remedy = "set its MessageRetentionPeriod to 60, as ops/template.yaml has it, or a late worker reads each of \
                      those tasks in vain";
        findings.push(Finding::warning(HINTS, what, remedy));
    }
    if second.redrive.is_some() {
        let what = "the queue has a dead-letter queue, which would fill with hints";
        findings.push(Finding::warning(HINTS, what, "remove its redrive policy: a hint may be lost"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(HINTS, "workers receive them"));
    }
    findings
}

/// What a queue says of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    pub(super) arn: String,
    pub(super) visibility_seconds: u64,
    pub(super) retention_seconds: u64,
    pub(super) messages: u64,
    pub(super) redrive: Option<Redrive>,
}

/// Where messages go that were delivered too often.
#[derive(Debug, Clone)]
pub(super) struct Redrive {
    target_arn: String,
    receives: u64,
}

impl Queue {
    async fn read(client: &Client, resource: Resource, url: &str) -> Result<Queue, Fault> {
        let request = client.get_queue_attributes().queue_url(url).attribute_names(Attribute::All);
        let answer =
            request.send().await.map_err(|error| Fault::of("GetQueueAttributes", resource, &error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let number =
            |name: Attribute| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or_default();
        let redrive = attributes.get(&Attribute::RedrivePolicy);
        let redrive: Option<serde_json::Value> = redrive.and_then(|text| serde_json::from_str(text).ok());
        let redrive = redrive.and_then(|policy| {
            // A number, or the same as a text.
            let count = &policy["maxReceiveCount"];
            let receives = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
            Some(Redrive { target_arn: policy["deadLetterTargetArn"].as_str()?.to_owned(), receives })
        });
        Ok(Queue {
            arn: attributes.get(&Attribute::QueueArn).cloned().unwrap_or_default(),
            visibility_seconds: number(Attribute::VisibilityTimeout),
            retention_seconds: number(Attribute::MessageRetentionPeriod),
            messages: number(Attribute::ApproximateNumberOfMessages),
            redrive,
        })
    }

    fn letters(&self, on: &'static str) -> Finding {
        match self.messages {
            0 => Finding::ok(on, "empty"),
            messages => {
                let what = format!("{} could not be handled", count(messages, "message"));
                Finding::warning(on, what, "run `countersign dead-letters list`")
            }
        }
    }

    /// `letters` is the queue that the settings name for this one's dead letters.
    fn source(&self, on: &'static str, letters: Option<&Queue>) -> Vec<Finding> {
        let mut findings = vec![];
        match &self.redrive {
            None => findings.push(Finding::broken(
                on,
                "no dead-letter queue: a message that cannot be handled is lost when the queue's retention ends",
                "give the queue a redrive policy, as ops/template.yaml has it",
            )),
            Some(redrive) => findings.extend(self.redriven(on, redrive, letters)),
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
        if findings.iter().all(|finding| finding.grade == Grade::Ok) {
            findings.push(Finding::ok(on, format!("{} waiting", count(self.messages, "message"))));
        }
        findings
    }

    fn redriven(&self, on: &'static str, redrive: &Redrive, letters: Option<&Queue>) -> Vec<Finding> {
        let mut findings = vec![];
        let seconds = redrive.receives * self.visibility_seconds;
        if on == TASKS && seconds < PATIENCE_SECONDS {
            findings.push(Finding::warning(
                on,
                format!("an outage of {} minutes sends good messages to the dead-letter queue", seconds / 60),
                "raise QueueMaxReceiveCount or QueueVisibilitySeconds",
            ));
        }
        let Some(letters) = letters else { return findings };
        if redrive.target_arn != letters.arn {
            findings.push(Finding::broken(
                on,
                format!(
                    "its dead letters go to {}, and the settings name {}",
                    redrive.target_arn, letters.arn
                ),
                "correct the queue's redrive policy, or the setting of its dead-letter queue",
            ));
        }
        if letters.retention_seconds <= self.retention_seconds {
            findings.push(Finding::warning(
                on,
                format!(
                    "its dead-letter queue keeps messages for {} s, no longer than the queue itself ({} s)",
                    letters.retention_seconds, self.retention_seconds
                ),
                "raise the dead-letter queue's MessageRetentionPeriod to 14 days: a message keeps its age there",
            ));
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters() -> Queue {
        Queue { arn: "arn:letters".to_owned(), retention_seconds: 1_209_600, ..Queue::default() }
    }

    fn tasks() -> Queue {
        Queue {
            arn: "arn:tasks".to_owned(),
            visibility_seconds: 60,
            retention_seconds: 345_600,
            redrive: Some(Redrive { target_arn: "arn:letters".to_owned(), receives: 240 }),
            ..Queue::default()
        }
    }

    #[test]
    fn dead_letters_go_where_the_settings_look_for_them_and_stay_longer() {
        let told = |queue: &Queue, letters: &Queue| queue.source(TASKS, Some(letters));
        let well = told(&tasks(), &letters());
        assert_eq!((well.len(), well[0].grade), (1, Grade::Ok), "{well:?}");
        let other = told(&tasks(), &Queue { arn: "arn:others".to_owned(), ..letters() });
        assert_eq!((other.len(), other[0].grade), (1, Grade::Broken), "{other:?}");
        assert!(other[0].what.contains("go to arn:letters, and the settings name arn:others"), "{other:?}");
        let short = told(&tasks(), &Queue { retention_seconds: 345_600, ..letters() });
        assert_eq!((short.len(), short[0].grade), (1, Grade::Warning), "{short:?}");
    }

    #[test]
    fn hints_that_nobody_receives_are_told_and_hints_on_their_way_are_not() {
        let queue = |messages| Queue { messages, retention_seconds: 60, ..Queue::default() };
        for (first, second, grade) in [(0, 0, Grade::Ok), (9, 0, Grade::Ok), (9, 7, Grade::Warning)] {
            let told = hints(&queue(first), &queue(second));
            assert_eq!((told.len(), told[0].grade), (1, grade), "{told:?}");
        }
        let kept = hints(&queue(0), &Queue { retention_seconds: 345_600, ..queue(0) });
        assert!(kept[0].grade == Grade::Warning && kept[0].what.contains("345600 s"), "{kept:?}");
    }
}
