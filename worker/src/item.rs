//! Items as the SDKs give them, to items as the contract knows them, and back.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::types::AttributeValue as StreamValue;
use statemachine::item::{Item, Value};

/// An item of a table.
pub(crate) fn from_table(item: &HashMap<String, AttributeValue>) -> Item {
    item.iter().map(|(name, value)| (name.clone(), from_table_value(value))).collect()
}

fn from_table_value(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::Text(text.clone()),
        AttributeValue::N(digits) => Value::Number(digits.clone()),
        AttributeValue::M(map) => Value::Map(from_table(map)),
        _ => Value::Other,
    }
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
        _ => Value::Other,
    }
}

/// A map attribute to write.
pub(crate) fn to_map(item: &Item) -> AttributeValue {
    AttributeValue::M(item.iter().map(|(name, value)| (name.clone(), to_value(value))).collect())
}

fn to_value(value: &Value) -> AttributeValue {
    match value {
        Value::Text(text) => AttributeValue::S(text.clone()),
        Value::Number(digits) => AttributeValue::N(digits.clone()),
        Value::Map(map) => to_map(map),
        Value::Other => AttributeValue::Null(true),
    }
}
