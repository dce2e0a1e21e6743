//! A change of what the fleet obeys: on condition of the control item's revision, and with its line of history in the
//! same transaction.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::aws::attribute::text_of;
use crate::aws::attribute::{names, number, text};
use crate::aws::fault::Fault;
use crate::clock;
use crate::control::gate::{ControlItem, ITEM, Paused};
use crate::control::rule_store::{Author, StoreError, item_key};
use crate::control::table::ControlTable;

const HISTORY: &str = "history";

/// What happened to the control item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// A set decides from now on.
    Publish,
    /// An earlier set decides again.
    Rollback,
    /// A set is tried beside the active one.
    Shadow,
    /// None is tried any more.
    Unshadow,
    /// No rule decides.
    Pause,
    /// Rules decide again.
    Resume,
}

/// One line of history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What.
    pub event: Event,
    /// Who.
    pub by: String,
    /// Why.
    pub message: String,
    /// The set it is about, by SHA-256.
    pub ruleset: Option<String>,
    /// The set that decided before, by SHA-256.
    pub before: Option<String>,
    /// The control item's revision after it.
    pub revision: i64,
}

impl ControlTable {
    /// Every change of the control item, oldest first.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the table does not answer.
    pub async fn history(&self) -> Result<Vec<Line>, Fault> {
        let items = self.query(HISTORY).await?;
        let lines = items.iter().filter_map(|item| serde_json::from_str(&text_of(item, "line")?).ok());
        Ok(lines.collect())
    }

    /// The set that decided before the active one.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoEarlier`] when there was none.
    pub async fn earlier_ruleset(&self) -> Result<String, StoreError> {
        let active = self.read_control_item().await?.active;
        let lines = self.history().await?;
        let decided =
            lines.iter().rev().filter(|line| matches!(line.event, Event::Publish | Event::Rollback));
        decided
            .filter(|line| line.ruleset == active)
            .find_map(|line| line.before.clone())
            .ok_or(StoreError::NoEarlier)
    }

    /// Makes one change of the control item, with its line of history, if nobody else did since it was read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Raced`] when someone did.
    pub async fn change(
        &self,
        event: Event,
        ruleset: Option<&str>,
        author: &Author,
        now: Timestamp,
    ) -> Result<ControlItem, StoreError> {
        let before = self.read_control_item().await?;
        let mut after = before.clone();
        after.revision += 1;
        let at = clock::text(now);
        match event {
            Event::Publish | Event::Rollback => after.active = ruleset.map(str::to_owned),
            Event::Shadow | Event::Unshadow => after.shadow = ruleset.map(str::to_owned),
            Event::Pause => {
                let (reason, by) = (author.message.clone(), author.by.clone());
                after.paused = Some(Paused { reason, by, at: at.clone() });
            }
            Event::Resume => after.paused = None,
        }
        let line = Line {
            at,
            event,
            by: author.by.clone(),
            message: author.message.clone(),
            ruleset: ruleset.map(str::to_owned),
            before: before.active.clone(),
            revision: after.revision,
        };
        self.write_change(&before, &after, &line).await?;
        Ok(after)
    }

    async fn write_change(
        &self,
        before: &ControlItem,
        after: &ControlItem,
        line: &Line,
    ) -> Result<(), StoreError> {
        let (set, mut values) = control_update(after);
        let condition = if before.revision == 0 {
            "attribute_not_exists(#pk)"
        } else {
            values.insert(":before".to_owned(), number(before.revision));
            "#revision = :before"
        };
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(item_key(ITEM, ITEM)))
            .update_expression(&set)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[&set, condition])))
            .set_expression_attribute_values(Some(values))
            .build()
            .expect("table, key and expression are set");
        let json = serde_json::to_string(line).expect("texts always serialise");
        let mut item = item_key(HISTORY, &format!("{:010}", line.revision));
        item.insert("line".to_owned(), text(&json));
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .expect("table and item are set");
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(update).build())
            .transact_items(TransactWriteItem::builder().put(put).build());
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(_)) => Err(StoreError::Raced),
                _ => Err(Fault::of("TransactWriteItems", self.resource(), &error).into()),
            },
        }
    }
}

fn control_update(after: &ControlItem) -> (String, HashMap<String, AttributeValue>) {
    let mut set = vec!["#revision = :revision".to_owned()];
    let mut remove = vec![];
    let mut values = HashMap::from([(":revision".to_owned(), number(after.revision))]);
    let paused =
        after.paused.as_ref().map(|paused| serde_json::to_string(paused).expect("texts always serialise"));
    for (name, value) in [("active", &after.active), ("shadow", &after.shadow), ("paused", &paused)] {
        match value {
            Some(value) => {
                set.push(format!("#{name} = :{name}"));
                values.insert(format!(":{name}"), text(value));
            }
            None => remove.push(format!("#{name}")),
        }
    }
    let mut expression = format!("SET {}", set.join(", "));
    if !remove.is_empty() {
        expression.push_str(&format!(" REMOVE {}", remove.join(", ")));
    }
    (expression, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_item_sets_what_is_there_and_removes_what_is_not() {
        let control = ControlItem { revision: 4, active: Some("aa".to_owned()), shadow: None, paused: None };
        let (expression, values) = control_update(&control);
        assert_eq!(expression, "SET #revision = :revision, #active = :active REMOVE #shadow, #paused");
        assert_eq!(values.len(), 2);
    }
}
