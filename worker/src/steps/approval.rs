//! Takes a PENDING task to its decision: whether rules may decide, what they say, whether the caps allow it, and **D**.
//!
//! Each attempt to store the decision repeats all of these. A pause, a new ruleset or a used-up cap therefore applies
//! from the next attempt on, however long the table delays this one.

use std::time::Duration;

use jiff::Timestamp;
use rules::settings::Budget;
use rules::{Measured, Ruleset, Verdict};
use statemachine::decision::Decision;
use statemachine::status::{Delivery, Status};
use statemachine::task::{Escalation, Task};
use tokio::time::{Instant, sleep};

use crate::aws::rate_limit::Turn;
use crate::control::caps::{Limit, Receipt, Spent};
use crate::control::gate::Permit;
use crate::lease::guard::Guard;
use crate::metrics::Shadowed;
use crate::metrics::{EscalationCause, Service};
use crate::steps::attempts::Attempts;
use crate::steps::decision::{self, RuleAnswer};
use crate::steps::journal;
use crate::steps::pipeline::{Lost, Pipeline, gone};
use crate::steps::trace;
use crate::tasks::handled::Handled;
use crate::tasks::table::{Notes, TableError, Written};

/// How often held work checks whether it may continue.
const HELD: Duration = Duration::from_millis(100);

/// The texts that are stored with a decision or an escalation.
#[derive(Debug, Default)]
struct Kept {
    evaluation: Option<String>,
    shadow: Option<(Shadowed, String)>,
    /// Since when the task was in hand.
    since: Option<Timestamp>,
}

impl Kept {
    fn notes(&self) -> Notes<'_> {
        let shadow = self.shadow.as_ref().map(|(_, note)| note.as_str());
        Notes { evaluation: self.evaluation.as_deref(), shadow, since: self.since }
    }
}

/// What all attempts of one task share.
struct Mine {
    /// The decision's id: it identifies an attempt whose response was lost.
    id: String,
    /// What has been reserved of the caps.
    receipt: Receipt,
    /// When the task was taken in hand.
    since: Timestamp,
}

/// The outcome of one attempt, before it is stored.
enum Attempt {
    Decide(Box<Decision>, Kept),
    Escalate(Escalation, EscalationCause, Kept),
    /// The task already has an answer.
    Answered(Box<Task>),
    /// The task is no longer in the table.
    Gone,
    /// The caps, or the task itself, could not be read or written.
    Unknown(TableError, Service),
}

impl Pipeline {
    /// Takes a PENDING task to its decision, and delivers the decision to the workflow.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the lease ends first.
    pub async fn decide(&self, task: &Task, guard: &Guard) -> Result<Handled, Lost> {
        let mut attempts = Attempts::begin(self.tasks.answered());
        let mut mine = Mine { id: self.clock.ulid(), receipt: Receipt::default(), since: self.clock.now() };
        loop {
            // Before anything is looked at: a verdict must not grow old while it waits, and a stored decision is sent at
            // once, before anyone else could think that its first attempt failed.
            let turn = self.rates.send_task.turn().await;
            if !guard.is_live() {
                return Err(Lost);
            }
            let ruleset = self.automation.rules.pin();
            let Some(attempt) = self.permitted(task, &ruleset, &mut mine).await else {
                drop(turn);
                sleep(HELD).await;
                continue;
            };
            let (error, service, next) = match attempt {
                Attempt::Answered(stored) => {
                    drop(turn);
                    return self.finish_others(&stored, guard).await;
                }
                Attempt::Gone => return Ok(gone(task)),
                Attempt::Unknown(error, service) => {
                    let next = attempts.shared_failed(&error);
                    (error, service, next)
                }
                Attempt::Escalate(escalation, cause, kept) => {
                    drop(turn);
                    self.note_shadow(&kept);
                    return self.escalate(task, guard, &escalation, cause, kept.notes()).await;
                }
                // The caps may have taken long: what was allowed before may not be allowed now.
                Attempt::Decide(..)
                    if self.automation.gate.permit() != Permit::Automatic
                        || !self.automation.is_wanted(ruleset.sha256()) =>
                {
                    continue;
                }
                Attempt::Decide(decision, kept) => {
                    self.recent.note(&task.id);
                    let step = self.traces.step("store");
                    let stored = self.tasks.decide(task, &decision, kept.notes(), self.clock.now()).await;
                    step.end(|| trace::of_decision(&decision));
                    match stored {
                        Ok(written) => {
                            self.note_shadow(&kept);
                            if !has_stored(&written, &mine.id) {
                                self.automation.caps.give_back(&mut mine.receipt, self.clock.now());
                            }
                            return self.after_decision(task, &mine.id, written, turn, guard).await;
                        }
                        Err(error) => {
                            let next = attempts.item_failed(&error, self.tasks.answered());
                            (error, Service::Table, next)
                        }
                    }
                }
            };
            drop(turn);
            if matches!(error, TableError::Malformed(_)) {
                return self.quarantine(&task.id, guard).await;
            }
            if error.is_final() {
                let reason = format!("the decision could not be stored: {error}");
                return self.escalate_for(task, guard, "decision-refused", &reason).await;
            }
            if !self.goes_on(task, service, &error, next).await {
                let reason = format!("the decision could not be stored in {attempts}: {error}");
                return self.escalate_for(task, guard, "decision-not-stored", &reason).await;
            }
        }
    }

    /// Counted once per task, however many attempts there were.
    fn note_shadow(&self, kept: &Kept) {
        if let Some((pair, _)) = kept.shadow {
            self.metrics.shadowed(pair);
        }
    }

    /// What the switch and the rules say now; none while the switch cannot be read, or another ruleset is wanted.
    async fn permitted(&self, task: &Task, ruleset: &Ruleset, mine: &mut Mine) -> Option<Attempt> {
        let (code, reason, cause) = match self.automation.gate.permit() {
            Permit::Unknown => return None,
            Permit::Paused(paused) => {
                let reason = format!("automatic decisions are paused by {}: {}", paused.by, paused.reason);
                ("automation-paused", reason, EscalationCause::AutomationPaused)
            }
            Permit::Automatic if self.automation.rules.is_stale() => {
                let reason = "the wanted ruleset has not become active within max_staleness_seconds";
                ("rules-stale", reason.to_owned(), EscalationCause::RulesStale)
            }
            Permit::Automatic if !self.automation.is_wanted(ruleset.sha256()) => return None,
            Permit::Automatic => return Some(self.attempt(task, ruleset, mine).await),
        };
        Some(Attempt::Escalate(
            self.escalation(code, &reason),
            cause,
            Kept { since: Some(mine.since), ..Kept::default() },
        ))
    }

    async fn attempt(&self, task: &Task, ruleset: &Ruleset, mine: &mut Mine) -> Attempt {
        let started = Instant::now();
        let order = decision::order(task);
        let (facts, budget) = (decision::facts(task, order.as_deref()), &ruleset.settings().budget);
        let step = self.traces.step("evaluate");
        let (evaluation, amount) = match &budget.amount_per_hour {
            Some((fact, _)) => ruleset.evaluate_measuring(&facts, fact),
            None => (ruleset.evaluate(&facts), Measured::default()),
        };
        step.end(|| trace::of_evaluation(&evaluation));
        self.metrics.evaluated(started.elapsed());
        let shadow =
            self.automation.rules.pin_shadow().map(|shadow| decision::shadow(&shadow, &facts, &evaluation));
        let kept = Kept { evaluation: Some(evaluation.to_json()), shadow, since: Some(mine.since) };
        if matches!(evaluation.verdict, Verdict::Approve { .. }) {
            match self.pay(task, budget, amount, &mut mine.receipt).await {
                Ok(Spent::Within) => {}
                Ok(Spent::Exhausted(cap)) => {
                    let reason = format!("the rules approve, but the ruleset's hourly cap is used up: {cap}");
                    let mut escalation = self.escalation("budget-exhausted", &reason);
                    escalation.ruleset = Some(ruleset.sha256().to_owned());
                    return Attempt::Escalate(escalation, EscalationCause::BudgetExhausted, kept);
                }
                Err(attempt) => return attempt,
            }
        }
        match decision::answer(&evaluation, mine.id.clone(), self.clock.now_text()) {
            RuleAnswer::Escalate(escalation) => {
                Attempt::Escalate(escalation, EscalationCause::of(&evaluation.verdict), kept)
            }
            RuleAnswer::Decide(draft) => {
                Attempt::Decide(Box::new(draft.seal(&task.order_id, &task.token)), kept)
            }
        }
    }

    /// Reserves an approval in the caps. When the stream is read again, many tasks are already decided: the task is
    /// read first, so that decided tasks use up nothing.
    async fn pay(
        &self,
        task: &Task,
        budget: &Budget,
        amount: Measured,
        receipt: &mut Receipt,
    ) -> Result<Spent, Attempt> {
        let now = self.clock.now();
        if Limit::all(budget, now).is_empty() {
            return Ok(Spent::Within);
        }
        if receipt.is_empty() {
            match self.tasks.get(&task.id).await {
                Ok(Some(stored)) if stored.status == Status::Pending && stored.decision.is_none() => {}
                Ok(Some(stored)) => return Err(Attempt::Answered(Box::new(stored))),
                Ok(None) => return Err(Attempt::Gone),
                Err(error) => return Err(Attempt::Unknown(error, Service::Table)),
            }
        }
        let paid = self.automation.caps.pay(&self.control_table, budget, amount, now, receipt).await;
        paid.map_err(|fault| Attempt::Unknown(fault.into(), Service::Control))
    }

    async fn after_decision(
        &self,
        task: &Task,
        id: &str,
        written: Written,
        turn: Turn<'_>,
        guard: &Guard,
    ) -> Result<Handled, Lost> {
        let (Written::Now(stored) | Written::Otherwise(stored)) = written else { return Ok(gone(task)) };
        // If this attempt did not write it, an earlier attempt whose response was lost may have.
        if let Some(decision) = stored.decision.as_ref().filter(|_| is_mine(&stored, id)) {
            self.metrics.decided(decision);
            journal::decided(&stored, decision);
        }
        if stored.delivery == Some(Delivery::Due) && is_mine(&stored, id) {
            return self.deliver_in(turn, &stored, guard).await;
        }
        drop(turn);
        self.finish_others(&stored, guard).await
    }

    /// Finishes what a task still needs that was decided by something else: another worker, a person, or a hint.
    async fn finish_others(&self, stored: &Task, guard: &Guard) -> Result<Handled, Lost> {
        match stored.delivery {
            Some(Delivery::Due) => self.after_first_attempt(stored, guard).await,
            _ => self.finish_stored(stored, guard).await,
        }
    }
}

/// Whether the stored decision has this id: this attempt or an earlier one wrote it.
fn has_stored(written: &Written, id: &str) -> bool {
    match written {
        Written::Now(_) => true,
        Written::Otherwise(stored) => is_mine(stored, id),
        Written::Gone => false,
    }
}

fn is_mine(stored: &Task, id: &str) -> bool {
    stored.decision.as_ref().is_some_and(|decision| decision.id == id)
}
