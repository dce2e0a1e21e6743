//! A task is decided once, and every callback carries what is stored.

use std::collections::{BTreeMap, BTreeSet};

use model::{Answer, Call, Callback, Event, ExecutionStatus, Item, Value, Verb, World};
use serde_json::Value as Json;
use statemachine::decision::{DecidedBy, Decision, Outcome};
use statemachine::item::{Item as Map, Value as Field};
use statemachine::status::{Delivery, State, Status};
use statemachine::task::Task;
use statemachine::token::TaskToken;

use crate::scene::{OPERATOR, ROGUE};
use crate::windows::Windows;

/// Every task that was ever seen.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    by_id: BTreeMap<String, Seen>,
    /// How many SendTaskSuccess and SendTaskFailure calls reached Step Functions.
    callbacks: u64,
    /// How many tokens an execution has had.
    tokens: BTreeMap<String, u32>,
    /// Indexes lag by minutes: the event of a workflow's end may be given up before they show its task.
    index_is_late: bool,
}

/// One task's past.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) now: Option<Task>,
    decision: Option<Decision>,
    /// What was stored before the item was deleted: a worker that read it then may still send it.
    deleted: Vec<Decision>,
    /// Its item was deleted once: the present one was stored from a redelivery, perhaps after its workflow's event.
    is_again: bool,
    /// It was escalated, delivered, put off, expired or deleted: a record of it may be passed.
    pub(crate) has_outcome: bool,
    /// When it was last given back to the rules.
    given_back_ms: Option<u64>,
    /// Who sent its decision.
    senders: BTreeSet<String>,
    /// Payloads that Step Functions accepted.
    pub(super) accepted: Vec<String>,
    /// Step Functions, or a fault in its name, told a worker that its token or payload is refused for good.
    pub(super) is_refused: bool,
}

impl Seen {
    pub(crate) fn is_sent(&self) -> bool {
        !self.senders.is_empty()
    }

    /// What rules decide about a task that was given back, they decide after it was.
    fn check_round(&mut self, event: &Event, old: &Task, new: &Task, wrong: &mut Vec<String>) {
        if new.round > old.round {
            self.given_back_ms = Some(event.at_ms);
            return;
        }
        let is_by_rule = |decision: &Decision| decision.decided_by == DecidedBy::Rule;
        let is_decided = old.decision.is_none() && new.decision.as_ref().is_some_and(is_by_rule);
        let is_escalated = old.status == Status::Pending && new.status == Status::Escalated;
        if (is_decided || is_escalated)
            && let (Some(call), Some(given_back_ms)) = (&event.call, self.given_back_ms)
            && call.sent_ms < given_back_ms
        {
            let (id, early_ms) = (&new.id, given_back_ms - call.sent_ms);
            wrong.push(format!("task {id}: a write sent {early_ms} ms before it was given back was applied"));
        }
    }

    /// Its item was deleted once: what was told of it is true of another item.
    pub(super) fn was_deleted(&self) -> bool {
        self.is_again
    }
}

impl Tasks {
    pub(crate) fn get(&self, id: &str) -> Option<&Seen> {
        self.by_id.get(id)
    }

    pub(crate) fn note_late_index(&mut self) {
        self.index_is_late = true;
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn callbacks(&self) -> u64 {
        self.callbacks
    }

    /// Every task is answered, or left to a person, or gone.
    pub(crate) fn all_have_outcomes(&self) -> bool {
        self.without_outcome().next().is_none()
    }

    /// The tasks that are neither answered, nor left to a person, nor gone, by id.
    pub(crate) fn without_outcome(&self) -> impl Iterator<Item = &str> {
        self.by_id.iter().filter(|(_, seen)| !seen.has_outcome).map(|(id, _)| id.as_str())
    }

    /// Every task in the table.
    pub(crate) fn all(&self) -> Vec<Task> {
        self.by_id.values().filter_map(|seen| seen.now.clone()).collect()
    }

    /// The tasks that nobody decided yet.
    pub(crate) fn undecided(&self) -> Vec<Task> {
        let is_open = |task: &&Task| task.decision.is_none() && !task.status.is_final();
        self.by_id.values().filter_map(|seen| seen.now.as_ref()).filter(is_open).cloned().collect()
    }

    /// An item of the tasks table was written.
    pub(crate) fn note_item(
        &mut self,
        world: &World,
        event: &Event,
        (id, old, new): (&str, Option<&Item>, Option<&Item>),
        windows: &mut Windows,
        wrong: &mut Vec<String>,
    ) {
        let old = old.map(|old| Task::from_item(&map(old)));
        let seen = self.by_id.entry(id.to_owned()).or_default();
        let Some(item) = new else {
            // Only its time to live and the operator end a task's item.
            if let Some(call) = &event.call {
                wrong.push(format!("task {id}: deleted by {}", call.node));
            }
            // If its message comes again it is a new task, and decided anew; the token takes one answer all the same.
            seen.deleted.extend(seen.decision.take());
            (seen.now, seen.has_outcome, seen.is_again) = (None, true, true);
            seen.given_back_ms = None;
            return;
        };
        let task = match Task::from_item(&map(item)) {
            Ok(task) => task,
            Err(malformed) => {
                // One that never was a task is a poison record's business; one that was is edited by hand only.
                let is_by_hand = event.call.as_ref().is_some_and(|call| *call.node == *OPERATOR);
                if matches!(old, Some(Ok(_))) && !is_by_hand {
                    wrong.push(format!("task {id}: is no task any more: {malformed}"));
                }
                return;
            }
        };
        // What ended is kept for a time; what did not is kept.
        let kept_until = task.expires_at.map(|seconds| i128::from(seconds) * 1_000);
        if task.status.is_final() != kept_until.is_some_and(|until_ms| until_ms > event.at_ms.into()) {
            wrong.push(format!("task {id}: {} until {:?}", task.status, task.expires_at));
        }
        if let Some(before) = &seen.decision
            && task.decision.as_ref() != Some(before)
        {
            wrong.push(format!("task {id}: the stored decision changed"));
        }
        match old {
            Some(Ok(old)) => {
                seen.check_move(world, &old, &task, wrong);
                seen.check_round(event, &old, &task, wrong);
            }
            // New, or mended: nothing was done to it meanwhile.
            Some(Err(_)) | None => {
                if task.state() != seen.now.as_ref().map_or(State::NEW, Task::state) {
                    wrong.push(format!("task {id}: appeared as {:?}", task.state()));
                }
            }
        }
        if task.delivery == Some(Delivery::Undeliverable) {
            windows.hit(12);
        }
        seen.has_outcome |= task.status == Status::Escalated
            || task.status.is_final()
            || task.delivery == Some(Delivery::Unverified)
            || (task.delivery == Some(Delivery::Due) && task.attempts > 0);
        seen.decision.clone_from(&task.decision);
        seen.now = Some(task);
    }

    /// A SendTask* call reached Step Functions.
    pub(crate) fn note_callback(
        &mut self,
        callback: &Callback,
        windows: &mut Windows,
        wrong: &mut Vec<String>,
    ) {
        let (outcome, payload, name) = match &callback.verb {
            Verb::Success { output } => (Outcome::Approved, output, None),
            Verb::Failure { error, cause } => (Outcome::Rejected, cause, Some(error.as_str())),
            Verb::Heartbeat => return,
        };
        self.callbacks += 1;
        let Ok(token) = TaskToken::new(callback.token.clone()) else { return };
        let id = token.task_id();
        let seen = self.by_id.entry(id.as_str().to_owned()).or_default();
        if callback.accepted {
            seen.accepted.push(payload.clone());
        }
        if seen.accepted.len() > 1 {
            wrong.push(format!("task {id}: closed twice"));
        }
        if callback.node == ROGUE {
            return;
        }
        let is_same = |stored: &Decision| {
            stored.outcome == outcome
                && stored.payload == *payload
                && name.is_none_or(|name| name == stored.failure_name())
        };
        match &seen.decision {
            _ if seen.deleted.iter().any(is_same) => {}
            None => wrong.push(format!("task {id}: {} answered without a stored decision", callback.node)),
            Some(stored) if !is_same(stored) => {
                wrong.push(format!("task {id}: {} sent another answer than is stored", callback.node));
            }
            Some(_) => {}
        }
        if !callback.accepted && seen.accepted.contains(payload) && seen.senders.contains(&callback.node) {
            windows.hit(3);
        }
        if seen.senders.iter().any(|sender| *sender != callback.node) {
            windows.hit(13);
        }
        seen.senders.insert(callback.node.clone());
    }

    /// An answer arrived at its caller.
    pub(crate) fn note_told(&mut self, call: &Call, answer: &Answer) {
        let is_callback = matches!(call.operation.as_str(), "SendTaskSuccess" | "SendTaskFailure");
        let Err(error) = answer else { return };
        let is_final = matches!(error.name(), "InvalidOutput" | "InvalidToken" | "ValidationException");
        if !is_callback || !is_final || *call.node == *ROGUE {
            return;
        }
        let Ok(token) = TaskToken::new(call.text("taskToken").unwrap_or_default().to_owned()) else { return };
        if let Some(seen) = self.by_id.get_mut(token.task_id().as_str()) {
            seen.is_refused = true;
        }
    }

    pub(crate) fn note_waiting(&mut self, execution: &str, _token: &str, windows: &mut Windows) {
        let tokens = self.tokens.entry(execution.to_owned()).or_default();
        *tokens += 1;
        if *tokens > 1 {
            windows.hit(14);
        }
    }

    /// A conditional write on a task was refused; counts what that shows.
    pub(crate) fn note_refused(&self, call: &Call, stored: Option<&Json>, windows: &mut Windows) {
        let mine = &call.body["ExpressionAttributeValues"][":decision"]["M"];
        if mine.is_null() {
            return;
        }
        let by = |decision: &Json| decision["decidedBy"]["S"].as_str() == Some("rule");
        let seen = call.body["Key"]["taskId"]["S"].as_str().and_then(|id| self.by_id.get(id));
        let given_back_ms = seen.and_then(|seen| seen.given_back_ms);
        if by(mine) && given_back_ms.is_some_and(|given_back_ms| call.sent_ms < given_back_ms) {
            windows.hit(17);
        }
        let Some(stored) = stored else {
            windows.hit(16);
            return;
        };
        let theirs = &stored["decision"]["M"];
        if theirs.is_null() {
            return;
        }
        if theirs["id"] == mine["id"] {
            windows.hit(1);
            return;
        }
        if by(theirs) != by(mine) {
            windows.hit(10);
        } else if by(mine) && theirs["ruleset"] != mine["ruleset"] {
            windows.hit(11);
        }
    }

    /// None if nothing is left to do for the stored task, otherwise what.
    pub(crate) fn open(&self, world: &World, id: &str) -> Option<String> {
        let seen = self.by_id.get(id)?;
        let task = seen.now.as_ref()?;
        if task.status.is_final() {
            return None;
        }
        let waits = waits(world, task);
        // What ends without an event is asked about by age, hours later: an attempt that the workflow gave up to try
        // again, a token that another actor answered, an item that was deleted and came again after the event, and one
        // that no index showed when the event was there.
        let has_passed = seen.is_again || self.index_is_late;
        let is_silent = task.deadline.is_none() && (has_passed || has_no_event(world, task));
        if task.status == Status::Escalated && task.decision.is_none() && (waits || is_silent) {
            return None;
        }
        Some(format!("task {id}: {:?}, its workflow {}", task.state(), if waits { "waits" } else { "ended" }))
    }
}

/// Whether the task's workflow waits for its token, as it truly is.
pub(crate) fn waits(world: &World, task: &Task) -> bool {
    world.execution(&task.transaction_id).is_some_and(|execution| {
        execution.status == ExecutionStatus::Running
            && execution.tokens.last().is_some_and(|token| token == task.token.expose())
    })
}

fn has_no_event(world: &World, task: &Task) -> bool {
    world.execution(&task.transaction_id).is_some_and(|execution| {
        matches!(execution.status, ExecutionStatus::Running | ExecutionStatus::Succeeded)
    })
}

fn map(item: &Item) -> Map {
    item.iter().map(|(name, value)| (name.clone(), field(value))).collect()
}

fn field(value: &Value) -> Field {
    match value {
        Value::S(text) => Field::Text(text.clone()),
        Value::N(number) => Field::Number(number.to_string()),
        Value::M(inner) => Field::Map(map(inner)),
        Value::B(bytes) => Field::Bytes(bytes.as_ref().to_vec()),
        Value::BOOL(_) | Value::NULL(_) | Value::L(_) | Value::SS(_) | Value::NS(_) | Value::BS(_) => {
            Field::Other
        }
    }
}
