//! One task through its steps: decide, store, deliver, settle.
//!
//! The order is the argument. **D** stores the decision before **C** sends it, so whoever crashes leaves either an
//! undecided task or a stored decision. C sends what the table answered, never the fresh evaluation, so two senders
//! send the same bytes. **M** records the answer. Each step may be repeated by anyone at any time; the conditions in
//! `task_table` make the repetition harmless.

use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_dynamodbstreams::types::Record;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::SignedDuration;
use statemachine::item::Malformed;
use statemachine::status::Delivery;
use statemachine::task::Task;
use statemachine::token::TaskId;
use tokio::time::{Instant, sleep};
use tracing::{error, warn};

use crate::active_rules::ActiveRules;
use crate::budget::Budget;
use crate::callback::Callback;
use crate::clock::Clock;
use crate::control::Gate;
use crate::control_table::ControlTable;
use crate::executions::Executions;
use crate::guard::Guard;
use crate::item;
use crate::metrics::{Handled, Metrics, Service};
use crate::retry;
use crate::spend::Spend;
use crate::task::{Work, work};
use crate::task_table::{FIRST_ATTEMPT_SECONDS, TableError, TaskTable, Written};

/// How many decisions this process remembers having stored, to tell its own records in the stream from others'.
const REMEMBERED: usize = 16_384;
/// How long work waits after a fault that hits every call alike. It burns no attempt: the work in flight fills up,
/// reading stops, and the alarm is the metric.
const SYSTEMIC_PAUSE: Duration = Duration::from_secs(5);
/// How long one record may fail by itself before the stream goes on without it. Its task is stored and listed, so
/// the sweeper repeats it; the shard's other records must not wait for the stream's 24 hours.
pub(crate) const RECORD_AGE: Duration = Duration::from_secs(300);

/// What the steps need.
#[derive(Debug)]
pub struct Pipeline {
    /// The conditional writes.
    pub tasks: TaskTable,
    /// The callbacks.
    pub callback: Callback,
    /// The questions.
    pub executions: Executions,
    /// Where records that are no tasks are kept.
    pub control: ControlTable,
    /// The active ruleset, and the one that is tried beside it.
    pub rules: ActiveRules,
    /// Only the published set may decide.
    pub follows_published: bool,
    /// Whether rules decide at all.
    pub gate: Gate,
    /// What they may approve in an hour.
    pub spend: Spend,
    /// Calls a second for `SendTask*`.
    pub send_budget: Budget,
    /// Calls a second for `DescribeExecution`.
    pub describe_budget: Budget,
    /// Calls a second for `GetExecutionHistory`.
    pub history_budget: Budget,
    /// The counters.
    pub metrics: Metrics,
    /// The wall clock.
    pub clock: Clock,
    /// Tasks whose decision this process stored.
    pub recent: Recent,
}

/// The lease was lost, or the work must end: nothing was concluded, the next holder repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

impl Pipeline {
    /// Takes one stream record to its outcome. Transient failures are repeated for as long as the lease is held.
    pub async fn handle(&self, record: &Record, guard: &Guard) -> Handled {
        let handled = match work(record) {
            Work::Skip(handled) => Ok(handled),
            Work::Decide(task) => self.contained(&task, guard, self.decide(&task, guard).boxed()).await,
            Work::Deliver(task) => {
                self.contained(&task, guard, self.deliver_unless_mine(&task, guard).boxed()).await
            }
            Work::Poison(malformed) => self.keep_poison(record, &malformed, guard).await,
        };
        handled.unwrap_or(Handled::LeaseLost)
    }

    /// Keeps a record from which no task can be read in the control table, whole but for a token; then it is settled.
    async fn keep_poison(
        &self,
        record: &Record,
        malformed: &Malformed,
        guard: &Guard,
    ) -> Result<Handled, Lost> {
        let sequence_number = record.dynamodb().and_then(|change| change.sequence_number()).unwrap_or("none");
        let image = item::hidden_image(record);
        let mut delays = Delays::default();
        while guard.is_live() {
            let (cause, now) = (malformed.to_string(), self.clock.now());
            match self.control.note_poison(sequence_number, &image, &cause, now).await {
                Ok(()) => {
                    error!(sequence_number, cause, "record {sequence_number} is not a task: {cause}; kept");
                    return Ok(Handled::Poison);
                }
                Err(fault) => {
                    self.metrics.systemic_fault(Service::Control);
                    error!(sequence_number, error = %fault, "record {sequence_number} is not kept yet: {fault}");
                    sleep(delays.next()).await;
                }
            }
        }
        Err(Lost)
    }

    /// Runs the steps of one task so that a panic in them ends as an escalation of this task only.
    pub(crate) async fn contained(
        &self,
        task: &Task,
        guard: &Guard,
        steps: BoxFuture<'_, Result<Handled, Lost>>,
    ) -> Result<Handled, Lost> {
        match AssertUnwindSafe(steps).catch_unwind().await {
            Ok(handled) => handled,
            Err(_) => {
                error!(task.id = %task.id, "task {}: a step panicked; it goes to a person", task.id);
                self.escalate_for(task, guard, "worker-panic", "a step of the worker panicked").await
            }
        }
    }

    /// Finishes what a stored task still asks for, after someone else's write or an earlier one of ours.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the lease ends first.
    pub async fn finish_stored(&self, stored: &Task, guard: &Guard) -> Result<Handled, Lost> {
        match stored.delivery {
            Some(Delivery::Due) => self.deliver(stored, guard).await,
            Some(Delivery::Unverified) => Ok(Handled::Unverified),
            Some(Delivery::Delivered | Delivery::ClosedElsewhere | Delivery::Undeliverable) | None => {
                Ok(Handled::AlreadySettled)
            }
        }
    }

    /// A MODIFY record shows a decision that is due. If this process stored it, its delivery runs already; if another
    /// did, it has its first attempt's time before anyone else starts one.
    async fn deliver_unless_mine(&self, task: &Task, guard: &Guard) -> Result<Handled, Lost> {
        if self.recent.holds(&task.id) {
            return Ok(Handled::OwnWrite);
        }
        let first = SignedDuration::from_secs(FIRST_ATTEMPT_SECONDS);
        let decided = task.decision.as_ref().and_then(|decision| decision.decided_at.parse().ok());
        let until =
            decided.map_or(first, |at: jiff::Timestamp| (at + first).duration_since(self.clock.now()));
        if let Ok(wait) = Duration::try_from(until.min(first)) {
            sleep(wait).await;
        }
        match self.read(task, guard).await? {
            Some(stored) => self.finish_stored(&stored, guard).await,
            None => Ok(gone(task)),
        }
    }

    /// Reads a task again, consistently, repeating failures while the lease is held.
    async fn read(&self, task: &Task, guard: &Guard) -> Result<Option<Task>, Lost> {
        let mut delays = Delays::default();
        loop {
            if !guard.is_live() {
                return Err(Lost);
            }
            match self.tasks.get(&task.id).await {
                Ok(stored) => return Ok(stored),
                Err(error) => self.pause(task, &error, &mut delays).await,
            }
        }
    }

    /// Repeats a conditional write until it gives an answer: its condition, or an error that no repeat can help, or
    /// one that lasted for [`RECORD_AGE`]. The task then stands in its worklist as it was, and the sweeper goes on.
    pub(crate) async fn write<F: Future<Output = Result<Written, TableError>>>(
        &self,
        task: &Task,
        guard: &Guard,
        attempt: impl Fn() -> F,
    ) -> Result<Result<Written, TableError>, Lost> {
        let mut delays = Delays::default();
        loop {
            if !guard.is_live() {
                return Err(Lost);
            }
            match attempt().await {
                Ok(written) => return Ok(Ok(written)),
                Err(refused) if refused.is_final() => return Ok(Err(refused)),
                Err(error) if delays.age() > RECORD_AGE && !error.is_systemic() => return Ok(Err(error)),
                Err(error) => self.pause(task, &error, &mut delays).await,
            }
        }
    }

    pub(crate) async fn pause(&self, task: &Task, error: &TableError, delays: &mut Delays) {
        if error.is_systemic() {
            self.systemic(task, Service::Table, error).await;
        } else {
            warn!(task.id = %task.id, error = %error, "task {}: {error}; again", task.id);
            sleep(delays.next()).await;
        }
    }

    pub(crate) async fn systemic(
        &self,
        task: &Task,
        service: Service,
        error: &(dyn std::fmt::Display + Sync),
    ) {
        self.metrics.systemic_fault(service);
        error!(
            task.id = %task.id, error = %error,
            "task {}: {error}: wrong for every call alike; holding", task.id
        );
        sleep(SYSTEMIC_PAUSE).await;
    }
}

pub(crate) fn gone(task: &Task) -> Handled {
    warn!(task.id = %task.id, order.id = task.order_id, "task {}: no longer in the table", task.id);
    Handled::Gone
}

/// Delays between attempts of a write that must not be given up: the policy, then its longest for ever.
#[derive(Debug)]
pub(crate) struct Delays {
    policy: backon::ExponentialBackoff,
    since: Instant,
}

impl Default for Delays {
    fn default() -> Delays {
        Delays { policy: retry::table(), since: Instant::now() }
    }
}

impl Delays {
    pub(crate) fn next(&mut self) -> Duration {
        self.policy.next().unwrap_or(retry::TABLE_CAP)
    }

    /// How long the work has been tried.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }
}

/// The tasks whose decision this process stored last.
#[derive(Debug, Default)]
pub struct Recent(Mutex<(HashSet<TaskId>, VecDeque<TaskId>)>);

impl Recent {
    pub(crate) fn note(&self, id: &TaskId) {
        let mut recent = self.0.lock().expect("no holder of the memory panics");
        let (known, order) = &mut *recent;
        if known.insert(id.clone()) {
            order.push_back(id.clone());
        }
        if order.len() > REMEMBERED
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
    }

    fn holds(&self, id: &TaskId) -> bool {
        self.0.lock().expect("no holder of the memory panics").0.contains(id)
    }
}
