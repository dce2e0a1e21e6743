//! A change of the control item, with a condition on the item's revision and with its line of history in the same
//! transaction.
//!
//! It writes only the attribute that it changes, so that a pause is possible even if other attributes were edited by
//! hand. A deleted item is recreated from its history.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use jiff::Timestamp;

use crate::aws::attribute::{names, number, text, text_of};
use crate::aws::fault::Fault;
use crate::clock;
use crate::control::history::{Event, HISTORY, Line, line_key};
use crate::control::item::{
    Attributes, ControlError, ControlItem, ITEM, check_control_format, read_revision, read_rulesets,
};
use crate::control::rule_store::{Author, StoreError};
use crate::control::table::{ControlTable, item_key};

/// How often a change is retried when other changes come first: a person who wants to stop everything must not have to
/// try again because of a publication at the same moment.
const TRIES: usize = 5;

/// The state before a change.
struct Before {
    item: Option<Attributes>,
    /// If there is no item, every line; otherwise only the last revision.
    lines: Vec<Line>,
    last_revision: i64,
}

impl ControlTable {
    /// The ruleset that was active before the current one.
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

    /// Makes one change of the control item, and returns its line of history. If another change is made at the same
    /// time, this one is applied after it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Raced`] when other changes came first each time, [`StoreError::MayStand`] when it is unknown
    /// whether it was made, [`StoreError::Unreadable`] when rules would decide by an item that was edited by hand, or a
    /// newer version wrote it; after any other error nothing was changed.
    pub async fn change(
        &self,
        event: Event,
        ruleset: Option<&str>,
        author: &Author,
        now: Timestamp,
    ) -> Result<Line, StoreError> {
        for _ in 0..TRIES {
            let before = self.before().await?;
            if let Some(item) = &before.item {
                // Also for a pause: this version does not know what its write would mean there.
                check_control_format(item)?;
            }
            if let (Event::Resume, Some(item)) = (event, &before.item) {
                read_rulesets(item)?;
            }
            let line = Line {
                at: clock::text(now),
                event,
                by: author.by.clone(),
                message: author.message.clone(),
                ruleset: ruleset.map(str::to_owned),
                before: before.active(),
                revision: before.last_revision.max(before.revision().unwrap_or(0)) + 1,
            };
            if self.write_change(&before, &line).await? {
                return Ok(line);
            }
        }
        Err(StoreError::Raced)
    }

    async fn before(&self) -> Result<Before, ControlError> {
        let item = self.control_attributes().await?;
        let lines = if item.is_none() { self.history().await? } else { vec![] };
        let last_revision = self.last_revision().await?.unwrap_or(0);
        Ok(Before { item, lines, last_revision })
    }

    /// Writes a change; false when the item changed since it was read.
    async fn write_change(&self, before: &Before, line: &Line) -> Result<bool, StoreError> {
        let (set, mut values) = before.update(line);
        let condition = before.condition(&mut values);
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
        let mut item = item_key(HISTORY, &line_key(line.revision));
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
        let Err(error) = request.send().await else { return Ok(true) };
        let is_refused = matches!(
            error.as_service_error(),
            Some(TransactWriteItemsError::TransactionCanceledException(_))
        );
        // The SDK retries a transaction whose response was lost: the stored line may be this one.
        match self.line(line.revision).await {
            Ok(Some(stands)) => Ok(stands == *line),
            Ok(None) if is_refused => Ok(false),
            Ok(None) | Err(_) => {
                Err(StoreError::MayStand(Fault::of("TransactWriteItems", self.resource(), &error)))
            }
        }
    }
}

impl Before {
    fn revision(&self) -> Option<i64> {
        self.item.as_ref().and_then(read_revision)
    }

    fn active(&self) -> Option<String> {
        match &self.item {
            Some(item) => text_of(item, "active"),
            None => self.replayed().active,
        }
    }

    /// The item according to its history.
    fn replayed(&self) -> ControlItem {
        let mut item = ControlItem::default();
        self.lines.iter().for_each(|line| line.change(&mut item));
        item
    }

    /// The condition that the item has not changed since it was read, even if its revision was edited by hand.
    fn condition(&self, values: &mut HashMap<String, AttributeValue>) -> &'static str {
        match &self.item {
            None => "attribute_not_exists(#pk)",
            Some(item) => match item.get("revision") {
                None => "attribute_exists(#pk) AND attribute_not_exists(#revision)",
                Some(revision) => {
                    values.insert(":before".to_owned(), revision.clone());
                    "#revision = :before"
                }
            },
        }
    }

    /// Sets the attribute that the line changes; for a missing item, everything in its history.
    fn update(&self, line: &Line) -> (String, HashMap<String, AttributeValue>) {
        let mut after = self.replayed();
        line.change(&mut after);
        let written: &[&str] = match (&self.item, line.event) {
            (None, _) => &["active", "shadow", "paused"],
            (Some(_), Event::Publish | Event::Rollback) => &["active"],
            (Some(_), Event::Shadow | Event::Unshadow) => &["shadow"],
            (Some(_), Event::Pause | Event::Resume) => &["paused"],
        };
        let paused = after
            .paused
            .as_ref()
            .map(|paused| serde_json::to_string(paused).expect("texts always serialise"));
        let all = [("active", &after.active), ("shadow", &after.shadow), ("paused", &paused)];
        let mut set = "SET #revision = :revision".to_owned();
        let mut remove = vec![];
        let mut values = HashMap::from([(":revision".to_owned(), number(line.revision))]);
        for (name, value) in all.into_iter().filter(|(name, _)| written.contains(name)) {
            match value {
                Some(value) => {
                    set.push_str(&format!(", #{name} = :{name}"));
                    values.insert(format!(":{name}"), text(value));
                }
                None => remove.push(format!("#{name}")),
            }
        }
        if !remove.is_empty() {
            set.push_str(&format!(" REMOVE {}", remove.join(", ")));
        }
        (set, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(revision: i64, event: Event, ruleset: Option<&str>) -> Line {
        Line {
            at: "t".to_owned(),
            event,
            by: "ada".to_owned(),
            message: "m".to_owned(),
            ruleset: ruleset.map(str::to_owned),
            before: None,
            revision,
        }
    }

    #[test]
    fn a_change_writes_what_it_is_about_and_nothing_else() {
        let item = Attributes::from([("active".to_owned(), number(7))]);
        let before = Before { item: Some(item), lines: vec![], last_revision: 3 };
        let (set, values) = before.update(&line(4, Event::Resume, None));
        assert_eq!((set.as_str(), values.len()), ("SET #revision = :revision REMOVE #paused", 1));
        let (set, values) = before.update(&line(4, Event::Publish, Some("bb")));
        assert_eq!((set.as_str(), values.len()), ("SET #revision = :revision, #active = :active", 2));
        let mut values = HashMap::new();
        let condition = before.condition(&mut values);
        assert_eq!(condition, "attribute_exists(#pk) AND attribute_not_exists(#revision)");
    }

    #[test]
    fn an_item_that_is_gone_is_made_again_from_its_history() {
        let lines = vec![line(1, Event::Publish, Some("aa")), line(2, Event::Pause, None)];
        let before = Before { item: None, lines, last_revision: 2 };
        let (set, values) = before.update(&line(3, Event::Resume, None));
        assert_eq!(set, "SET #revision = :revision, #active = :active REMOVE #shadow, #paused");
        assert_eq!(values[":active"], text("aa"));
        let (set, values) = before.update(&line(3, Event::Shadow, Some("cc")));
        assert_eq!(set, "SET #revision = :revision, #active = :active, #shadow = :shadow, #paused = :paused");
        assert!(values[":paused"].as_s().unwrap().contains("ada"));
    }
}
