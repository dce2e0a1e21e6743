//! Converts items of the SDKs to items of the contract, and back.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::types::{AttributeValue as StreamValue, Record};
use jiff::Timestamp;
use statemachine::item::{Item, Value};
use statemachine::task::{Order, Task, attribute};
use statemachine::token::{TaskId, TaskToken};

/// An item of a table.
pub(crate) fn from_table(item: &HashMap<String, AttributeValue>) -> Item {
    item.iter().map(|(name, value)| (name.clone(), from_table_value(value))).collect()
}

fn from_table_value(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::Text(text.clone()),
        AttributeValue::N(digits) => Value::Number(digits.clone()),
        AttributeValue::M(map) => Value::Map(from_table(map)),
        AttributeValue::B(bytes) => Value::Bytes(bytes.as_ref().to_vec()),
        _ => Value::Other,
    }
}

/// When a task was decided; none if it is undecided, or if that time is unreadable.
pub(crate) fn decided_at(task: &Task) -> Option<Timestamp> {
    task.decision.as_ref()?.decided_at.parse().ok()
}

/// An image of a stream record.
pub(crate) fn from_stream(image: &HashMap<String, StreamValue>) -> Item {
    image.iter().map(|(name, value)| (name.clone(), from_stream_value(value))).collect()
}

fn from_stream_value(value: &StreamValue) -> Value {
    match value {
        StreamValue::S(text) => Value::Text(text.clone()),
        StreamValue::N(digits) => Value::Number(digits.clone()),
        StreamValue::M(map) => Value::Map(from_stream(map)),
        StreamValue::B(bytes) => Value::Bytes(bytes.as_ref().to_vec()),
        _ => Value::Other,
    }
}

/// The task whose change a record shows; none if its image names none.
pub(crate) fn task_id(record: &Record) -> Option<TaskId> {
    let image = record.dynamodb()?.new_image()?;
    TaskId::parse(image.get(attribute::TASK_ID)?.as_s().ok()?).ok()
}

/// A map attribute to write.
pub(crate) fn to_map(item: &Item) -> AttributeValue {
    AttributeValue::M(item.iter().map(|(name, value)| (name.clone(), to_value(value))).collect())
}

pub(super) fn to_value(value: &Value) -> AttributeValue {
    match value {
        Value::Text(text) => AttributeValue::S(text.clone()),
        Value::Number(digits) => AttributeValue::N(digits.clone()),
        Value::Map(map) => to_map(map),
        Value::Bytes(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
        Value::Other => AttributeValue::Null(true),
    }
}

/// A record's event and image as text, for a person to read, without the token.
pub(crate) fn hidden_record(record: &Record) -> String {
    let event = record.event_name().map(|event| event.as_str());
    let image = record.dynamodb().and_then(|change| change.new_image()).map(from_stream).unwrap_or_default();
    serde_json::json!({ "eventName": event, "newImage": hidden(image) }).to_string()
}

/// A task as text, for a person to read, without the token.
pub(crate) fn hidden_task(task: &Task) -> String {
    hidden_item(task.to_item())
}

/// An item of the tasks table as text, for a person to read, without the token.
pub(crate) fn hidden_item(item: Item) -> String {
    serde_json::json!({ "task": hidden(item) }).to_string()
}

/// The token is hidden wherever it occurs: only attributes that a task has, other than the token, are shown with their
/// values.
fn hidden(image: Item) -> serde_json::Map<String, serde_json::Value> {
    let shown = [
        attribute::TASK_ID,
        attribute::ORDER_ID,
        attribute::START_TIME,
        attribute::TRANSACTION_ID,
        attribute::STATUS,
        attribute::RECEIVED_AT,
        attribute::DEADLINE,
        attribute::REVISION,
        attribute::DELIVERY,
        attribute::ORDER,
    ];
    let token = text_of(&image, attribute::TASK_TOKEN).and_then(|token| TaskToken::new(token).ok());
    let id = text_of(&image, attribute::TASK_ID).and_then(|id| TaskId::parse(id).ok());
    let order = Order::read(&image).ok().flatten();
    let fields = image.into_iter().map(|(name, value)| {
        let text = match value {
            Value::Bytes(bytes) => match &order {
                Some(order) if name == attribute::ORDER => match &token {
                    Some(token) => token.strike_json(&order.text()).into_owned(),
                    None => order.text().into_owned(),
                },
                _ => format!("(hidden, {} bytes)", bytes.len()),
            },
            // Even without a readable token, the task's id, its hash, identifies the token in a text.
            Value::Text(text) if id.as_ref().is_some_and(|id| id.is_of(&text)) => {
                format!("(hidden, {} bytes)", text.len())
            }
            Value::Text(text) | Value::Number(text) if shown.contains(&name.as_str()) => match &token {
                Some(token) => token.strike_json(&text).into_owned(),
                None => text,
            },
            Value::Text(text) => format!("(hidden, {} bytes)", text.len()),
            Value::Number(_) => "(a number)".to_owned(),
            Value::Map(_) => "(a map)".to_owned(),
            Value::Other => "(another type)".to_owned(),
        };
        (name, serde_json::Value::String(text))
    });
    fields.collect()
}

fn text_of<'i>(image: &'i Item, name: &str) -> Option<&'i str> {
    match image.get(name) {
        Some(Value::Text(text)) => Some(text),
        Some(_) | None => None,
    }
}
