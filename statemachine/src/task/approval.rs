//! The first of two approvals. It is no decision: the second person's is, on condition that this one is stored.

use crate::item::{self, Item, Malformed};
use crate::task::attribute;

/// The value of the attribute `approvals` where two people must approve.
pub const BOTH: i64 = 2;

/// What the first of two people said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstApproval {
    /// The person, in the form in which names are compared.
    pub subject: String,
    /// The person, as written.
    pub by: String,
    /// The words for the second person.
    pub reason: String,
    /// How the name is known, as a decision's code.
    pub code: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
}

const SUBJECT: &str = "subject";
const BY: &str = "by";
const REASON: &str = "reason";
const CODE: &str = "code";
const AT: &str = "at";

impl FirstApproval {
    /// The `firstApproval` attribute.
    pub fn to_item(&self) -> Item {
        let mut map = Item::new();
        for (name, text) in [
            (SUBJECT, &self.subject),
            (BY, &self.by),
            (REASON, &self.reason),
            (CODE, &self.code),
            (AT, &self.at),
        ] {
            item::put_text(&mut map, name, Some(text));
        }
        map
    }
}

/// Reads the first approval, if there is one.
pub(super) fn from_item(map: &Item) -> Result<Option<FirstApproval>, Malformed> {
    let Some(map) = item::optional_map(map, attribute::FIRST_APPROVAL)? else { return Ok(None) };
    Ok(Some(FirstApproval {
        subject: item::text(map, SUBJECT)?,
        by: item::text(map, BY)?,
        reason: item::text(map, REASON)?,
        code: item::text(map, CODE)?,
        at: item::text(map, AT)?,
    }))
}
