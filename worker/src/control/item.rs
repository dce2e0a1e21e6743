//! The stored control item: the active ruleset, the shadow ruleset, and whether automatic decisions are paused.
//!
//! Only valid attributes are obeyed. An absent attribute has a meaning. One of the wrong type, or a pause that cannot
//! be read, has none and must not look absent: that would undo a pause.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use statemachine::format::Newer;
use utoipa::ToSchema;

use crate::aws::attribute::check_format;
use crate::aws::fault::Fault;

/// The partition and sort key of the item.
pub(crate) const ITEM: &str = "control";
/// The greatest revision: the sort keys of the history have ten digits.
const MOST_REVISIONS: i64 = 9_999_999_999;

/// The item's attributes as DynamoDB has them.
pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// The control item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlItem {
    /// +1 with each write; every change has a condition on it. 0 if there never was an item.
    pub revision: i64,
    /// The active published ruleset, by SHA-256; none before the first publication.
    pub active: Option<String>,
    /// The published shadow ruleset.
    pub shadow: Option<String>,
    /// Why automatic decisions are paused, if they are.
    pub paused: Option<Paused>,
}

/// A pause of all automatic decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Paused {
    /// Why, in that person's words.
    pub reason: String,
    /// Who paused them.
    pub by: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
}

/// Why the control item cannot be obeyed: no rule may decide.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The call failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The item was edited by hand.
    #[error("attribute {attribute} of the control item is not {expected}; run {remedy}")]
    Unreadable {
        /// Which attribute.
        attribute: &'static str,
        /// What it must be.
        expected: &'static str,
        /// The commands that rewrite it.
        remedy: &'static str,
    },
    /// A newer version wrote it.
    #[error("{what}: {newer}")]
    Newer {
        /// Which item.
        what: String,
        /// Its format.
        newer: Newer,
    },
    /// The item was deleted.
    #[error(
        "the control item was deleted; \
         run `countersign automation pause` or `resume` to recreate it from its history"
    )]
    Vanished,
}

impl ControlItem {
    /// Reads the stored item.
    ///
    /// # Errors
    ///
    /// [`ControlError::Unreadable`] names the first attribute that cannot be obeyed.
    pub(crate) fn read(item: &Attributes) -> Result<ControlItem, ControlError> {
        check_control_format(item)?;
        let (active, shadow) = read_rulesets(item)?;
        let unreadable = |attribute, expected| ControlError::Unreadable {
            attribute,
            expected,
            remedy: "`countersign automation pause` or `resume`",
        };
        let paused = match item.get("paused") {
            None => None,
            Some(AttributeValue::S(json)) => {
                Some(serde_json::from_str(json).map_err(|_| unreadable("paused", "a readable pause"))?)
            }
            Some(_) => return Err(unreadable("paused", "a readable pause")),
        };
        let revision = read_revision(item)
            .ok_or_else(|| unreadable("revision", "a whole number from 1 to 9999999999"))?;
        Ok(ControlItem { revision, active, shadow, paused })
    }
}

/// Checks that this version knows the control item's format.
pub(crate) fn check_control_format(item: &Attributes) -> Result<(), ControlError> {
    check_format(item).map_err(|newer| ControlError::Newer { what: "the control item".to_owned(), newer })
}

/// The active ruleset and the shadow.
pub(crate) fn read_rulesets(item: &Attributes) -> Result<(Option<String>, Option<String>), ControlError> {
    let ruleset = |attribute, remedy| match item.get(attribute) {
        None => Ok(None),
        Some(AttributeValue::S(sha256)) => Ok(Some(sha256.clone())),
        Some(_) => Err(ControlError::Unreadable { attribute, expected: "a text", remedy }),
    };
    Ok((
        ruleset("active", "`countersign rules publish` or `rollback`")?,
        ruleset("shadow", "`countersign rules publish --shadow` or `unshadow`")?,
    ))
}

/// The item's revision; none if it is not valid.
pub(crate) fn read_revision(item: &Attributes) -> Option<i64> {
    let revision = item.get("revision")?.as_n().ok()?.parse().ok()?;
    (1..=MOST_REVISIONS).contains(&revision).then_some(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSED: &str = r#"{"reason":"r","by":"ada","at":"t"}"#;

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn item(edits: &[(&str, AttributeValue)]) -> Attributes {
        let stored = [("revision", AttributeValue::N("3".to_owned())), ("active", text("aa"))];
        let all = stored.iter().chain(edits);
        all.map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn unreadable(edits: &[(&str, AttributeValue)]) -> &'static str {
        match ControlItem::read(&item(edits)) {
            Err(ControlError::Unreadable { attribute, .. }) => attribute,
            other => panic!("{edits:?}: {other:?}"),
        }
    }

    #[test]
    fn only_an_absent_pause_is_none() {
        assert_eq!(ControlItem::read(&item(&[])).unwrap().paused, None);
        let paused = ControlItem::read(&item(&[("paused", text(PAUSED))])).unwrap().paused;
        assert_eq!(paused.unwrap().by, "ada");
        let edits = [
            AttributeValue::M(HashMap::from([("reason".to_owned(), text("r"))])),
            AttributeValue::M(HashMap::new()),
            AttributeValue::L(vec![]),
            AttributeValue::Bool(true),
            AttributeValue::Bool(false),
            AttributeValue::Null(true),
            AttributeValue::N("1".to_owned()),
            AttributeValue::N("0".to_owned()),
            AttributeValue::Ss(vec!["x".to_owned()]),
            text(""),
            text("no"),
            text("false"),
            text("null"),
            text("{}"),
            text(r#"{"reason":"r"}"#),
        ];
        for edit in edits {
            assert_eq!(unreadable(&[("paused", edit)]), "paused");
        }
    }

    #[test]
    fn no_attribute_of_another_type_has_a_default() {
        for value in [AttributeValue::Null(true), AttributeValue::N("1".to_owned())] {
            assert_eq!(unreadable(&[("active", value.clone())]), "active");
            assert_eq!(unreadable(&[("shadow", value)]), "shadow");
        }
        for revision in ["0", "-1", "1.5", "10000000000", "9223372036854775807"] {
            assert_eq!(unreadable(&[("revision", AttributeValue::N(revision.to_owned()))]), "revision");
        }
        assert_eq!(unreadable(&[("revision", text("3"))]), "revision");
    }
}
