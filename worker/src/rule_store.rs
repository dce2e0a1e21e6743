//! Published rulesets: immutable, by their SHA-256, and the history of what decided when.
//!
//! A set is stored before the pointer moves, and the pointer moves on condition of the control item's revision, with
//! its line of history in the same transaction: what decided at any moment can always be told, and run again.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use jiff::Timestamp;
use rules::{Files, Refused, Ruleset};
use serde::{Deserialize, Serialize};

use crate::aws::Fault;
use crate::clock;
use crate::control::{Control, ITEM, Paused};
use crate::control_table::{ControlTable, PK, SK, text_of};
use crate::task_table::{names, number, text};

/// The longest text of one stored part, in bytes: an item of DynamoDB ends at 400 KB.
const PART_BYTES: usize = 300_000;
/// The largest set that is stored, in parts: 6 MB.
const MOST_PARTS: usize = 20;

const SETS: &str = "ruleset";
const PARTS: &str = "ruleset-part";
const HISTORY: &str = "history";

/// Who changes what the fleet obeys, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The person.
    pub by: String,
    /// In the person's words.
    pub message: String,
}

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

/// What keeps a change from being made.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The table did not answer; whether it was applied is unknown.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Another change came first.
    #[error(
        "someone else changed the control item at the same time; look at `countersign rules history` and try again"
    )]
    Raced,
    /// No set of this SHA-256 was published.
    #[error("no published ruleset begins with {0:?}; `countersign rules history` lists them")]
    Unknown(String),
    /// More than one does.
    #[error("several published rulesets begin with {0:?}; give more of the SHA-256")]
    Ambiguous(String),
    /// Nothing to go back to.
    #[error("there is no earlier ruleset to roll back to")]
    NoEarlier,
    /// The set is larger than can be stored.
    #[error("the ruleset has {bytes} bytes as JSON; at most {} are stored", PART_BYTES * MOST_PARTS)]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// What is stored is not what its name says.
    #[error("the stored ruleset {sha256} is damaged: {reason}")]
    Damaged {
        /// Its name.
        sha256: String,
        /// What is wrong.
        reason: String,
    },
    /// The stored set does not compile on this engine.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl ControlTable {
    /// Stores a compiled set under its SHA-256; a set that is there already stays as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is too large, or not known to be stored.
    ///
    /// # Panics
    ///
    /// Never: texts always serialise.
    pub async fn store_ruleset(
        &self,
        ruleset: &Ruleset,
        author: &Author,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let files: BTreeMap<&String, std::borrow::Cow<'_, str>> =
            ruleset.files().iter().map(|(path, content)| (path, String::from_utf8_lossy(content))).collect();
        let json = serde_json::to_string(&files).expect("texts always serialise");
        let parts = split(&json);
        if parts.len() > MOST_PARTS {
            return Err(StoreError::TooLarge { bytes: json.len() });
        }
        let sha256 = ruleset.sha256();
        for (n, part) in parts.iter().enumerate() {
            self.put_once(PARTS, &format!("{sha256}#{n:03}"), [("json", text(part))]).await?;
        }
        // The head comes last: a set with a head is whole.
        let fields = [
            ("name", text(ruleset.name())),
            ("by", text(&author.by)),
            ("message", text(&author.message)),
            ("at", text(&clock::text(now))),
            ("parts", number(i64::try_from(parts.len()).unwrap_or(i64::MAX))),
        ];
        Ok(self.put_once(SETS, sha256, fields).await?)
    }

    /// Reads a published set and compiles it; its content must have the SHA-256 it is stored under.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not there, damaged, or does not compile on this engine.
    pub async fn load_ruleset(&self, sha256: &str) -> Result<Ruleset, StoreError> {
        let damaged =
            |reason: &str| StoreError::Damaged { sha256: sha256.to_owned(), reason: reason.to_owned() };
        let head = self.get(SETS, sha256).await?.ok_or_else(|| StoreError::Unknown(sha256.to_owned()))?;
        let parts =
            crate::control_table::number_of(&head, "parts").ok_or_else(|| damaged("no count of parts"))?;
        let mut json = String::new();
        for n in 0..parts {
            let part = self.get(PARTS, &format!("{sha256}#{n:03}")).await?;
            let part = part.and_then(|item| text_of(&item, "json"));
            json.push_str(&part.ok_or_else(|| damaged("a part is missing"))?);
        }
        let files: BTreeMap<String, String> =
            serde_json::from_str(&json).map_err(|_| damaged("its parts are not JSON"))?;
        let files: Files = files.into_iter().map(|(path, content)| (path, content.into_bytes())).collect();
        let ruleset = Ruleset::from_files(files)?;
        if ruleset.sha256() != sha256 {
            return Err(damaged("its content has another SHA-256"));
        }
        Ok(ruleset)
    }

    /// The full SHA-256 of the published set that begins with `prefix`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] or [`StoreError::Ambiguous`].
    pub async fn find_ruleset(&self, prefix: &str) -> Result<String, StoreError> {
        let all = self.query(SETS).await?;
        let mut found = all.iter().filter_map(|item| text_of(item, SK)).filter(|sha| sha.starts_with(prefix));
        match (found.next(), found.next()) {
            (Some(sha256), None) => Ok(sha256),
            (None, _) => Err(StoreError::Unknown(prefix.to_owned())),
            (Some(_), Some(_)) => Err(StoreError::Ambiguous(prefix.to_owned())),
        }
    }

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
        let active = self.control().await?.active;
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
    ) -> Result<Control, StoreError> {
        let before = self.control().await?;
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

    async fn write_change(&self, before: &Control, after: &Control, line: &Line) -> Result<(), StoreError> {
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
                _ => Err(Fault::of("TransactWriteItems", &error).into()),
            },
        }
    }

    async fn get(
        &self,
        partition: &str,
        key: &str,
    ) -> Result<Option<HashMap<String, AttributeValue>>, Fault> {
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(item_key(partition, key)))
            .consistent_read(true);
        Ok(request.send().await.map_err(|error| Fault::of("GetItem", &error))?.item)
    }

    /// Puts an item unless it is there.
    async fn put_once<const N: usize>(
        &self,
        partition: &str,
        key: &str,
        fields: [(&str, AttributeValue); N],
    ) -> Result<(), Fault> {
        let mut item = item_key(partition, key);
        item.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)");
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(Fault::of("PutItem", &error)),
            },
        }
    }
}

fn control_update(after: &Control) -> (String, HashMap<String, AttributeValue>) {
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

fn item_key(partition: &str, key: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([(PK.to_owned(), text(partition)), (SK.to_owned(), text(key))])
}

/// Cuts a text into parts of at most [`PART_BYTES`], between characters.
fn split(mut json: &str) -> Vec<&str> {
    let mut parts = vec![];
    while !json.is_empty() {
        let mut end = json.len().min(PART_BYTES);
        while !json.is_char_boundary(end) {
            end -= 1;
        }
        let (part, rest) = json.split_at(end);
        parts.push(part);
        json = rest;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_whole_again() {
        let json = "ä".repeat(PART_BYTES);
        let parts = split(&json);
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|part| part.len() <= PART_BYTES));
        assert_eq!(parts.concat(), json);
        assert!(split("").is_empty());
    }

    #[test]
    fn a_control_item_sets_what_is_there_and_removes_what_is_not() {
        let control = Control { revision: 4, active: Some("aa".to_owned()), shadow: None, paused: None };
        let (expression, values) = control_update(&control);
        assert_eq!(expression, "SET #revision = :revision, #active = :active REMOVE #shadow, #paused");
        assert_eq!(values.len(), 2);
    }
}
