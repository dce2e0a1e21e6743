//! Published rulesets: immutable, stored and found by their SHA-256.
//!
//! A ruleset is stored before it becomes active (`change`), and is never removed: the ruleset of any moment can always
//! be found and run again.

mod change;

use std::collections::BTreeMap;

use jiff::Timestamp;
use rules::{Files, Refused, Ruleset};
use statemachine::format::Newer;

use crate::aws::attribute::{check_format, number, number_of, text, text_of};
use crate::aws::fault::Fault;
use crate::clock;
use crate::control::item::ControlError;
use crate::control::table::{ControlTable, SK};

pub use crate::control::history::{Event, Line};

/// The longest text of one stored part, in bytes: an item of DynamoDB ends at 400 KB.
const PART_BYTES: usize = 300_000;
/// The largest ruleset that is stored, in parts: 6 MB.
const MOST_PARTS: usize = 20;

const SETS: &str = "ruleset";
const PARTS: &str = "ruleset-part";

/// Who makes a change, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The person.
    pub by: String,
    /// In the person's words.
    pub message: String,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The call failed; nothing was changed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It is unknown whether the table made the change: it may still take effect.
    #[error(
        "the change may have been made ({0}); look at `countersign automation show` and `countersign rules history`"
    )]
    MayStand(#[source] Fault),
    /// The control item was edited or deleted by hand, or a newer version wrote it.
    #[error(transparent)]
    Unreadable(ControlError),
    /// Another change came first.
    #[error(
        "someone else changed the control item at the same time; look at `countersign rules history` and try again"
    )]
    Raced,
    /// No ruleset with this SHA-256 was published.
    #[error("no published ruleset begins with {0:?}; `countersign rules history` lists them")]
    Unknown(String),
    /// More than one does.
    #[error("several published rulesets begin with {0:?}; give more digits of the SHA-256")]
    Ambiguous(String),
    /// Nothing to go back to.
    #[error("there is no earlier ruleset to roll back to")]
    NoEarlier,
    /// The ruleset is larger than can be stored.
    #[error("the ruleset has {bytes} bytes as JSON; at most {} are stored", PART_BYTES * MOST_PARTS)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The stored content does not match its SHA-256.
    #[error("the stored ruleset {sha256} is damaged: {reason}")]
    Damaged {
        /// Its SHA-256.
        sha256: String,
        /// What is wrong.
        reason: String,
    },
    /// A newer version stored the ruleset.
    #[error("the stored ruleset {sha256}: {newer}")]
    Newer {
        /// Its SHA-256.
        sha256: String,
        /// Its format.
        newer: Newer,
    },
    /// The stored ruleset does not compile on this engine.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl From<ControlError> for StoreError {
    fn from(error: ControlError) -> StoreError {
        match error {
            ControlError::Fault(fault) => StoreError::Fault(fault),
            ControlError::Unreadable { .. } | ControlError::Newer { .. } | ControlError::Vanished => {
                StoreError::Unreadable(error)
            }
        }
    }
}

impl ControlTable {
    /// Stores a compiled ruleset under its SHA-256; a ruleset that is already stored stays as it is.
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
        // The head is written last: a ruleset with a head is complete.
        let fields = [
            ("name", text(ruleset.name())),
            ("by", text(&author.by)),
            ("message", text(&author.message)),
            ("at", text(&clock::text(now))),
            ("parts", number(i64::try_from(parts.len()).unwrap_or(i64::MAX))),
        ];
        Ok(self.put_once(SETS, sha256, fields).await?)
    }

    /// Reads a published ruleset and compiles it; its content must have the SHA-256 it is stored under.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not there, damaged, stored by a newer version, or does not compile on this engine.
    pub async fn load_ruleset(&self, sha256: &str) -> Result<Ruleset, StoreError> {
        let damaged =
            |reason: &str| StoreError::Damaged { sha256: sha256.to_owned(), reason: reason.to_owned() };
        let head = self.get(SETS, sha256).await?.ok_or_else(|| StoreError::Unknown(sha256.to_owned()))?;
        check_format(&head).map_err(|newer| StoreError::Newer { sha256: sha256.to_owned(), newer })?;
        let parts = number_of(&head, "parts").ok_or_else(|| damaged("no count of parts"))?;
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

    /// The full SHA-256 of the published ruleset that begins with `prefix`.
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
}

/// Splits a text into parts of at most [`PART_BYTES`], between characters.
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
}
