//! One task's story: what happened to it, when, and by which worker, from what is stored.
//!
//! The steps have the names that the log's field `step` has (`journal.rs`), with the same times and workers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use statemachine::decision::DecidedBy;
use statemachine::status::{Delivery, Status};
use statemachine::task::{Escalation, Step, Task};
use statemachine::token::TaskId;
use utoipa::ToSchema;

use crate::clock;
use crate::shapes::{self, TaskStatus};
use crate::stepfunctions::timeline::{Happened, Timeline};
use crate::steps::pipeline::Pipeline;
use crate::tasks::table::TableError;

/// Everything that is known of a task's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// 32 hex digits.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    pub task_id: TaskId,
    /// The business key.
    pub order_id: String,
    /// The execution's ARN.
    pub transaction_id: String,
    /// Where the task is in its life.
    #[schema(value_type = TaskStatus)]
    pub status: Status,
    /// How far a stored decision has come.
    #[schema(value_type = Option<shapes::Delivery>)]
    pub delivery: Option<Delivery>,
    /// When the workflow stops waiting, RFC 3339 in UTC; none if it did not say.
    pub deadline: Option<String>,
    /// What happened, the oldest first.
    pub events: Vec<Event>,
    /// How often the next attempt was deferred since the task's last change.
    pub deferred: i64,
    /// When the sweeper takes up an open task again, at the latest; none once it is settled.
    pub next_at: Option<String>,
    /// What the story lacks, and why.
    pub missing: Vec<String>,
}

/// One event of a story.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StoryEvent)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What: `received`, `read`, `decided`, `escalated`, `returned`, `sent`, `unverified`, `settled`, `expired`; or what the
    /// execution's history shows: `workflow-sent`, `-continued`, `-failed`, `-timed-out`, `-ended`.
    pub step: String,
    /// The worker that did it, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// `rule`, or the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The outcome of a decision, or the status that the task ended with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The code of a decision or an escalation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The words of a decision or an escalation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rule that decided or escalated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The ruleset's SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ruleset: Option<String>,
    /// How an end is known: `accepted`, `refused`, `history`, `token_closed`, or how the execution ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
}

impl Pipeline {
    /// Tells a task's story; none if there is no such task. The execution's history is read if the rate limit has a call
    /// left for it: deliveries need it more.
    ///
    /// # Errors
    ///
    /// [`TableError`] when the task cannot be read.
    pub async fn story(&self, id: &TaskId) -> Result<Option<Story>, TableError> {
        let Some(task) = self.tasks.get(id).await? else { return Ok(None) };
        let timeline = self.executions.timeline(&task, &self.rates.execution_history).await;
        Ok(Some(story(&task, timeline.map_err(|fault| fault.to_string()))))
    }
}

/// Tells what is stored of a task, and what the execution's history says: `Err` is why it could not be read.
fn story(task: &Task, history: Result<Timeline, String>) -> Story {
    let mut events = vec![Event { at: task.received_at.clone(), ..named("received") }];
    for given in &task.history {
        let worker = given.worker.clone();
        events.push(Event { worker, ..escalated(task, &given.escalation) });
        events.push(Event { at: given.at.clone(), by: Some(given.by.clone()), ..named("returned") });
    }
    if let Some(escalation) = &task.escalation {
        let step = task.steps.escalated.as_ref();
        events.extend(step.and_then(read));
        events.push(by(step, escalated(task, escalation)));
    }
    decided(task, &mut events);
    ended(task, &mut events);
    let mut missing = Vec::new();
    match history {
        Ok(timeline) => {
            missing.extend(timeline.missing.map(str::to_owned));
            for (at, what) in timeline.events {
                // A message is received in the very millisecond in which it was sent, at the earliest.
                let place = if what == Happened::Sent { 0 } else { events.len() };
                events.insert(place, Event { at: clock::text(at), ..named(what.label()) });
            }
        }
        Err(why) => missing.push(format!("the execution's history: {why}")),
    }
    // Stable: events of the same moment stay in the order of their causes.
    events.sort_by_key(|event| event.at.parse::<Timestamp>().ok());
    Story {
        task_id: task.id.clone(),
        order_id: task.order_id.clone(),
        transaction_id: task.transaction_id.clone(),
        status: task.status,
        delivery: task.delivery,
        deadline: task.deadline.and_then(seconds_text),
        deferred: task.attempts,
        next_at: (!task.status.is_final()).then_some(task.list_at).flatten().and_then(seconds_text),
        events,
        missing,
    }
}

fn named(step: &str) -> Event {
    Event { step: step.to_owned(), ..Event::default() }
}

/// The event of a step, with its worker and, if it has one, its time.
fn by(step: Option<&Step>, event: Event) -> Event {
    let Some(step) = step else { return event };
    let at = step.at_ms.and_then(clock::ms_text).unwrap_or(event.at);
    Event { at, worker: Some(step.worker.clone()), how: step.how.clone(), ..event }
}

/// When a worker took the task in hand.
fn read(step: &Step) -> Option<Event> {
    Some(Event { at: clock::ms_text(step.since_ms)?, worker: Some(step.worker.clone()), ..named("read") })
}

fn escalated(task: &Task, escalation: &Escalation) -> Event {
    Event {
        at: escalation.at.clone(),
        code: Some(task.token.strike(&escalation.code).into_owned()),
        reason: Some(task.token.strike(&escalation.reason).into_owned()),
        rule: escalation.rule.clone(),
        ruleset: escalation.ruleset.clone(),
        ..named("escalated")
    }
}

fn decided(task: &Task, events: &mut Vec<Event>) {
    let Some(decision) = &task.decision else { return };
    let step = task.steps.decided.as_ref();
    if decision.decided_by == DecidedBy::Rule {
        events.extend(step.and_then(read));
    }
    let event = Event {
        at: decision.decided_at.clone(),
        by: Some(decision.decided_by.clone().into()),
        outcome: Some(decision.outcome.to_string()),
        code: Some(task.token.strike(&decision.code).into_owned()),
        reason: Some(task.token.strike(&decision.reason).into_owned()),
        rule: decision.rule.clone(),
        ruleset: decision.ruleset.clone(),
        ..named("decided")
    };
    events.push(by(step, event));
}

fn ended(task: &Task, events: &mut Vec<Event>) {
    let sent = |step: &Step| {
        Some(Event { at: clock::ms_text(step.since_ms)?, worker: Some(step.worker.clone()), ..named("sent") })
    };
    if let Some(step) = &task.steps.unverified {
        events.extend(sent(step));
        events.push(by(Some(step), named("unverified")));
    }
    if !task.status.is_final() {
        return;
    }
    let step = task.steps.settled.as_ref();
    // Otherwise another step says when it was sent.
    if let Some(step) = step.filter(|step| matches!(step.how.as_deref(), Some("accepted" | "refused"))) {
        events.extend(sent(step));
    }
    let name = if task.decision.is_some() { "settled" } else { "expired" };
    let at = task.list_at.and_then(seconds_text).unwrap_or_default();
    events.push(by(step, Event { at, outcome: Some(task.status.to_string()), ..named(name) }));
}

fn seconds_text(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}
