//! From a stream record to the work it requires, or to a counted reason to skip it.

use aws_sdk_dynamodbstreams::types::{OperationType, Record};
use statemachine::item::{Item, Malformed, Value};
use statemachine::status::{Delivery, State};
use statemachine::task::{Task, attribute};
use statemachine::token::TaskId;

use crate::tasks::handled::Handled;
use crate::tasks::item;

/// What a record requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A new task: evaluate the rules.
    Decide(Box<Task>),
    /// A decision that was just stored: deliver it, unless the process that stored it already does.
    Deliver(Box<Task>),
    /// Nothing.
    Skip(Handled),
    /// The image has the key of a task but is not one: the item was edited by hand. The current item is read.
    Damaged(TaskId),
    /// The image is not a task.
    Poison(Malformed),
}

/// Returns what a record requires.
///
/// A deferred decision is left to the sweeper: each deferral is a write, and so a record, which must not start the
/// delivery from the stream again.
pub fn work(record: &Record) -> Work {
    let image = record.dynamodb().and_then(|change| change.new_image());
    let image = match (record.event_name(), image) {
        (Some(OperationType::Insert | OperationType::Modify), Some(image)) => item::from_stream(image),
        (Some(OperationType::Remove), _) => return Work::Skip(Handled::Removal),
        (Some(OperationType::Insert | OperationType::Modify), None) => {
            return Work::Poison(Malformed::Missing("NewImage"));
        }
        (_, _) => return Work::Poison(Malformed::Not("eventName", "INSERT, MODIFY or REMOVE")),
    };
    let task = match Task::from_item(&image) {
        Ok(task) => task,
        Err(malformed) => return not_a_task(&image, malformed),
    };
    let is_new = record.event_name() == Some(&OperationType::Insert);
    if is_new && task.state() == State::NEW {
        Work::Decide(Box::new(task))
    } else if task.delivery == Some(Delivery::Due) && task.attempts == 0 {
        Work::Deliver(Box::new(task))
    } else {
        Work::Skip(Handled::OwnWrite)
    }
}

fn not_a_task(image: &Item, malformed: Malformed) -> Work {
    let id = match image.get(attribute::TASK_ID) {
        Some(Value::Text(id)) => TaskId::parse(id).ok(),
        Some(_) | None => None,
    };
    id.map_or(Work::Poison(malformed), Work::Damaged)
}
