//! Leaves a task to a person: what a rule, a pause, a cap or a fault in the worker says is stored with it.

use statemachine::decision::MAX_REASON_CHARS;
use statemachine::task::{Escalation, Task};

use crate::lease::guard::Guard;
use crate::metrics::EscalationCause;
use crate::steps::journal;
use crate::steps::pipeline::{Lost, Pipeline, gone};
use crate::steps::trace;
use crate::tasks::handled::Handled;
use crate::tasks::table::{Notes, Written};

impl Pipeline {
    /// Leaves a task to a person because of a fault in the worker.
    pub(crate) async fn escalate_for(
        &self,
        task: &Task,
        guard: &Guard,
        code: &str,
        reason: &str,
    ) -> Result<Handled, Lost> {
        self.escalate(task, guard, &self.escalation(code, reason), EscalationCause::Worker, Notes::default())
            .await
    }

    pub(super) fn escalation(&self, code: &str, reason: &str) -> Escalation {
        Escalation {
            code: code.to_owned(),
            reason: reason.chars().take(MAX_REASON_CHARS).collect(),
            rule: None,
            ruleset: None,
            at: self.clock.now_text(),
        }
    }

    pub(super) async fn escalate(
        &self,
        task: &Task,
        guard: &Guard,
        escalation: &Escalation,
        cause: EscalationCause,
        notes: Notes<'_>,
    ) -> Result<Handled, Lost> {
        let four_eyes = self.current_four_eyes(task);
        let write = || self.tasks.escalate(task, escalation, &four_eyes, notes, self.clock.now());
        let step = self.traces.step("store");
        let stored = self.repeat(task, guard, write).await?;
        step.end(|| trace::of_escalation(escalation));
        match stored {
            Ok(Written::Otherwise(stored))
                if stored.escalation.as_ref() != Some(escalation) || stored.decision.is_some() =>
            {
                self.finish_stored(&stored, guard).await
            }
            // Written now, or by an earlier attempt whose response was lost.
            Ok(Written::Now(stored) | Written::Otherwise(stored)) => {
                self.metrics.escalated(cause, escalation);
                journal::escalated(&stored);
                Ok(Handled::Escalated)
            }
            Ok(Written::Gone) => Ok(gone(task)),
            Err(refused) => {
                let Escalation { code, reason, .. } = escalation;
                let what = format!("cannot be left to a person for {code} ({reason})");
                self.keep_refused(task, &what, &refused, guard).await
            }
        }
    }
}
