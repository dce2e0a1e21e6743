//! What people are to hear of a task, and whether it was published: the item itself remembers it.
//!
//! A mark is written after the event was put on the bus. A crash in between publishes the event again; nothing is lost,
//! because every walk of the worklists finds the tasks that lack a mark. A task that rules decide never has one.

use jiff::Timestamp;
use statemachine::item::{Item, Value};
use statemachine::status::Status;
use statemachine::task::{Task, attribute};

use crate::aws::attribute::text;
use crate::clock;
use crate::tasks::table::{TableError, TaskTable};

/// A deadline is near when it is at most this far away, in seconds.
pub const NEAR_SECONDS: i64 = 3_600;

named! {
    /// What an event tells.
    Notice {
        /// The rules left the task to people.
        Escalated = "escalated",
        /// It still waits for people, and its deadline is near.
        Deadline = "deadline",
        /// Its workflow stopped waiting before anybody decided.
        Expired = "expired",
    }
}

impl Notice {
    /// What is to be published of a task at `now`, in epoch seconds. An entry of the index does not show whether an expiry
    /// was published: the item does.
    pub fn due(item: &Item, now: i64) -> Option<Notice> {
        if item.contains_key(attribute::DECISION) {
            return None;
        }
        match status(item)? {
            Status::Escalated => {
                let Some(Value::Map(escalation)) = item.get(attribute::ESCALATION) else { return None };
                if !escalation.contains_key(attribute::PUBLISHED_AT) {
                    Some(Notice::Escalated)
                } else if is_near(deadline(item), now)
                    && !escalation.contains_key(attribute::DEADLINE_PUBLISHED_AT)
                {
                    Some(Notice::Deadline)
                } else {
                    None
                }
            }
            Status::Expired => {
                (!item.contains_key(attribute::EXPIRY_PUBLISHED_AT)).then_some(Notice::Expired)
            }
            Status::Pending | Status::Approved | Status::Rejected | Status::Failed => None,
        }
    }
}

impl Notice {
    /// Whether a task was left to people before this time, in epoch seconds; also if the item does not say when.
    pub fn escalated_before(item: &Item, time: i64) -> bool {
        let Some(Value::Map(escalation)) = item.get(attribute::ESCALATION) else { return true };
        let Some(Value::Text(at)) = escalation.get("at") else { return true };
        at.parse::<Timestamp>().map_or(true, |at| at.as_second() < time)
    }
}

fn status(item: &Item) -> Option<Status> {
    match item.get(attribute::STATUS)? {
        Value::Text(status) => Status::parse(status),
        Value::Number(_) | Value::Map(_) | Value::Bytes(_) | Value::Other => None,
    }
}

fn deadline(item: &Item) -> Option<i64> {
    match item.get(attribute::DEADLINE)? {
        Value::Number(seconds) => seconds.parse().ok(),
        Value::Text(_) | Value::Map(_) | Value::Bytes(_) | Value::Other => None,
    }
}

/// Whether a deadline is near.
pub fn is_near(deadline: Option<i64>, now: i64) -> bool {
    deadline.is_some_and(|deadline| deadline <= now.saturating_add(NEAR_SECONDS))
}

impl TaskTable {
    /// Notes that an event was published, unless the task has changed since: then there is nothing to note.
    ///
    /// # Errors
    ///
    /// [`TableError`]; the event is then published again.
    pub async fn note_published(
        &self,
        task: &Task,
        notice: Notice,
        now: Timestamp,
    ) -> Result<(), TableError> {
        let mut values = vec![(":at", text(&clock::text(now)))];
        let (set, condition) = match notice {
            Notice::Expired => {
                values.push((":status", text(Status::Expired.as_str())));
                ("SET #expiryPublishedAt = :at", "attribute_not_exists(#decision) AND #status = :status")
            }
            Notice::Escalated | Notice::Deadline => {
                let Some(escalation) = &task.escalation else { return Ok(()) };
                values.push((":status", text(Status::Escalated.as_str())));
                values.push((":seen", text(&escalation.at)));
                let set = match (notice, is_near(task.deadline, now.as_second())) {
                    // The event tells of the deadline, too.
                    (Notice::Escalated, true) => {
                        "SET #escalation.#publishedAt = :at, #escalation.#deadlinePublishedAt = :at"
                    }
                    (Notice::Escalated, false) => "SET #escalation.#publishedAt = :at",
                    (Notice::Deadline | Notice::Expired, _) => "SET #escalation.#deadlinePublishedAt = :at",
                };
                (set, "attribute_not_exists(#decision) AND #status = :status AND #escalation.#at = :seen")
            }
        };
        self.update(&task.id, set, condition, values).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(status: &str, escalation: Option<&[&str]>, others: &[&str]) -> Item {
        let mut item = Item::new();
        item.insert(attribute::STATUS.to_owned(), Value::Text(status.to_owned()));
        item.insert(attribute::DEADLINE.to_owned(), Value::Number("10000".to_owned()));
        let mark = |name: &&str| ((*name).to_owned(), Value::Text("at".to_owned()));
        if let Some(marks) = escalation {
            let marks = marks.iter().map(mark).collect();
            item.insert(attribute::ESCALATION.to_owned(), Value::Map(marks));
        }
        item.extend(others.iter().map(mark));
        item
    }

    #[test]
    fn each_notice_is_due_once_and_none_of_a_decided_task() {
        let (early, late) = (10_000 - NEAR_SECONDS - 1, 10_000 - NEAR_SECONDS);
        let (told, both) = (&["publishedAt"] as &[&str], &["publishedAt", "deadlinePublishedAt"] as &[&str]);
        for (status, escalation, others, now, expected) in [
            ("PENDING", None, &[] as &[&str], late, None),
            ("ESCALATED", Some(&[] as &[&str]), &[], early, Some(Notice::Escalated)),
            ("ESCALATED", Some(&[]), &[], late, Some(Notice::Escalated)),
            ("ESCALATED", Some(told), &[], early, None),
            ("ESCALATED", Some(told), &[], late, Some(Notice::Deadline)),
            ("ESCALATED", Some(both), &[], late, None),
            ("ESCALATED", Some(&[]), &["decision"], late, None),
            ("EXPIRED", None, &[], early, Some(Notice::Expired)),
            ("EXPIRED", Some(both), &[], early, Some(Notice::Expired)),
            ("EXPIRED", Some(&[]), &["expiryPublishedAt"], early, None),
            ("EXPIRED", None, &["decision"], early, None),
            ("APPROVED", Some(&[]), &["decision"], late, None),
            ("unknown", Some(&[]), &[], late, None),
        ] {
            let due = Notice::due(&item(status, escalation, others), now);
            assert_eq!(due, expected, "{status} {escalation:?} {others:?} at {now}");
        }
    }
}
