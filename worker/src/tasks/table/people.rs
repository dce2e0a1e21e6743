//! The conditional writes of people: decide, approve first, give back to the rules.
//!
//! What four eyes ask for is held here, by the conditions: the requester decides nothing, and where two must approve, a
//! decision to approve needs the stored approval of somebody else.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use rules::{FourEyes, same_person};
use statemachine::decision::{Decision, Outcome};
use statemachine::status::Status;
use statemachine::task::{BOTH, Claim, Comment, FirstApproval, GivenBack, MAX_ROUNDS, Task};
use statemachine::token::TaskId;
use statemachine::worklist::Worklist;

use crate::aws::attribute::{number, text};
use crate::tasks::item;
use crate::tasks::table::{DECIDE, TableError, TaskTable, Written, decided};

/// Who decides, and on what terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByPerson<'a> {
    /// The person's name.
    pub name: &'a str,
    /// With whose approval, where the decision is to approve.
    pub approving: Approving,
    /// Only as long as the task is as it was read.
    pub as_read: bool,
}

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
/// No claim lasts.
const UNCLAIMED: &str = "(attribute_not_exists(#claim) OR #claim.#until <= :now)";
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
    /// **D**: stores a person's decision, once: of a PENDING or an ESCALATED task. One person is enough to reject.
    ///
    /// # Errors
    ///
    /// [`TableError`]; whether the decision is stored is then unknown, and repeating the call finds out.
    pub async fn decide_for_person(
        &self,
        task: &Task,
        decision: &Decision,
        by: ByPerson<'_>,
        now: Timestamp,
    ) -> Result<Written, TableError> {
        let (mut set, mut values) = (DECIDE.to_owned(), decided(task, decision, now));
        self.add_step(", #decideStep = :step", &mut set, &mut values, now, None);
        values.push((":pending", text(Status::Pending.as_str())));
        values.push((":escalated", text(Status::Escalated.as_str())));
        values.push((":subject", text(&same_person(by.name))));
        let mut condition = match (decision.outcome, by.approving) {
            (Outcome::Rejected, _) => format!("{UNDECIDED} AND {NOT_THE_REQUESTER}"),
            (Outcome::Approved, Approving::Alone) => {
                format!("{UNDECIDED} AND {NOT_THE_REQUESTER} AND attribute_not_exists(#approvals)")
            }
            (Outcome::Approved, Approving::Second) => {
                format!("{UNDECIDED} AND {NOT_THE_REQUESTER} AND {AFTER_ANOTHER}")
            }
        };
        if by.as_read {
            match &task.escalation {
                None => condition.push_str(" AND attribute_not_exists(#escalation)"),
                Some(escalation) => {
                    condition.push_str(" AND #escalation.#at = :seen");
                    values.push((":seen", text(&escalation.at)));
                }
            }
        }
        self.update(&task.id, &set, &condition, values).await
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

    /// Claims an undecided ESCALATED task, unless another person's claim lasts.
    ///
    /// # Errors
    ///
    /// [`TableError`]; repeating the call finds out whether it was applied.
    pub async fn claim(&self, id: &TaskId, claim: &Claim, now: Timestamp) -> Result<Written, TableError> {
        let values = vec![
            (":claim", item::to_map(&claim.to_item())),
            (":escalated", text(Status::Escalated.as_str())),
            (":now", number(now.as_second())),
            (":subject", text(&claim.subject)),
        ];
        let condition = format!(
            "attribute_not_exists(#decision) AND #status = :escalated AND ({UNCLAIMED} OR #claim.#subject = :subject)"
        );
        self.update(id, "SET #claim = :claim", &condition, values).await
    }

    /// Ends the claim of a person.
    ///
    /// # Errors
    ///
    /// [`TableError`]; repeating the call finds out whether it was applied.
    pub async fn release(&self, id: &TaskId, subject: &str, now: Timestamp) -> Result<Written, TableError> {
        let values = vec![(":now", number(now.as_second())), (":subject", text(subject))];
        self.update(id, "SET #claim.#until = :now", "#claim.#subject = :subject", values).await
    }

    /// Adds a comment to those that were read.
    ///
    /// # Errors
    ///
    /// [`TableError`]; repeating the call finds out whether it was applied.
    pub async fn comment(&self, task: &Task, comment: Comment) -> Result<Written, TableError> {
        let mut comments = task.comments.clone();
        comments.push(comment);
        let values = vec![
            (":comments", item::to_map(&Comment::to_item(&comments))),
            (":revision", number(task.revision)),
        ];
        self.update(&task.id, "SET #comments = :comments", "#revision = :revision", values).await
    }

    /// Returns an ESCALATED task to the rules: PENDING, one round later, due for the sweeper at once. The escalation
    /// moves to the task's history. Not after the first of two approvals, and not while it is claimed.
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
        let set = "REMOVE #escalation, #requester, #approvals, #claim SET #status = :pending, #round = :next, #history = :history, \
                   #attempts = :none, #list = :list, #listAt = :at";
        let mut values = vec![
            (":pending", text(Status::Pending.as_str())),
            (":escalated", text(Status::Escalated.as_str())),
            (":next", number(task.round.saturating_add(1))),
            (":history", item::to_map(&GivenBack::to_item(&history))),
            (":none", number(0)),
            (":list", text(&Worklist::Pending.key_of(&task.id))),
            (":at", number(now.as_second())),
            (":now", number(now.as_second())),
        ];
        let is_this_round = if task.round == 0 {
            "attribute_not_exists(#round)"
        } else {
            values.push((":round", number(task.round)));
            "#round = :round"
        };
        let condition = format!(
            "attribute_not_exists(#decision) AND #status = :escalated AND {UNCLAIMED} AND {is_this_round} \
             AND attribute_not_exists(#firstApproval)"
        );
        self.update(&task.id, set, &condition, values).await
    }
}
