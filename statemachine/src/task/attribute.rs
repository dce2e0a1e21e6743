//! The attributes of a task: every name once, and how those with a type of their own are read.

use crate::compact::Compact;
use crate::decision::Decision;
use crate::item::{self, Item, Malformed, Value};
use crate::status::{Delivery, Status};
use crate::task::escalation::Escalation;

/// The key: the start of the SHA-256 of the task token, in hex.
pub const TASK_ID: &str = "taskId";
/// The order that is to be approved, as the workflow named it.
pub const ORDER_ID: &str = "orderId";
/// When the execution started, as the workflow told it.
pub const START_TIME: &str = "startTime";
/// The execution's ARN.
pub const TRANSACTION_ID: &str = "transactionId";
/// What answers the workflow. It never leaves the table.
pub const TASK_TOKEN: &str = "taskToken";
/// Where the task is in its life: [`Status`].
pub const STATUS: &str = "status";
/// The facts, as the JSON text that arrived, compressed if it is long: [`Order`](crate::task::Order). Absent when the
/// message had none.
pub const ORDER: &str = "order";
/// When SQS received the message, RFC 3339 in UTC.
pub const RECEIVED_AT: &str = "receivedAt";
/// When the workflow stops waiting, in epoch seconds; absent when it told no timeout.
pub const DEADLINE: &str = "deadline";
/// +1 on each write.
pub const REVISION: &str = "revision";
/// The stored decision: [`Decision`].
pub const DECISION: &str = "decision";
/// How far the decision has come: [`Delivery`].
pub const DELIVERY: &str = "delivery";
/// Why the task was left to a person: [`Escalation`].
pub const ESCALATION: &str = "escalation";
/// The person whom the task is for, in lower case: this person must not decide it. Absent if the order names none.
pub const REQUESTER: &str = "requester";
/// How many people must approve it: two, or absent.
pub const APPROVALS: &str = "approvals";
/// The first of two approvals: [`FirstApproval`](crate::task::FirstApproval).
pub const FIRST_APPROVAL: &str = "firstApproval";
/// Who looks after the task, and until when: [`Claim`](crate::task::Claim).
pub const CLAIM: &str = "claim";
/// What people wrote about the task: [`Comment`](crate::task::Comment).
pub const COMMENTS: &str = "comments";
/// How often the task was returned to the rules; absent while it was not. A rule's write is conditioned on the round that
/// was read.
pub const ROUND: &str = "round";
/// The escalations that were given back, by round: [`GivenBack`](crate::task::GivenBack).
pub const HISTORY: &str = "history";
/// What the rules saw and said, as JSON text, for `rules explain`. Earlier versions store only this form, and this one where
/// it is the smaller one: of both, this is the later.
pub const EVALUATION: &str = "evaluation";
/// The same text compressed: [`Compact`].
pub const PACKED_EVALUATION: &str = "packedEvaluation";
/// What the shadow ruleset would have said, as JSON text.
pub const SHADOW: &str = "shadow";
/// How often a delivery or a verification was put off.
pub const ATTEMPTS: &str = "attempts";
/// The worklist it stands in.
pub const LIST: &str = "list";
/// When that list wants it looked at, in epoch seconds.
pub const LIST_AT: &str = "listAt";
/// Which worker stored the decision, and when: [`Step`](crate::task::Step).
pub const DECIDE_STEP: &str = "decideStep";
/// Which worker left the task to a person, in its last round.
pub const ESCALATE_STEP: &str = "escalateStep";
/// Which worker found the token closed.
pub const VERIFY_STEP: &str = "verifyStep";
/// Which worker settled or expired the task, and how that is known.
pub const SETTLE_STEP: &str = "settleStep";
/// Within the escalation: when people were told of it.
pub const PUBLISHED_AT: &str = "publishedAt";
/// Within the escalation: when people were told that the deadline is near.
pub const DEADLINE_PUBLISHED_AT: &str = "deadlinePublishedAt";
/// When people were told that the task expired undecided.
pub const EXPIRY_PUBLISHED_AT: &str = "expiryPublishedAt";
/// The trace that ingest began.
pub const TRACEPARENT: &str = "traceparent";
/// When a settled task is deleted, in epoch seconds.
pub const EXPIRES_AT: &str = "expiresAt";

/// Reads the status, which every task has.
///
/// # Errors
///
/// [`Malformed`] when it is absent or unknown.
pub fn status(map: &Item) -> Result<Status, Malformed> {
    Status::parse(&item::text(map, STATUS)?).ok_or(Malformed::Not(STATUS, "a known status"))
}

/// Reads how far the stored decision has come, if there is one.
///
/// # Errors
///
/// [`Malformed`] when it is unknown.
pub fn delivery(map: &Item) -> Result<Option<Delivery>, Malformed> {
    let text = item::optional_text(map, DELIVERY)?;
    text.map(|text| Delivery::parse(&text).ok_or(Malformed::Not(DELIVERY, "a known delivery"))).transpose()
}

/// Reads the revision, which every task has.
///
/// # Errors
///
/// [`Malformed`] when it is absent or no number.
pub fn revision(map: &Item) -> Result<i64, Malformed> {
    item::optional_number(map, REVISION)?.ok_or(Malformed::Missing(REVISION))
}

/// Reads the stored decision, if there is one.
///
/// # Errors
///
/// [`Malformed`] when a field of it is missing or wrong.
pub fn decision(map: &Item) -> Result<Option<Decision>, Malformed> {
    item::optional_map(map, DECISION)?.map(Decision::from_item).transpose()
}

/// Reads what the rules saw and said, in the form in which it is stored.
///
/// # Errors
///
/// [`Malformed`] when it has another type.
pub fn evaluation(map: &Item) -> Result<Option<Compact>, Malformed> {
    // Each write that stores one form removes the other; an earlier version does not know the packed one.
    if let Some(text) = item::optional_text(map, EVALUATION)? {
        return Ok(Some(Compact::Plain(text)));
    }
    match map.get(PACKED_EVALUATION) {
        None => Ok(None),
        Some(Value::Bytes(bytes)) => Ok(Some(Compact::Deflated(bytes.clone()))),
        Some(_) => Err(Malformed::Not(PACKED_EVALUATION, "bytes")),
    }
}

/// The attribute that has this form of the evaluation, and the one that must not have another.
pub fn evaluation_names(evaluation: &Compact) -> (&'static str, &'static str) {
    match evaluation {
        Compact::Plain(_) => (EVALUATION, PACKED_EVALUATION),
        Compact::Deflated(_) => (PACKED_EVALUATION, EVALUATION),
    }
}

/// Reads why the task was left to a person, if it was.
///
/// # Errors
///
/// [`Malformed`] when a field of it is missing or wrong.
pub fn escalation(map: &Item) -> Result<Option<Escalation>, Malformed> {
    item::optional_map(map, ESCALATION)?.map(Escalation::from_item).transpose()
}
