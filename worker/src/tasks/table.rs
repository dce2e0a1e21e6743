//! The conditional writes on a task: decide, escalate; settle and expire are in `table/settle.rs`.
//!
//! One item, one write-once condition: this file is why no task is decided twice. Leases and checkpoints affect
//! only who does the work and how often. Every failed condition returns the current item (`ALL_OLD`), so the loser sees
//! who won without a second read, and a retry after a lost response finds its own write.

mod people;
mod reads;
mod settle;
mod update;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use rules::FourEyes;
use statemachine::compact::Compact;
use statemachine::decision::Decision;
use statemachine::item::Malformed;
use statemachine::status::{Delivery, Status};
use statemachine::task::{Escalation, Step, Task, attribute};
use statemachine::worklist::{ASK_AFTER_SECONDS, ASK_LATE_SECONDS, PENDING_GRACE_SECONDS, Worklist};

use crate::aws::attribute::{number, text};
use crate::aws::fault::{Class, Fault, Resource};
use crate::tasks::item;

pub use self::people::{Approving, ByPerson};
pub use self::reads::{Due, Entries, Entry, Key};
pub use self::settle::{Settlement, Taken};

/// How long the process that stored a decision has for the first callback, in seconds. Until then no other starts one.
pub const FIRST_ATTEMPT_SECONDS: i64 = 2;

/// The tasks table.
#[derive(Debug, Clone)]
pub struct TaskTable {
    client: Client,
    name: String,
    /// How long a settled task is kept.
    retention: SignedDuration,
    /// Which worker writes, for the tasks' stories; none outside of a worker.
    worker: Option<Arc<str>>,
    /// How many conditional writes got a response; clones share it.
    answered: Arc<AtomicU64>,
}

/// How a conditional write ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Applied; the current task.
    Now(Box<Task>),
    /// The condition failed; the task as another write, or an earlier attempt of the same write, left it.
    Otherwise(Box<Task>),
    /// There is no such task.
    Gone,
}

/// A call on the table that gave no usable result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The call failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The stored item is not a task.
    #[error("the stored task cannot be read: {0}")]
    Malformed(#[from] Malformed),
}

impl TableError {
    /// What the failure means for other calls.
    pub fn class(&self) -> Class {
        match self {
            TableError::Fault(Fault { class, .. }) => *class,
            TableError::Malformed(_) => Class::Refused,
        }
    }

    /// Retrying the same call does not help.
    pub fn is_final(&self) -> bool {
        self.class() == Class::Refused
    }
}

/// What is stored with an answer of the rules, for people and for running it again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notes<'a> {
    /// What the rules saw and said, as JSON text.
    pub evaluation: Option<&'a str>,
    /// What the shadow ruleset would have said, as JSON text.
    pub shadow: Option<&'a str>,
    /// Since when the worker has had the task in hand.
    pub since: Option<Timestamp>,
}

impl Notes<'_> {
    /// Adds them to an update expression that begins with SET.
    fn add_to(self, set: &mut String, values: &mut Vec<(&'static str, AttributeValue)>) {
        if let Some(evaluation) = self.evaluation {
            let evaluation = Compact::of(evaluation.to_owned());
            let (name, other) = attribute::evaluation_names(&evaluation);
            // Of an earlier round, perhaps by an earlier version.
            *set = format!("REMOVE #{other} {set}, #{name} = :evaluation");
            values.push((":evaluation", item::to_value(&evaluation.to_value())));
        }
        if let Some(shadow) = self.shadow {
            set.push_str(", #shadow = :shadow");
            values.push((":shadow", text(shadow)));
        }
    }
}

impl TaskTable {
    /// The table `name`; settled tasks are kept for `retention`.
    pub fn new(client: Client, name: &str, retention: SignedDuration) -> TaskTable {
        TaskTable { client, name: name.to_owned(), retention, worker: None, answered: Arc::default() }
    }

    /// The same table, written by this worker: each task keeps who did what.
    pub fn of_worker(self, worker: &str) -> TaskTable {
        TaskTable { worker: Some(worker.into()), ..self }
    }

    /// Adds to a write which worker makes it.
    fn add_step(
        &self,
        assignment: &str,
        set: &mut String,
        values: &mut Vec<(&'static str, AttributeValue)>,
        since: Timestamp,
        end: Option<Taken<'_>>,
    ) {
        let Some(worker) = &self.worker else { return };
        let step = Step {
            worker: worker.to_string(),
            since_ms: since.as_millisecond(),
            at_ms: end.map(|taken| taken.at.as_millisecond()),
            how: end.and_then(|taken| taken.how).map(str::to_owned),
        };
        set.push_str(assignment);
        values.push((":step", item::to_map(&step.to_item())));
    }

    /// The table, as the error of a failed call names it.
    fn resource(&self) -> Resource {
        Resource::Tasks(self.name.clone())
    }

    /// How many conditional writes got a response so far, whether they were applied or not. While this grows, a failing
    /// write fails by itself.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// **D**: stores a rule's decision, once: of a PENDING task, in the round that it read.
    ///
    /// # Errors
    ///
    /// [`TableError`]; whether the decision is stored is then unknown, and repeating the call finds out.
    pub async fn decide(
        &self,
        task: &Task,
        decision: &Decision,
        notes: Notes<'_>,
        now: Timestamp,
    ) -> Result<Written, TableError> {
        let mut set = DECIDE.to_owned();
        let mut values = decided(task, decision, now);
        values.push((":pending", text(Status::Pending.as_str())));
        notes.add_to(&mut set, &mut values);
        self.add_step(", #decideStep = :step", &mut set, &mut values, notes.since.unwrap_or(now), None);
        let condition = in_this_round(task, &mut values);
        self.update(&task.id, &set, condition, values).await
    }

    /// Leaves a PENDING task to people, with what they must observe. Not a decision: theirs goes through
    /// [`TaskTable::decide_for_person`].
    ///
    /// # Errors
    ///
    /// [`TableError`]; repeating the call finds out whether it was applied.
    pub async fn escalate(
        &self,
        task: &Task,
        escalation: &Escalation,
        four_eyes: &FourEyes,
        notes: Notes<'_>,
        now: Timestamp,
    ) -> Result<Written, TableError> {
        let mut set =
            "SET #status = :escalated, #escalation = :escalation, #list = :list, #listAt = :at".to_owned();
        let mut values = vec![
            (":escalated", text(Status::Escalated.as_str())),
            (":escalation", item::to_map(&escalation.to_item())),
            (":list", text(&Worklist::Escalated.key_of(&task.id))),
            (":at", number(task.deadline.unwrap_or(now.as_second() + ask_after_seconds(task, now)))),
            (":pending", text(Status::Pending.as_str())),
        ];
        people::observe(four_eyes, &mut set, &mut values);
        notes.add_to(&mut set, &mut values);
        self.add_step(", #escalateStep = :step", &mut set, &mut values, notes.since.unwrap_or(now), None);
        let condition = in_this_round(task, &mut values);
        self.update(&task.id, &set, condition, values).await
    }

    /// Defers a task's next attempt within its worklist.
    ///
    /// # Errors
    ///
    /// [`TableError`]; a lost write only means an earlier attempt.
    pub async fn put_off(&self, task: &Task, list: Worklist, next: Timestamp) -> Result<Written, TableError> {
        let values = vec![
            (":at", number(next.as_second())),
            (":attempts", number(task.attempts.saturating_add(1))),
            (":list", text(&list.key_of(&task.id))),
            (":revision", number(task.revision)),
        ];
        let set = "SET #listAt = :at, #attempts = :attempts";
        self.update(&task.id, set, "#list = :list AND #revision = :revision", values).await
    }
}

/// What each decision sets.
const DECIDE: &str =
    "SET #decision = :decision, #delivery = :due, #list = :list, #listAt = :at, #attempts = :none";

/// The values of [`DECIDE`].
fn decided(task: &Task, decision: &Decision, now: Timestamp) -> Vec<(&'static str, AttributeValue)> {
    vec![
        (":decision", item::to_map(&decision.to_item())),
        (":due", text(Delivery::Due.as_str())),
        (":list", text(&Worklist::Due.key_of(&task.id))),
        (":at", number(now.as_second() + FIRST_ATTEMPT_SECONDS)),
        (":none", number(0)),
    ]
}

/// The condition of a rule's write: the task is undecided, and was not returned to the rules since it was read. A write
/// that is delayed from an earlier round is rejected.
fn in_this_round(task: &Task, values: &mut Vec<(&'static str, AttributeValue)>) -> &'static str {
    if task.round == 0 {
        return "attribute_not_exists(#decision) AND #status = :pending AND attribute_not_exists(#round)";
    }
    values.push((":round", number(task.round)));
    "attribute_not_exists(#decision) AND #status = :pending AND #round = :round"
}

/// How long after `now` the execution of an escalated task without a deadline is first checked.
fn ask_after_seconds(task: &Task, now: Timestamp) -> i64 {
    let received = task.received_at.parse::<Timestamp>().unwrap_or(now);
    let is_late = now.as_second() - received.as_second() > PENDING_GRACE_SECONDS;
    if is_late { ASK_LATE_SECONDS } else { ASK_AFTER_SECONDS }
}
