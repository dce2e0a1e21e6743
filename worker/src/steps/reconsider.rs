//! Returns a task to the rules that was left to a person: after a pause, a cap, stale rules, or once a rule is fixed.
//!
//! The task is PENDING again, one round later, and the sweeper handles it. Every write of a rule has a condition on the
//! round that it read: a decision of an earlier round that is stored late is rejected.

use statemachine::status::Status;
use statemachine::task::{Escalation, GivenBack, Task};
use statemachine::token::TaskId;

use crate::control::gate::Permit;
use crate::steps::journal;
use crate::steps::pipeline::Pipeline;
use crate::tasks::table::{TableError, Written};

/// The code of a task that a cap left to a person: the escalation names the ruleset that approves, but no rule.
const CAP: &str = "budget-exhausted";

/// The outcome of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reconsidered {
    /// The task is returned to the rules.
    GivenBack(Box<Task>),
    /// The task is unchanged; the text says why.
    Refused(Box<Task>, String),
    /// There is no such task.
    NotFound,
    /// The automation switch could not be read: nothing was changed.
    Unknown,
}

impl Pipeline {
    /// Returns a task to the rules, in the name of a person.
    ///
    /// # Errors
    ///
    /// [`TableError`]; whether it was returned is then unknown, and the task's round shows it.
    pub async fn reconsider(&self, id: &TaskId, by: &str) -> Result<Reconsidered, TableError> {
        let Some(task) = self.tasks.get(id).await? else { return Ok(Reconsidered::NotFound) };
        match self.automation.gate.permit() {
            Permit::Automatic => {}
            Permit::Paused(_) => {
                let why = "automation is paused; resume it first".to_owned();
                return Ok(Reconsidered::Refused(Box::new(task), why));
            }
            Permit::Unknown => return Ok(Reconsidered::Unknown),
        }
        let escalation = match self.given_up(&task) {
            Ok(escalation) => escalation,
            Err(why) => return Ok(Reconsidered::Refused(Box::new(task), why)),
        };
        let at = self.clock.now_text();
        let worker = task.steps.escalated.as_ref().map(|step| step.worker.clone());
        let given =
            GivenBack { round: task.round, escalation: escalation.clone(), by: by.to_owned(), worker, at };
        let (stored, is_mine) = match self.tasks.give_back(&task, given.clone(), self.clock.now()).await? {
            Written::Now(stored) => (stored, true),
            // The SDK retries a write whose response was lost: the stored change may be this one.
            Written::Otherwise(stored) => {
                let is_mine = stored.history.contains(&given);
                (stored, is_mine)
            }
            Written::Gone => return Ok(Reconsidered::NotFound),
        };
        if !is_mine {
            let why = "it has changed in the meantime; look at it again".to_owned();
            return Ok(Reconsidered::Refused(stored, why));
        }
        self.metrics.given_back();
        journal::returned(&stored);
        Ok(Reconsidered::GivenBack(stored))
    }

    /// The escalation that may be undone; Err says why it may not.
    fn given_up<'a>(&self, task: &'a Task) -> Result<&'a Escalation, String> {
        let Some(escalation) = task.escalation.as_ref().filter(|_| task.status == Status::Escalated) else {
            return Err(format!(
                "only a task that waits for a person can be returned to the rules; it is {}",
                task.status
            ));
        };
        if task.decision.is_some() {
            return Err("it is already decided".to_owned());
        }
        if let Some(first) = &task.first_approval {
            return Err(format!("{} has approved it, and it waits for a second approval", first.by));
        }
        if let Some(claim) = task.claim_at(self.clock.now().as_second()) {
            return Err(format!("{} has claimed it", claim.by));
        }
        let is_current = escalation.ruleset.is_some() && escalation.ruleset == self.current_ruleset();
        if is_current && escalation.code != CAP {
            return Err(format!(
                "the current rules left it to a person ({}), and would again",
                escalation.code
            ));
        }
        Ok(escalation)
    }

    /// The ruleset that would decide it now.
    fn current_ruleset(&self) -> Option<String> {
        if self.automation.follows_published {
            return self.automation.gate.last_seen().and_then(|control| control.active);
        }
        Some(self.automation.rules.pin().sha256().to_owned())
    }
}
