//! Why the rules left a task to a person.

use serde::{Deserialize, Serialize};

use crate::item::{self, Item, Malformed};

/// Why the rules left a task to a person. Stored as the `escalation` attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// A stable kebab-case name: a rule's own code, or a cause such as `no-rule-approved` or `rule-error`.
    pub code: String,
    /// The words for people.
    pub reason: String,
    /// The rule that asked for a person, when one did.
    pub rule: Option<String>,
    /// The ruleset's SHA-256, when one was asked.
    pub ruleset: Option<String>,
    /// When, RFC 3339 in UTC.
    pub at: String,
}

impl Escalation {
    /// The `escalation` attribute.
    pub fn to_item(&self) -> Item {
        let mut map = Item::new();
        for (name, text) in [
            ("code", Some(self.code.as_str())),
            ("reason", Some(&self.reason)),
            ("rule", self.rule.as_deref()),
            ("ruleset", self.ruleset.as_deref()),
            ("at", Some(&self.at)),
        ] {
            item::put_text(&mut map, name, text);
        }
        map
    }

    /// Reads the `escalation` attribute.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when a field is missing or of another type.
    pub fn from_item(map: &Item) -> Result<Escalation, Malformed> {
        Ok(Escalation {
            code: item::text(map, "code")?,
            reason: item::text(map, "reason")?,
            rule: item::optional_text(map, "rule")?,
            ruleset: item::optional_text(map, "ruleset")?,
            at: item::text(map, "at")?,
        })
    }
}
