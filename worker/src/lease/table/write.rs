//! The conditional writes of leases; one that failed on its condition answers with the current lease.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem, Update,
};

use crate::aws::attribute::names;
use crate::aws::fault::Fault;
use crate::lease::plan::{Lease, Subject};
use crate::lease::table::LeaseTable;
use crate::lease::table::item::{key, read_lease};

impl LeaseTable {
    pub(super) fn transact_update(
        &self,
        subject: &Subject,
        set: &str,
        condition: Option<&str>,
        values: Vec<(&'static str, AttributeValue)>,
    ) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.control_table.name)
            .set_key(Some(key(subject)))
            .update_expression(set)
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_names(Some(names(&[set, condition.unwrap_or_default()])))
            .set_expression_attribute_values(Some(to_map(values)))
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .build()
            .expect("table, key and expression are set");
        TransactWriteItem::builder().update(update).build()
    }

    pub(super) async fn update(
        &self,
        subject: &Subject,
        set: &str,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Applied, Fault> {
        let values = to_map(values);
        let request = self
            .control_table
            .client
            .update_item()
            .table_name(&self.control_table.name)
            .set_key(Some(key(subject)))
            .update_expression(set)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[set, condition])))
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        match request.send().await {
            Ok(_) => Ok(Applied::Now),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Applied::Otherwise(failed.item().and_then(read_lease).map(Box::new)))
                }
                _ => Err(Fault::of("UpdateItem", self.control_table.resource(), &error)),
            },
        }
    }
}

pub(super) enum Applied {
    Now,
    /// The condition failed; the current item.
    Otherwise(Option<Box<Lease>>),
}

fn to_map(
    values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
) -> HashMap<String, AttributeValue> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The first item's state when the transaction failed on its condition; none when it failed otherwise.
pub(super) fn canceled_by_condition(error: &SdkError<TransactWriteItemsError>) -> Option<Option<Lease>> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(canceled) => {
            let first = canceled.cancellation_reasons().first()?;
            (first.code() == Some("ConditionalCheckFailed")).then(|| first.item().and_then(read_lease))
        }
        _ => None,
    }
}
