//! One conditional write, and the item it returns, whether or not its condition held.

use std::sync::atomic::Ordering;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use statemachine::task::{Task, attribute};
use statemachine::token::TaskId;

use crate::aws::attribute::{names, number, text};
use crate::aws::fault::Fault;
use crate::tasks::item;
use crate::tasks::table::{TableError, TaskTable, Written};

impl TaskTable {
    /// Defers an item that cannot be read as a task within its worklist. Nothing else in it changes.
    ///
    /// # Errors
    ///
    /// [`Fault`] when it is not known to be written.
    pub async fn put_off_damaged(&self, id: &TaskId, list: &str, next: Timestamp) -> Result<(), Fault> {
        let (set, condition) = ("SET #listAt = :at", "#list = :list");
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(attribute::TASK_ID, text(id.as_str()))
            .update_expression(set)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[set, condition])))
            .expression_attribute_values(":at", number(next.as_second()))
            .expression_attribute_values(":list", text(list));
        match request.send().await {
            Ok(_) => Ok(()),
            // It was repaired or deleted meanwhile.
            Err(error) if condition_failure(&error).is_some() => Ok(()),
            Err(error) => Err(Fault::of("UpdateItem", self.resource(), &error)),
        }
    }

    pub(in crate::tasks) async fn update(
        &self,
        id: &TaskId,
        set: &str,
        condition: &str,
        values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<Written, TableError> {
        let set = format!("{set}, #revision = #revision + :one");
        let mut request = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(attribute::TASK_ID, text(id.as_str()))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[&set, condition])))
            .update_expression(&set)
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (name, value) in values {
            request = request.expression_attribute_values(name, value);
        }
        let sent = request.send().await;
        if sent.as_ref().err().is_none_or(|error| condition_failure(error).is_some()) {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        match sent {
            Ok(answer) => {
                let item = answer
                    .attributes()
                    .ok_or_else(|| Fault::unreadable("UpdateItem", self.resource(), "the new item"))?;
                Ok(Written::Now(Box::new(Task::from_item(&item::from_table(item))?)))
            }
            Err(error) => match condition_failure(&error) {
                Some(failed) => match failed.item() {
                    Some(item) => Ok(Written::Otherwise(Box::new(Task::from_item(&item::from_table(item))?))),
                    None => Ok(Written::Gone),
                },
                None => Err(Fault::of("UpdateItem", self.resource(), &error).into()),
            },
        }
    }
}

fn condition_failure(error: &SdkError<UpdateItemError>) -> Option<&ConditionalCheckFailedException> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Some(failed),
        _ => None,
    }
}
