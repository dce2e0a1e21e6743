//! The conditional writes that end a task: settle, mark unverified, expire.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use statemachine::decision::Decision;
use statemachine::status::{Delivery, Status};
use statemachine::token::TaskId;
use statemachine::worklist::{self, Worklist};

use crate::aws::attribute::{number, text};
use crate::clock;
use crate::tasks::table::{TableError, TaskTable, Written};

/// How the delivery of a stored decision ends, from DUE or UNVERIFIED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The workflow received it: the status becomes the decision's outcome.
    Delivered,
    /// Step Functions rejects it permanently: FAILED.
    Undeliverable,
    /// The workflow continued without it: EXPIRED.
    ClosedElsewhere,
}

/// When a step was taken, for the task's story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken<'a> {
    /// When the worker began: it had read the task, or it called the workflow back.
    pub since: Timestamp,
    /// When it writes the step.
    pub at: Timestamp,
    /// How the step is known to have ended this way.
    pub how: Option<&'a str>,
}

const SETTLE: &str = "SET #status = :status, #list = :list, #listAt = :at, #expiresAt = :until";

impl TaskTable {
    /// **M**: records how a stored decision ended. Only this decision, and only while it is not settled. `taken.at` is now.
    ///
    /// # Errors
    ///
    /// [`TableError`]; repeating the call finds out whether it was applied.
    pub async fn settle(
        &self,
        id: &TaskId,
        decision: &Decision,
        settlement: Settlement,
        taken: Taken<'_>,
    ) -> Result<Written, TableError> {
        let (status, delivery, from) = match settlement {
            Settlement::Delivered => {
                (decision.outcome.status(), Delivery::Delivered, "IN (:due, :unverified)")
            }
            Settlement::Undeliverable => (Status::Failed, Delivery::Undeliverable, "= :due"),
            Settlement::ClosedElsewhere => (Status::Expired, Delivery::ClosedElsewhere, "= :unverified"),
        };
        let mut values = self.settled(id, status, taken.at);
        values.push((":delivery", text(delivery.as_str())));
        values.push((":id", text(&decision.id)));
        if from.contains(":due") {
            values.push((":due", text(Delivery::Due.as_str())));
        }
        if from.contains(":unverified") {
            values.push((":unverified", text(Delivery::Unverified.as_str())));
        }
        let mut set = format!("{SETTLE}, #delivery = :delivery");
        self.add_step(", #settleStep = :step", &mut set, &mut values, taken.since, Some(taken));
        self.update(id, &set, &format!("#decision.#id = :id AND #delivery {from}"), values).await
    }

    /// Records that the callback found the token closed; the history is read at `next`.
    ///
    /// # Errors
    ///
    /// [`TableError`]; repeating the call finds out whether it was applied.
    pub async fn mark_unverified(
        &self,
        id: &TaskId,
        decision: &Decision,
        next: Timestamp,
        taken: Taken<'_>,
    ) -> Result<Written, TableError> {
        let mut set =
            "SET #delivery = :unverified, #list = :list, #listAt = :at, #attempts = :none".to_owned();
        let mut values = vec![
            (":unverified", text(Delivery::Unverified.as_str())),
            (":list", text(&Worklist::Verify.key_of(id))),
            (":at", number(next.as_second())),
            (":none", number(0)),
            (":id", text(&decision.id)),
            (":due", text(Delivery::Due.as_str())),
        ];
        self.add_step(", #verifyStep = :step", &mut set, &mut values, taken.since, Some(taken));
        self.update(id, &set, "#decision.#id = :id AND #delivery = :due", values).await
    }

    /// Expires an undecided task, after proof that its workflow no longer waits. Never one with a decision:
    /// a rejection makes its own execution FAILED, and that event must not overwrite it.
    ///
    /// # Errors
    ///
    /// [`TableError`]; repeating the call finds out whether it was applied.
    pub async fn expire(&self, id: &TaskId, taken: Taken<'_>) -> Result<Written, TableError> {
        let (mut set, mut values) = (SETTLE.to_owned(), self.settled(id, Status::Expired, taken.at));
        values.push((":pending", text(Status::Pending.as_str())));
        values.push((":escalated", text(Status::Escalated.as_str())));
        let condition = "attribute_not_exists(#decision) AND #status IN (:pending, :escalated)";
        self.add_step(", #settleStep = :step", &mut set, &mut values, taken.since, Some(taken));
        self.update(id, &set, condition, values).await
    }

    fn settled(&self, id: &TaskId, status: Status, now: Timestamp) -> Vec<(&'static str, AttributeValue)> {
        let kept_until = now.as_second().saturating_add(self.retention.as_secs());
        vec![
            (":status", text(status.as_str())),
            (":list", text(&worklist::settled_key(&clock::day(now), id))),
            (":at", number(now.as_second())),
            (":until", number(kept_until)),
        ]
    }
}
