//! One task through its steps: decide, store, deliver, settle.
//!
//! The order is the argument. **D** stores the decision before **C** sends it, so a crash leaves either an
//! undecided task or a stored decision. C sends what the table returned, never the fresh evaluation, so two senders
//! send the same bytes. **M** records the answer. Any worker may repeat any step at any time; the conditions in
//! `task_table` make the repetition harmless.

use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodbstreams::types::Record;
use aws_sdk_sfn::Client;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::SignedDuration;
use statemachine::status::Delivery;
use statemachine::task::Task;
use statemachine::token::TaskId;
use tokio::time::sleep;
use tracing::{error, warn};

use crate::aws::rate_limit::RateLimits;
use crate::clock::Clock;
use crate::control::automation::Automation;
use crate::control::table::ControlTable;
use crate::lease::guard::Guard;
use crate::metrics::{Metrics, Service};
use crate::notices::Notices;
use crate::stepfunctions::callback::Callback;
use crate::stepfunctions::executions::Executions;
use crate::steps::attempts::{Attempts, Next};
use crate::steps::journal;
use crate::steps::task::{Work, work};
use crate::tasks::handled::Handled;
use crate::tasks::item;
use crate::tasks::table::{FIRST_ATTEMPT_SECONDS, TableError, TaskTable};
use crate::traces::Traces;

/// How many of its stored decisions this process remembers, to recognize its own records in the stream.
const REMEMBERED: usize = 16_384;
/// How long work waits after a fault that every call would meet. It uses up no attempt: the limit of records in flight
/// is reached, reading stops, and the alarm is the metric.
const SYSTEMIC_PAUSE: Duration = Duration::from_secs(5);

/// The steps of a task, and what they need.
#[derive(Debug)]
pub struct Pipeline {
    /// This worker's name.
    pub(super) me: String,
    pub(super) tasks: TaskTable,
    /// For records and tasks that can neither be handled nor left to a person.
    pub(super) control_table: ControlTable,
    pub(super) callback: Callback,
    pub(super) executions: Executions,
    pub(super) automation: Automation,
    pub(super) rates: Arc<RateLimits>,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    /// Tasks whose decision this process stored.
    pub(super) recent: Recent,
    /// For people, of tasks that are left to them.
    notices: Notices,
    /// Where the spans of the steps are made.
    pub(super) traces: Traces,
}

/// The lease was lost, or the work must end: nothing was concluded, and the next holder repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

impl Pipeline {
    /// The steps of the worker `me` over these tables, through `sfn`: a client that does not retry.
    #[expect(clippy::too_many_arguments, reason = "each part of a worker that the steps need, once")]
    pub fn new(
        me: &str,
        tasks: TaskTable,
        control_table: ControlTable,
        sfn: Client,
        automation: Automation,
        rates: Arc<RateLimits>,
        metrics: Metrics,
        clock: Clock,
    ) -> Pipeline {
        Pipeline {
            me: me.to_owned(),
            tasks,
            control_table,
            callback: Callback::new(sfn.clone()),
            executions: Executions::new(sfn),
            automation,
            rates,
            metrics,
            clock,
            recent: Recent::default(),
            notices: Notices::default(),
            traces: Traces::default(),
        }
    }

    /// The same steps, whose records of escalations and expiries are also told to people.
    pub fn telling(self, notices: Notices) -> Pipeline {
        Pipeline { notices, ..self }
    }

    /// The same steps, each a span of these traces.
    pub fn traced(self, traces: Traces) -> Pipeline {
        Pipeline { traces, ..self }
    }

    /// Takes one stream record to its outcome. Transient failures are retried for as long as the lease is held.
    pub async fn handle(&self, record: &Record, guard: &Guard) -> Handled {
        self.notices.look_at_record(record, &self.clock);
        let handled = match work(record) {
            Work::Skip(handled) => Ok(handled),
            Work::Decide(task) => {
                let steps = self.decide_unless_mine(&task, guard).boxed();
                self.contained(&task, guard, Some(record), steps).await
            }
            // A MODIFY record shows a decision that is due. If this process stored it, its delivery is already running.
            Work::Deliver(task) if self.recent.holds(&task.id) => Ok(Handled::OwnWrite),
            Work::Deliver(task) => {
                let steps = self.after_first_attempt(&task, guard).boxed();
                self.contained(&task, guard, Some(record), steps).await
            }
            Work::Damaged(id) => self.quarantine(&id, guard).await,
            Work::Poison(malformed) => self.keep_record(record, &malformed, guard).await,
        };
        handled.unwrap_or(Handled::LeaseLost)
    }

    /// Runs the steps of one task so that a panic in them only escalates this task; if the escalation
    /// panics too, the task is quarantined.
    pub(crate) async fn contained(
        &self,
        task: &Task,
        guard: &Guard,
        record: Option<&Record>,
        steps: BoxFuture<'_, Result<Handled, Lost>>,
    ) -> Result<Handled, Lost> {
        let steps = self.traces.task(task, &self.me, record, steps, result);
        if let Ok(handled) = AssertUnwindSafe(steps).catch_unwind().await {
            if handled == Err(Lost) {
                journal::handed_over(task, &self.me);
            }
            return handled;
        }
        error!(task.id = %task.id, "task {}: a step panicked; leaving the task to a person", task.id);
        let cause = "a step of the worker panicked";
        let escalation = self.escalate_for(task, guard, "worker-panic", cause);
        match AssertUnwindSafe(escalation).catch_unwind().await {
            Ok(handled) => handled,
            Err(_) => self.keep_task(task, cause, guard).await,
        }
    }

    /// Finishes what a stored task still needs, after another worker's write or an earlier one of ours.
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

    /// An INSERT record shows a new task. If this process has stored a decision of it since, after a hint, the record
    /// settles when the decision does: until then it keeps the checkpoint before the task.
    async fn decide_unless_mine(&self, task: &Task, guard: &Guard) -> Result<Handled, Lost> {
        if !self.recent.holds(&task.id) {
            return self.decide(task, guard).await;
        }
        match self.repeat(task, guard, || self.tasks.get(&task.id)).await? {
            Ok(Some(stored)) if stored.delivery == Some(Delivery::Due) => {
                self.after_first_attempt(&stored, guard).await
            }
            // It was not stored after all, or is settled: the write finds out which.
            Ok(_) | Err(_) => self.decide(task, guard).await,
        }
    }

    /// Finishes a decision that is due and that something else stored, which has the time of the first attempt before
    /// anyone else starts one.
    pub(super) async fn after_first_attempt(&self, task: &Task, guard: &Guard) -> Result<Handled, Lost> {
        let first = SignedDuration::from_secs(FIRST_ATTEMPT_SECONDS);
        let until = item::decided_at(task).map_or(first, |at| (at + first).duration_since(self.clock.now()));
        if let Ok(wait) = Duration::try_from(until.min(first)) {
            sleep(wait).await;
        }
        match self.repeat(task, guard, || self.tasks.get(&task.id)).await? {
            Ok(Some(stored)) => self.finish_stored(&stored, guard).await,
            Ok(None) => Ok(gone(task)),
            Err(error) if error.is_final() => {
                self.keep_refused(task, "cannot be read again", &error, guard).await
            }
            Err(error) => {
                warn!(task.id = %task.id, error = %error, "task {}: {error}; left to the sweeper", task.id);
                Ok(Handled::PutOff)
            }
        }
    }

    /// Retries a call on a task's item until it ends: with a result, with an error that no retry can help, or because
    /// it was the record's own fault for too long. The task then stays unchanged in its worklist.
    pub(crate) async fn repeat<T, F: Future<Output = Result<T, TableError>>>(
        &self,
        task: &Task,
        guard: &Guard,
        call: impl Fn() -> F,
    ) -> Result<Result<T, TableError>, Lost> {
        let mut attempts = Attempts::begin(self.tasks.answered());
        loop {
            if !guard.is_live() {
                return Err(Lost);
            }
            let error = match call().await {
                Ok(answer) => return Ok(Ok(answer)),
                Err(error) => error,
            };
            if error.is_final() {
                return Ok(Err(error));
            }
            let next = attempts.item_failed(&error, self.tasks.answered());
            if !self.goes_on(task, Service::Table, &error, next).await {
                return Ok(Err(error));
            }
        }
    }

    /// Waits as long as a failed attempt requires; false when there is no further attempt.
    pub(crate) async fn goes_on(
        &self,
        task: &Task,
        service: Service,
        error: &TableError,
        next: Next,
    ) -> bool {
        match next {
            Next::Again(delay) => {
                warn!(task.id = %task.id, error = %error, "task {}: {error}; retrying", task.id);
                sleep(delay).await;
                true
            }
            Next::Hold => {
                self.systemic(task, service, error).await;
                true
            }
            Next::GiveUp => false,
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
            "task {}: {error}: fails for every task, not only this one; retrying in 5 s", task.id
        );
        sleep(SYSTEMIC_PAUSE).await;
    }
}

/// What became of a task's steps, for their span.
fn result(handled: &Result<Handled, Lost>) -> Option<&'static str> {
    Some(handled.unwrap_or(Handled::LeaseLost).label())
}

pub(crate) fn gone(task: &Task) -> Handled {
    warn!(task.id = %task.id, order.id = task.order_id, "task {}: no longer in the table", task.id);
    Handled::Gone
}

/// The tasks whose decisions this process stored most recently.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<(HashSet<TaskId>, VecDeque<TaskId>)>);

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
