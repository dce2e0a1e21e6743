//! Sends a stored decision to its workflow and records the response: the steps C and M.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use opentelemetry::KeyValue;
use statemachine::decision::{DecidedBy, Decision};
use statemachine::status::{Delivery, Status};
use statemachine::task::Task;
use statemachine::worklist::Worklist;
use tokio::time::{Instant, sleep};
use tracing::{error, warn};

use crate::aws::rate_limit::Turn;
use crate::aws::retry;
use crate::lease::guard::Guard;
use crate::metrics::Service;
use crate::stepfunctions::callback::CallbackAnswer;
use crate::stepfunctions::executions::Proof;
use crate::steps::journal;
use crate::steps::pipeline::{Lost, Pipeline, gone};
use crate::steps::trace;
use crate::tasks::handled::Handled;
use crate::tasks::item;
use crate::tasks::table::{Settlement, Taken, Written};

impl Pipeline {
    /// Sends a stored decision until Step Functions gives a response to record. A decision that outlives the retries
    /// stays due in its worklist; so does one that is denied while other callbacks succeed: permissions and keys
    /// belong to a state machine, and one workflow's must not hold up the others.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the lease ends first.
    ///
    /// # Panics
    ///
    /// When `task` holds no decision: only stored decisions are delivered.
    pub async fn deliver(&self, task: &Task, guard: &Guard) -> Result<Handled, Lost> {
        self.deliver_in(self.rates.send_task.first_turn().await, task, guard).await
    }

    /// As [`Pipeline::deliver`], with the turn for the first call.
    pub(super) async fn deliver_in(
        &self,
        mut turn: Turn<'_>,
        task: &Task,
        guard: &Guard,
    ) -> Result<Handled, Lost> {
        let decision = task.decision.as_ref().expect("only stored decisions are delivered");
        let (mut delays, mut denied_at) = (retry::callback(), None);
        loop {
            // Another turn may have to be waited for: the lease is looked at afterwards.
            turn.use_up().await;
            if !guard.is_live() {
                return Err(Lost);
            }
            let (sent, started) = (self.clock.now(), Instant::now());
            let step = self.traces.step("send");
            let answer = self.callback.send(task, decision).await;
            step.end(|| trace::of_answer(decision, &answer));
            self.metrics.called_back(&answer, started.elapsed());
            match answer {
                CallbackAnswer::Accepted => {
                    return self
                        .settle(task, decision, Settlement::Delivered, (sent, "accepted"), guard)
                        .await;
                }
                CallbackAnswer::Closed => return self.found_closed(task, decision, sent, guard).await,
                CallbackAnswer::Refused(fault) => {
                    error!(
                        task.id = %task.id, order.id = task.order_id, decision.id = decision.id, error = %fault,
                        "task {}: the decision can never be delivered: {fault}; manual action required: end the \
                         workflow by hand", task.id
                    );
                    return self
                        .settle(task, decision, Settlement::Undeliverable, (sent, "refused"), guard)
                        .await;
                }
                CallbackAnswer::Again(fault) => match delays.next() {
                    Some(delay) => {
                        warn!(task.id = %task.id, error = %fault, "task {}: {fault}; retrying", task.id);
                        sleep(delay).await;
                    }
                    None => return self.put_off(task, guard).await,
                },
                CallbackAnswer::Systemic(fault) => {
                    let answered = self.callback.answered();
                    if denied_at.replace(answered).is_some_and(|before| before != answered) {
                        error!(task.id = %task.id, error = %fault, "task {}: {fault}, but other callbacks succeed; deferred", task.id);
                        return self.put_off(task, guard).await;
                    }
                    self.systemic(task, Service::StepFunctions, &fault).await;
                }
            }
            turn = self.rates.send_task.first_turn().await;
        }
    }

    /// **M**, for a response that settles the decision: since when it was awaited, and how it is known.
    async fn settle(
        &self,
        task: &Task,
        decision: &Decision,
        settlement: Settlement,
        (since, how): (Timestamp, &str),
        guard: &Guard,
    ) -> Result<Handled, Lost> {
        let write = || {
            let taken = Taken { since, at: self.clock.now(), how: Some(how) };
            self.tasks.settle(&task.id, decision, settlement, taken)
        };
        let step = self.traces.step("settle");
        let settled = self.repeat(task, guard, write).await?;
        step.end(|| [KeyValue::new("how", how.to_owned())]);
        match settled {
            Ok(Written::Now(settled)) => {
                self.log_settled(&settled, decision);
                Ok(match settlement {
                    Settlement::Delivered => Handled::Delivered,
                    Settlement::Undeliverable => Handled::Undeliverable,
                    Settlement::ClosedElsewhere => Handled::ClosedElsewhere,
                })
            }
            Ok(Written::Otherwise(_)) => Ok(Handled::AlreadySettled),
            Ok(Written::Gone) => Ok(gone(task)),
            Err(refused) => self.keep_refused(task, "cannot be settled", &refused, guard).await,
        }
    }

    /// The token is closed, and the response never says by whom: record that, then check the execution's history if the
    /// rate limit allows it now. When many tokens are closed at once, new decisions must not wait behind these checks.
    async fn found_closed(
        &self,
        task: &Task,
        decision: &Decision,
        since: Timestamp,
        guard: &Guard,
    ) -> Result<Handled, Lost> {
        let next = self.clock.now() + SignedDuration::from_secs(retry::put_off_seconds(0));
        let write = || {
            let taken = Taken { since, at: self.clock.now(), how: None };
            self.tasks.mark_unverified(&task.id, decision, next, taken)
        };
        // The response to an earlier attempt of this very write may have been lost.
        let is_this_write = |stored: &Task| {
            stored.delivery == Some(Delivery::Unverified)
                && (stored.attempts, stored.list_at) == (0, Some(next.as_second()))
        };
        match self.repeat(task, guard, write).await? {
            Ok(Written::Now(unverified)) => {
                journal::unverified(&unverified, decision);
                self.verify_now(&unverified, guard).await
            }
            Ok(Written::Otherwise(stored)) if is_this_write(&stored) => {
                journal::unverified(&stored, decision);
                self.verify_now(&stored, guard).await
            }
            Ok(Written::Otherwise(_)) => Ok(Handled::AlreadySettled),
            Ok(Written::Gone) => Ok(gone(task)),
            Err(refused) => self.keep_refused(task, "cannot be marked UNVERIFIED", &refused, guard).await,
        }
    }

    /// As [`Pipeline::verify`] if the rate limit allows it now; otherwise the task stays in its worklist as it is.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the lease ends first.
    pub async fn verify_now(&self, task: &Task, guard: &Guard) -> Result<Handled, Lost> {
        if !self.rates.execution_history.try_take() {
            return Ok(Handled::Unverified);
        }
        self.ask_history(task, guard).await
    }

    /// Checks in the execution's history whose answer closed an UNVERIFIED task's token; without a positive event, checks
    /// again later.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the lease ends first.
    pub async fn verify(&self, task: &Task, guard: &Guard) -> Result<Handled, Lost> {
        self.rates.execution_history.take().await;
        self.ask_history(task, guard).await
    }

    /// The rate limit has been charged for the first page.
    async fn ask_history(&self, task: &Task, guard: &Guard) -> Result<Handled, Lost> {
        let decision = task.decision.as_ref().expect("only decided tasks are unverified");
        if !guard.is_live() {
            return Err(Lost);
        }
        let asked = self.clock.now();
        let step = self.traces.step("verify");
        let proof = self.executions.prove(task, decision, &self.rates.execution_history).await;
        step.end(|| trace::of_decision(decision));
        match proof {
            Ok(Proof::Ours) => {
                self.settle(task, decision, Settlement::Delivered, (asked, "history"), guard).await
            }
            Ok(Proof::Other) => {
                self.settle(task, decision, Settlement::ClosedElsewhere, (asked, "history"), guard).await
            }
            Ok(Proof::None) => self.verify_later(task, guard).await,
            Err(fault) => {
                self.metrics.failed(Service::StepFunctions, fault.class);
                warn!(task.id = %task.id, error = %fault, "task {}: not verified yet: {fault}", task.id);
                self.verify_later(task, guard).await
            }
        }
    }

    /// Leaves an UNVERIFIED task to its worklist: checked after a growing delay, daily once its decision is a day old.
    async fn verify_later(&self, task: &Task, guard: &Guard) -> Result<Handled, Lost> {
        let now = self.clock.now();
        let age = item::decided_at(task).map_or(0, |at| now.duration_since(at).as_secs());
        let seconds = retry::verify_again_seconds(task.attempts, age);
        self.put_off_for(task, Worklist::Verify, seconds, guard).await.map(|_| Handled::Unverified)
    }

    /// Leaves a decision that is due in its worklist, to be sent again after a growing delay.
    async fn put_off(&self, task: &Task, guard: &Guard) -> Result<Handled, Lost> {
        self.put_off_for(task, Worklist::Due, retry::put_off_seconds(task.attempts), guard).await
    }

    /// Leaves a task in its worklist, to be taken up again after so many seconds.
    pub(crate) async fn put_off_for(
        &self,
        task: &Task,
        list: Worklist,
        seconds: i64,
        guard: &Guard,
    ) -> Result<Handled, Lost> {
        let next = self.clock.now() + SignedDuration::from_secs(seconds);
        let write = || self.tasks.put_off(task, list, next);
        match self.repeat(task, guard, write).await? {
            // Also if another process wrote it: the task stands in a worklist, at this attempt or an earlier one.
            Ok(_) => {
                journal::deferred(task, list, seconds, &self.me);
                Ok(Handled::PutOff)
            }
            Err(refused) => self.keep_refused(task, "cannot be deferred", &refused, guard).await,
        }
    }

    fn log_settled(&self, task: &Task, decision: &Decision) {
        let waited = task
            .received_at
            .parse::<Timestamp>()
            .map_or(SignedDuration::ZERO, |received| self.clock.now().duration_since(received));
        if matches!(task.status, Status::Approved | Status::Rejected) {
            // For a task that was returned to the rules, time counts from its return.
            let returned = task.history.last().and_then(|given| given.at.parse::<Timestamp>().ok());
            let waited = match returned {
                Some(at) if decision.decided_by == DecidedBy::Rule => self.clock.now().duration_since(at),
                _ => waited,
            };
            self.metrics.answered_after(decision, Duration::try_from(waited).unwrap_or_default());
        }
        journal::settled(task, decision, i64::try_from(waited.as_millis()).unwrap_or(i64::MAX));
    }
}
