//! The conditional put: a task is stored once, however often its message is delivered.
//!
//! When the table has an item under the task's id, that item tells a redelivery from another task that was sent with the
//! same token. What happened to the task since does not matter: only what its message said is compared.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure as OnFailure};
use statemachine::item::{Item, Value};
use statemachine::task::{Order, Task, attribute, differing};
use statemachine::token::TaskToken;

use crate::error::{Error, Reject, Retry};

/// The tasks table.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    table: String,
}

/// What a put found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// The task is new.
    New,
    /// The table has it already: an earlier delivery of the same message stored it, whatever happened to it since.
    Already,
}

impl Store {
    /// A store over one table.
    pub fn new(client: Client, table: impl Into<String>) -> Store {
        Store { client, table: table.into() }
    }

    /// Puts a task on the condition that the table does not have it.
    ///
    /// # Errors
    ///
    /// [`Error::Reject`] when the table has another task under the same token, or when DynamoDB refuses this very item;
    /// [`Error::Retry`] for anything else, a missing permission included: that is the function's fault, not the
    /// message's.
    pub async fn put(&self, task: &Task) -> Result<Stored, Error> {
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_attributes(task.to_item())))
            .condition_expression("attribute_not_exists(#id)")
            .expression_attribute_names("#id", attribute::TASK_ID)
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Stored::New),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => compare(task, failed.item()),
                _ => Err(classify(&error, &task.token)),
            },
        }
    }
}

/// Tells a redelivery of a stored task's message from another task with the same token.
fn compare(task: &Task, stored: Option<&HashMap<String, AttributeValue>>) -> Result<Stored, Error> {
    let stored = stored.ok_or(Retry::NothingToCompare)?;
    let item = to_attributes(task.to_item());
    let is_same = |name: &str| match name {
        // Another version may have stored the same order in another form.
        attribute::ORDER => Order::read(&order_alone(stored)).is_ok_and(|order| order == task.order),
        _ => item.get(name) == stored.get(name),
    };
    match differing(is_same) {
        None => Ok(Stored::Already),
        Some(differ) => Err(Reject::OtherTask { id: task.id.clone(), differ }.into()),
    }
}

/// The order of an item.
fn order_alone(item: &HashMap<String, AttributeValue>) -> Item {
    let value = match item.get(attribute::ORDER) {
        None => return Item::new(),
        Some(AttributeValue::S(text)) => Value::Text(text.clone()),
        Some(AttributeValue::B(bytes)) => Value::Bytes(bytes.as_ref().to_vec()),
        Some(_) => Value::Other,
    };
    Item::from([(attribute::ORDER.to_owned(), value)])
}

fn classify(error: &SdkError<PutItemError>, token: &TaskToken) -> Error {
    let Some(answer) = error.as_service_error() else {
        return Retry::Silent(hide(&DisplayErrorContext(error).to_string(), token)).into();
    };
    let code = answer.code().unwrap_or("an unnamed error").to_owned();
    let message = hide(answer.message().unwrap_or("no message"), token);
    // An item over 400 KB or a key that an index refuses. All else says nothing about the item.
    if code == "ValidationException" {
        return Reject::Refused { code, message }.into();
    }
    Retry::Answered { code, message }.into()
}

/// DynamoDB may quote the value it refuses.
fn hide(text: &str, token: &TaskToken) -> String {
    token.strike(text).into_owned()
}

fn to_attributes(item: Item) -> HashMap<String, AttributeValue> {
    item.into_iter().filter_map(|(name, value)| Some((name, to_attribute(value)?))).collect()
}

fn to_attribute(value: Value) -> Option<AttributeValue> {
    match value {
        Value::Text(text) => Some(AttributeValue::S(text)),
        Value::Number(digits) => Some(AttributeValue::N(digits)),
        Value::Map(map) => Some(AttributeValue::M(to_attributes(map))),
        Value::Bytes(bytes) => Some(AttributeValue::B(Blob::new(bytes))),
        // Only foreign items have such values; a task never makes one.
        Value::Other => None,
    }
}
