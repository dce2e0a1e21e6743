//! Four eyes: what a task asks of the person who decides it now. The table's conditions hold the same.

use rules::{FourEyes, same_person};
use statemachine::decision::Outcome;
use statemachine::status::Status;
use statemachine::task::Task;

use crate::steps::decision;
use crate::steps::pipeline::Pipeline;
use crate::tasks::table::Approving;

/// What a person's decision means for a task that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// It decides the task.
    Decides(Approving),
    /// It is the first of two approvals.
    First,
    /// The person has given the first approval already.
    FirstAgain,
    /// The person is the requester, and decides nothing.
    OwnRequest,
    /// Two must approve, and the rules have not left it to people yet.
    TooEarly,
}

impl Pipeline {
    /// What the active rules ask of people for this task.
    pub(super) fn current_four_eyes(&self, task: &Task) -> FourEyes {
        let order = decision::order(task);
        self.automation.rules.pin().four_eyes(&decision::facts(task, order.as_deref()))
    }

    /// What a task asks of people: what was stored when it was left to them, or what the active rules ask now, whichever
    /// is stricter.
    pub(crate) fn needs_second(&self, task: &Task) -> bool {
        task.needs_second() || self.current_four_eyes(task).needs_second
    }

    /// What a decision with this outcome by the person `by` means.
    pub(crate) fn meaning(&self, task: &Task, outcome: Outcome, by: &str) -> Means {
        let (current, subject) = (self.current_four_eyes(task), same_person(by));
        let is_subject = |name: &str| same_person(name) == subject;
        if [&task.requester, &current.requester].into_iter().flatten().any(|name| is_subject(name)) {
            return Means::OwnRequest;
        }
        match (outcome, &task.first_approval) {
            (Outcome::Rejected, _) => Means::Decides(Approving::Alone),
            (Outcome::Approved, Some(first)) if first.subject == subject => Means::FirstAgain,
            (Outcome::Approved, Some(_)) => Means::Decides(Approving::Second),
            (Outcome::Approved, None) if !(task.needs_second() || current.needs_second) => {
                Means::Decides(Approving::Alone)
            }
            (Outcome::Approved, None) if task.status == Status::Pending => Means::TooEarly,
            (Outcome::Approved, None) => Means::First,
        }
    }
}
