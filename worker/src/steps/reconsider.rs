//! A task that was left to a person, given back to the rules: after a pause, a cap, stale rules, or a rule that has been
//! mended.
//!
//! The task is PENDING again, one round later, and the sweeper takes it up. Every rule's write is conditioned on the round
//! that it read: what was decided before, and is stored late, lands nowhere.

use statemachine::status::Status;
use statemachine::task::{Escalation, GivenBack, Task};
use statemachine::token::TaskId;
use tracing::info;

use crate::control::gate::Permit;
use crate::steps::pipeline::Pipeline;
use crate::tasks::table::{TableError, Written};

/// The code of what a cap left to a person: it names the ruleset that approves, and is not the rules' own.
const CAP: &str = "budget-exhausted";

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reconsidered {
    /// The rules have it again.
    GivenBack(Box<Task>),
    /// It stays as it is, and why.
    Refused(Box<Task>, String),
    /// There is no such task.
    NotFound,
    /// Nobody knows whether automation runs: nothing was changed.
    Unknown,
}

impl Pipeline {
    /// Gives a task back to the rules, in the name of a person.
    ///
    /// # Errors
    ///
    /// [`TableError`]; whether it was given back is then unknown, and the task's round tells.
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
        let given = GivenBack { round: task.round, escalation: escalation.clone(), by: by.to_owned(), at };
        let (stored, is_mine) = match self.tasks.give_back(&task, given.clone(), self.clock.now()).await? {
            Written::Now(stored) => (stored, true),
            // The SDK repeats a write whose answer was lost: the one that stands may be this one.
            Written::Otherwise(stored) => {
                let is_mine = stored.history.contains(&given);
                (stored, is_mine)
            }
            Written::Gone => return Ok(Reconsidered::NotFound),
        };
        if !is_mine {
            let why = "it changed meanwhile; look at it again".to_owned();
            return Ok(Reconsidered::Refused(stored, why));
        }
        info!(
            task.id = %task.id, order.id = task.order_id, code = given.escalation.code, by,
            "task {}: given back to the rules by {by}, round {}", task.id, stored.round
        );
        Ok(Reconsidered::GivenBack(stored))
    }

    /// The escalation that may be taken back; Err says why it may not.
    ///
    /// A task that a person has claimed, and one with the first of two approvals, must be refused here too once there
    /// are such.
    fn given_up<'a>(&self, task: &'a Task) -> Result<&'a Escalation, String> {
        let Some(escalation) = task.escalation.as_ref().filter(|_| task.status == Status::Escalated) else {
            return Err(format!(
                "only a task that waits for a person can be given back; it is {}",
                task.status
            ));
        };
        if task.decision.is_some() {
            return Err("it is decided already".to_owned());
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
