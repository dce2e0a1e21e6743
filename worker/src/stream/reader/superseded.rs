//! Records whose work was done before they were read: a later record of the same page shows it. A hint, a sweeper, a
//! person or an earlier reader of the shard has handled the task meanwhile.

use std::collections::HashSet;

use aws_sdk_dynamodbstreams::types::{AttributeValue, OperationType, Record};
use statemachine::status::{Delivery, Status};
use statemachine::task::attribute;

/// How far an image shows a task to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A new task, or a decision that was never sent yet: there is work to do.
    Open,
    /// Left to a person, expired, sent, or put off.
    Done,
}

/// For each record of a page, whether what it asks for is done. The records of one task are in the order of its changes.
pub(super) fn superseded(records: &[Record]) -> Vec<bool> {
    let mut done: HashSet<&str> = HashSet::new();
    let is_done = records.iter().rev().map(|record| match stage(record) {
        Some((id, Stage::Open)) => done.contains(id),
        Some((id, Stage::Done)) => {
            done.insert(id);
            false
        }
        None => false,
    });
    let mut superseded: Vec<bool> = is_done.collect();
    superseded.reverse();
    superseded
}

/// The task of a record, and how far its image shows it to be; none if the image shows neither.
fn stage(record: &Record) -> Option<(&str, Stage)> {
    let image = record.dynamodb()?.new_image()?;
    let text = |name: &str| image.get(name)?.as_s().ok().map(String::as_str);
    let id = text(attribute::TASK_ID)?;
    let is_decided = matches!(image.get(attribute::DECISION), Some(AttributeValue::M(_)));
    let is_tried =
        image.get(attribute::ATTEMPTS).and_then(|count| count.as_n().ok()).is_some_and(|n| n != "0");
    let stage = match (text(attribute::STATUS)?, text(attribute::DELIVERY)) {
        (_, Some(delivery)) if is_decided && delivery == Delivery::Due.as_str() && !is_tried => Stage::Open,
        (_, Some(_)) if is_decided => Stage::Done,
        (status, None) if [Status::Escalated, Status::Expired].map(Status::as_str).contains(&status) => {
            Stage::Done
        }
        (status, None) if status == Status::Pending.as_str() => match record.event_name()? {
            OperationType::Insert => Stage::Open,
            // Returned to the rules: no record of it starts any work.
            _ => return None,
        },
        _ => return None,
    };
    Some((id, stage))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodbstreams::types::StreamRecord;

    use super::*;

    fn record(
        event: OperationType,
        id: &str,
        status: &str,
        delivery: Option<&str>,
        attempts: &str,
    ) -> Record {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let mut image = vec![
            (attribute::TASK_ID, text(id)),
            (attribute::STATUS, text(status)),
            (attribute::ATTEMPTS, AttributeValue::N(attempts.to_owned())),
        ];
        if let Some(delivery) = delivery {
            image.push((attribute::DELIVERY, text(delivery)));
            image.push((attribute::DECISION, AttributeValue::M([].into())));
        }
        let change = StreamRecord::builder()
            .set_new_image(Some(image.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()));
        Record::builder().event_name(event).dynamodb(change.build()).build()
    }

    fn new(id: &str) -> Record {
        record(OperationType::Insert, id, "PENDING", None, "0")
    }

    fn changed(id: &str, status: &str, delivery: Option<&str>, attempts: &str) -> Record {
        record(OperationType::Modify, id, status, delivery, attempts)
    }

    #[test]
    fn a_record_is_done_when_a_later_one_shows_it() {
        let page = [
            new("a"),
            new("b"),
            changed("a", "PENDING", Some("DUE"), "0"),
            changed("b", "ESCALATED", None, "0"),
            changed("a", "APPROVED", Some("DELIVERED"), "0"),
            new("c"),
        ];
        assert_eq!(superseded(&page), [true, true, true, false, false, false]);
    }

    /// The position must not pass a new task whose decision nobody has sent.
    #[test]
    fn a_decision_that_is_not_sent_supersedes_nothing() {
        let due = changed("a", "PENDING", Some("DUE"), "0");
        assert_eq!(superseded(&[new("a"), due.clone()]), [false, false]);
        assert_eq!(
            superseded(&[new("a"), due, changed("a", "PENDING", Some("DUE"), "1")]),
            [true, true, false]
        );
    }

    #[test]
    fn work_that_came_later_is_not_done_by_what_was_before() {
        let page =
            [new("a"), changed("a", "ESCALATED", None, "0"), changed("a", "ESCALATED", Some("DUE"), "0")];
        assert_eq!(superseded(&page), [true, false, false]);
    }

    #[test]
    fn an_image_that_is_no_task_shows_nothing() {
        let odd = [
            changed("a", "SETTLED", None, "0"),
            changed("a", "PENDING", None, "0"),
            Record::builder().event_name(OperationType::Remove).build(),
        ];
        let page: Vec<Record> = [new("a")].into_iter().chain(odd).collect();
        assert_eq!(superseded(&page), [false; 4]);
    }
}
