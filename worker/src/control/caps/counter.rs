//! The counter of a cap in the control table: one item for each cap and hour, written by conditional updates.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::Limit;
use crate::aws::attribute::{names, number, text};
use crate::aws::fault::Fault;
use crate::control::table::{ControlTable, PK, SK};

/// How long a counter is kept after its hour, in seconds.
const KEPT_SECONDS: i64 = 7 * 86_400;

/// The table's response to a reservation, with what the fleet has reserved since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserved {
    Yes(Decimal),
    /// It would exceed the cap.
    No(Decimal),
}

impl ControlTable {
    /// What the whole fleet has reserved of a cap, read consistently. Not all of it may be spent.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call fails.
    pub async fn reserved(&self, limit: &Limit) -> Result<Decimal, Fault> {
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PK, text("spend"))
            .key(SK, text(&limit.counter))
            .consistent_read(true);
        let answer = request.send().await.map_err(|error| Fault::of("GetItem", self.resource(), &error))?;
        answer.item().map_or(Ok(Decimal::ZERO), |item| self.used(item, "GetItem"))
    }

    /// Adds `chunk` to a counter if it stays within its cap.
    pub(super) async fn reserve(
        &self,
        limit: &Limit,
        chunk: Decimal,
        now: Timestamp,
    ) -> Result<Reserved, Fault> {
        let set = "SET #used = if_not_exists(#used, :zero) + :chunk, #expiresAt = :until";
        let condition = "attribute_not_exists(#used) OR #used <= :most";
        let decimal = |value: Decimal| AttributeValue::N(value.normalize().to_string());
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PK, text("spend"))
            .key(SK, text(&limit.counter))
            .update_expression(set)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[set, condition])))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":chunk", decimal(chunk))
            .expression_attribute_values(":most", decimal(limit.most - chunk))
            .expression_attribute_values(":until", number(now.as_second() + KEPT_SECONDS))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.send().await {
            // If a response is lost, the SDK's retry reserves twice: a little below the cap, never above.
            Ok(answer) => answer
                .attributes()
                .ok_or_else(|| Fault::unreadable("UpdateItem", self.resource(), "the new item"))
                .and_then(|item| self.used(item, "UpdateItem"))
                .map(Reserved::Yes),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => failed
                    .item()
                    .map_or(Ok(limit.most), |item| self.used(item, "UpdateItem"))
                    .map(Reserved::No),
                _ => Err(Fault::of("UpdateItem", self.resource(), &error)),
            },
        }
    }

    /// A counter's sum, rounded if the table has more digits than a [`Decimal`]: for display, never for arithmetic.
    fn used(
        &self,
        item: &HashMap<String, AttributeValue>,
        operation: &'static str,
    ) -> Result<Decimal, Fault> {
        let used = item.get("used").and_then(|used| used.as_n().ok());
        let used = used.and_then(|text| text.parse().or_else(|_| Decimal::from_scientific(text)).ok());
        used.ok_or_else(|| Fault::unreadable(operation, self.resource(), "a readable counter"))
    }
}
