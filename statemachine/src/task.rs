//! A task as the table holds it and the stream brings it.

mod approval;
pub mod attribute;
mod check;
mod escalation;
mod history;
mod order;
mod people;
mod reviewed;
mod step;

use std::borrow::Cow;

use crate::compact::Compact;
use crate::decision::Decision;
use crate::format;
use crate::item::{self, Item, Malformed, Value};
use crate::message::Message;
use crate::status::{Delivery, State, Status};
use crate::token::{TaskId, TaskToken};
use crate::worklist::{PENDING_GRACE_SECONDS, Worklist};

pub use self::approval::{BOTH, FirstApproval};
pub use self::escalation::Escalation;
pub use self::history::{GivenBack, MAX_ROUNDS};
pub use self::order::Order;
pub use self::people::{Claim, Comment, MAX_COMMENT_BYTES, MAX_COMMENTS};
pub use self::reviewed::reviewed;
pub use self::step::{Step, Steps};

/// The indexes' names.
#[expect(missing_docs, reason = "the names say it")]
pub mod index {
    pub const WORKLIST: &str = "worklist";
    pub const BY_ORDER: &str = "by-order";
    pub const BY_TRANSACTION: &str = "by-transaction";
}

/// One approval a workflow waits for, with all that is stored of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each field is the attribute of the same name, and steps those that end with Step"
)]
pub struct Task {
    pub id: TaskId,
    pub order_id: String,
    pub start_time: String,
    pub transaction_id: String,
    pub token: TaskToken,
    pub status: Status,
    pub order: Option<Order>,
    pub received_at: String,
    pub deadline: Option<i64>,
    pub revision: i64,
    pub decision: Option<Decision>,
    pub delivery: Option<Delivery>,
    pub escalation: Option<Escalation>,
    pub requester: Option<String>,
    pub approvals: Option<i64>,
    pub first_approval: Option<FirstApproval>,
    pub claim: Option<Claim>,
    pub comments: Vec<Comment>,
    pub round: i64,
    pub history: Vec<GivenBack>,
    pub evaluation: Option<Compact>,
    pub shadow: Option<String>,
    pub attempts: i64,
    pub steps: Steps,
    pub list: Option<String>,
    pub list_at: Option<i64>,
    pub traceparent: Option<String>,
    pub expires_at: Option<i64>,
}

/// The attributes that come from the message itself. The time of sending is not here: SQS sets it again when a message is
/// redriven from a dead-letter queue, and the deadline follows from it.
const FROM_THE_MESSAGE: [&str; 5] = [
    attribute::TASK_TOKEN,
    attribute::TRANSACTION_ID,
    attribute::ORDER_ID,
    attribute::START_TIME,
    attribute::ORDER,
];

/// Tells another task under the same token from a redelivery, whatever happened to the stored task since: the names of the
/// attributes in which the message differs from what is stored, with commas between them. `None` is a redelivery.
pub fn differing(is_same: impl Fn(&str) -> bool) -> Option<String> {
    let differ: Vec<&str> = FROM_THE_MESSAGE.into_iter().filter(|name| !is_same(name)).collect();
    (!differ.is_empty()).then(|| differ.join(", "))
}

/// When SQS received a message, in the two forms a task needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedAt {
    /// RFC 3339 in UTC, with milliseconds.
    pub text: String,
    /// Seconds since the epoch, rounded down.
    pub epoch_seconds: i64,
}

impl Task {
    /// A new task, as ingest stores it. The same message gives the same task, however often it is delivered.
    pub fn new(message: Message, received_at: ReceivedAt, traceparent: Option<String>) -> Task {
        let id = message.task_token.task_id();
        let deadline = message.timeout_seconds.and_then(|seconds| {
            i64::try_from(seconds).ok().map(|seconds| received_at.epoch_seconds.saturating_add(seconds))
        });
        Task {
            list: Some(Worklist::Pending.key_of(&id)),
            list_at: Some(received_at.epoch_seconds + PENDING_GRACE_SECONDS),
            id,
            order_id: message.order_id,
            start_time: message.start_time,
            transaction_id: message.transaction_id,
            token: message.task_token,
            status: Status::Pending,
            order: message.order.map(Order::from),
            received_at: received_at.text,
            deadline,
            revision: 1,
            decision: None,
            delivery: None,
            escalation: None,
            requester: None,
            approvals: None,
            first_approval: None,
            claim: None,
            comments: Vec::new(),
            round: 0,
            history: Vec::new(),
            evaluation: None,
            shadow: None,
            attempts: 0,
            steps: Steps::default(),
            traceparent,
            expires_at: None,
        }
    }

    /// Where the task is in its life.
    pub fn state(&self) -> State {
        State {
            status: self.status,
            outcome: self.decision.as_ref().map(|decision| decision.outcome),
            delivery: self.delivery,
            has_first: self.first_approval.is_some(),
        }
    }

    /// The text of the order, which not every task has.
    pub fn order_text(&self) -> Option<Cow<'_, str>> {
        self.order.as_ref().map(Order::text)
    }

    /// The claim that lasts at this time, in epoch seconds.
    pub fn claim_at(&self, now: i64) -> Option<&Claim> {
        self.claim.as_ref().filter(|claim| claim.until > now)
    }

    /// Tells whether two people must approve it, as far as that is stored.
    pub fn needs_second(&self) -> bool {
        // Any number: nobody writes another, and in doubt two are asked for.
        self.approvals.is_some()
    }

    /// The item as the table holds it.
    pub fn to_item(&self) -> Item {
        let mut map = Item::new();
        for (name, text) in [
            (attribute::TASK_ID, Some(self.id.as_str())),
            (attribute::ORDER_ID, Some(&self.order_id)),
            (attribute::START_TIME, Some(&self.start_time)),
            (attribute::TRANSACTION_ID, Some(&self.transaction_id)),
            (attribute::TASK_TOKEN, Some(self.token.expose())),
            (attribute::STATUS, Some(self.status.as_str())),
            (attribute::RECEIVED_AT, Some(&self.received_at)),
            (attribute::DELIVERY, self.delivery.map(Delivery::as_str)),
            (attribute::REQUESTER, self.requester.as_deref()),
            (attribute::SHADOW, self.shadow.as_deref()),
            (attribute::LIST, self.list.as_deref()),
            (attribute::TRACEPARENT, self.traceparent.as_deref()),
        ] {
            item::put_text(&mut map, name, text);
        }
        for (name, number) in [
            (attribute::DEADLINE, self.deadline),
            (attribute::REVISION, Some(self.revision)),
            (attribute::APPROVALS, self.approvals),
            (attribute::ATTEMPTS, (self.attempts > 0).then_some(self.attempts)),
            (attribute::ROUND, (self.round > 0).then_some(self.round)),
            (attribute::LIST_AT, self.list_at),
            (attribute::EXPIRES_AT, self.expires_at),
        ] {
            item::put_number(&mut map, name, number);
        }
        if let Some(order) = &self.order {
            let format = order.is_compressed().then_some(format::TASK.into());
            item::put_number(&mut map, format::ATTRIBUTE, format);
            map.insert(attribute::ORDER.to_owned(), order.to_value());
        }
        if let Some(evaluation) = &self.evaluation {
            map.insert(attribute::evaluation_names(evaluation).0.to_owned(), evaluation.to_value());
        }
        if let Some(decision) = &self.decision {
            map.insert(attribute::DECISION.to_owned(), Value::Map(decision.to_item()));
        }
        if let Some(escalation) = &self.escalation {
            map.insert(attribute::ESCALATION.to_owned(), Value::Map(escalation.to_item()));
        }
        if let Some(first) = &self.first_approval {
            map.insert(attribute::FIRST_APPROVAL.to_owned(), Value::Map(first.to_item()));
        }
        if let Some(claim) = &self.claim {
            map.insert(attribute::CLAIM.to_owned(), Value::Map(claim.to_item()));
        }
        if !self.comments.is_empty() {
            map.insert(attribute::COMMENTS.to_owned(), Value::Map(Comment::to_item(&self.comments)));
        }
        if !self.history.is_empty() {
            map.insert(attribute::HISTORY.to_owned(), Value::Map(GivenBack::to_item(&self.history)));
        }
        self.steps.put(&mut map);
        map
    }

    /// Reads an item of the table, or a stream record's new image.
    ///
    /// # Errors
    ///
    /// [`Malformed`] names the first attribute that is missing or wrong, never its value. An id that is not its
    /// token's hash is one: such an item was not written by ingest. So is anything that no step writes, such as a final
    /// status without a decision: somebody edited the item by hand.
    pub fn from_item(map: &Item) -> Result<Task, Malformed> {
        item::check_format(map)?;
        let token = TaskToken::new(item::text(map, attribute::TASK_TOKEN)?)
            .map_err(|_| Malformed::Not(attribute::TASK_TOKEN, "1 to 2048 bytes long"))?;
        let id = token.task_id();
        if item::text(map, attribute::TASK_ID)? != id.as_str() {
            return Err(Malformed::Not(attribute::TASK_ID, "the hash of the task token"));
        }
        let task = Task {
            id,
            order_id: item::text(map, attribute::ORDER_ID)?,
            start_time: item::text(map, attribute::START_TIME)?,
            transaction_id: item::text(map, attribute::TRANSACTION_ID)?,
            token,
            status: attribute::status(map)?,
            order: Order::read(map)?,
            received_at: item::text(map, attribute::RECEIVED_AT)?,
            deadline: item::optional_number(map, attribute::DEADLINE)?,
            revision: attribute::revision(map)?,
            decision: attribute::decision(map)?,
            delivery: attribute::delivery(map)?,
            escalation: attribute::escalation(map)?,
            requester: item::optional_text(map, attribute::REQUESTER)?,
            approvals: item::optional_number(map, attribute::APPROVALS)?,
            first_approval: approval::from_item(map)?,
            claim: Claim::read(map)?,
            comments: Comment::read(map)?,
            round: item::optional_number(map, attribute::ROUND)?.unwrap_or(0),
            history: history::from_item(map)?,
            evaluation: attribute::evaluation(map)?,
            shadow: item::optional_text(map, attribute::SHADOW)?,
            attempts: item::optional_number(map, attribute::ATTEMPTS)?.unwrap_or(0),
            steps: Steps::from_item(map),
            list: item::optional_text(map, attribute::LIST)?,
            list_at: item::optional_number(map, attribute::LIST_AT)?,
            traceparent: item::optional_text(map, attribute::TRACEPARENT)?,
            expires_at: item::optional_number(map, attribute::EXPIRES_AT)?,
        };
        task.check()?;
        Ok(task)
    }
}

#[cfg(test)]
mod tests;
