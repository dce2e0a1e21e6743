//! The conditional writes of people: decide, approve first, give back to the rules.
//!
//! What four eyes ask for is held here, by the conditions: the requester decides nothing, and where two must approve, a
//! decision to approve needs the stored approval of somebody else.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use rules::{FourEyes, same_person};
use statemachine::decision::{Decision, Outcome};
use statemachine::status::Status;
use statemachine::task::{BOTH, FirstApproval, GivenBack, MAX_ROUNDS, Task};
use statemachine::worklist::Worklist;

use crate::aws::attribute::{number, text};
use crate::tasks::item;
use crate::tasks::table::{DECIDE, TableError, TaskTable, Written, decided};

/// With whose approval a person approves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approving {
    /// Nobody else's: one person is enough.
    Alone,
    /// With the first approval that is stored, of another person.
    Second,
}

const UNDECIDED: &str = "attribute_not_exists(#decision) AND #status IN (:pending, :escalated)";
const NOT_THE_REQUESTER: &str = "(attribute_not_exists(#requester) OR #requester <> :subject)";
/// A comparison by `<>` is true where there is nothing to compare.
const AFTER_ANOTHER: &str = "attribute_exists(#firstApproval) AND #firstApproval.#subject <> :subject";

/// What a task's write to people sets, so that the conditions of theirs can hold it.
pub(super) fn observe(
    four_eyes: &FourEyes,
    set: &mut String,
    values: &mut Vec<(&'static str, AttributeValue)>,
) {
    if let Some(requester) = &four_eyes.requester {
        set.push_str(", #requester = :requester");
        values.push((":requester", text(&same_person(requester))));
    }
    if four_eyes.needs_second {
        set.push_str(", #approvals = :both");
        values.push((":both", number(BOTH)));
    }
}

impl TaskTable {
    /// **D**: stores the decision of the person `by`, once: of a PENDING or an ESCALATED task. `approving` counts for an
    /// approval; one person is enough to reject.
    ///
    /// # Errors
    ///
    /// [`TableError`]; whether the decision is stored is then unknown, and repeating the call finds out.
    pub async fn decide_for_person(
        &self,
        task: &Task,
        decision: &Decision,
        by: &str,
        approving: Approving,
        now: Timestamp,
    ) -> Result<Written, TableError> {
        let mut values = decided(task, decision, now);
        values.push((":pending", text(Status::Pending.as_str())));
        values.push((":escalated", text(Status::Escalated.as_str())));
        values.push((":subject", text(&same_person(by))));
        let condition = match (decision.outcome, approving) {
            (Outcome::Rejected, _) => format!("{UNDECIDED} AND {NOT_THE_REQUESTER}"),
            (Outcome::Approved, Approving::Alone) => {
                format!("{UNDECIDED} AND {NOT_THE_REQUESTER} AND attribute_not_exists(#approvals)")
            }
            (Outcome::Approved, Approving::Second) => {
                format!("{UNDECIDED} AND {NOT_THE_REQUESTER} AND {AFTER_ANOTHER}")
            }
        };
        self.update(&task.id, DECIDE, &condition, values).await
    }

    /// Stores the first of two approvals of an ESCALATED task. Not a decision: the task stays where it is, and from now on
    /// needs the second.
    ///
    /// # Errors
    ///
    /// [`TableError`]; repeating the call finds out whether it was applied.
    pub async fn approve_first(&self, task: &Task, first: &FirstApproval) -> Result<Written, TableError> {
        let values = vec![
            (":first", item::to_map(&first.to_item())),
            (":both", number(BOTH)),
            (":escalated", text(Status::Escalated.as_str())),
            (":subject", text(&first.subject)),
        ];
        let condition = format!(
            "attribute_not_exists(#decision) AND #status = :escalated AND attribute_not_exists(#firstApproval) \
             AND {NOT_THE_REQUESTER}"
        );
        self.update(&task.id, "SET #firstApproval = :first, #approvals = :both", &condition, values).await
    }

    /// Returns an ESCALATED task to the rules: PENDING, one round later, due for the sweeper at once. The escalation
    /// moves to the task's history. Not after the first of two approvals.
    ///
    /// # Errors
    ///
    /// [`TableError`]; repeating the call finds out whether it was applied.
    pub async fn give_back(
        &self,
        task: &Task,
        given: GivenBack,
        now: Timestamp,
    ) -> Result<Written, TableError> {
        let mut history = task.history.clone();
        history.push(given);
        let surplus = history.len().saturating_sub(MAX_ROUNDS);
        history.drain(..surplus);
        let set = "REMOVE #escalation, #requester, #approvals SET #status = :pending, #round = :next, #history = :history, \
                   #attempts = :none, #list = :list, #listAt = :at";
        let mut values = vec![
            (":pending", text(Status::Pending.as_str())),
            (":escalated", text(Status::Escalated.as_str())),
            (":next", number(task.round.saturating_add(1))),
            (":history", item::to_map(&GivenBack::to_item(&history))),
            (":none", number(0)),
            (":list", text(&Worklist::Pending.key_of(&task.id))),
            (":at", number(now.as_second())),
        ];
        let condition = if task.round == 0 {
            "attribute_not_exists(#decision) AND #status = :escalated AND attribute_not_exists(#firstApproval) \
             AND attribute_not_exists(#round)"
        } else {
            values.push((":round", number(task.round)));
            "attribute_not_exists(#decision) AND #status = :escalated AND attribute_not_exists(#firstApproval) \
             AND #round = :round"
        };
        self.update(&task.id, set, condition, values).await
    }
}
