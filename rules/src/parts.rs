//! The named parts of a ruleset, so that what an edit removed is reported before it decides.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cases::file::Tests;
use crate::files::Kind;
use crate::header::Mode;
use crate::ruleset::Ruleset;

/// What kind of thing a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// A rule that takes part in decisions.
    Rule,
    /// A list.
    List,
    /// A file of parameters.
    Params,
    /// The schema.
    Schema,
    /// An hourly cap.
    Cap,
    /// A case, a row of a table, or a condition that must never hold.
    Test,
}

impl PartKind {
    /// Every kind.
    pub const ALL: [PartKind; 6] =
        [PartKind::Rule, PartKind::List, PartKind::Params, PartKind::Schema, PartKind::Cap, PartKind::Test];

    /// The word for it, also a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            PartKind::Rule => "rule",
            PartKind::List => "list",
            PartKind::Params => "params",
            PartKind::Schema => "schema",
            PartKind::Cap => "cap",
            PartKind::Test => "test",
        }
    }
}

/// One part of a ruleset. A ruleset that lacks a part that another has may decide what that one did not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Its name: a rule's id, a list's file name without suffix, a test's file and name.
    pub name: String,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

impl Ruleset {
    /// Everything that this ruleset has. A rule that is off, in shadow or for audit only is not among it.
    pub fn parts(&self) -> BTreeSet<Part> {
        let part = |kind: PartKind, name: &str| Part { kind, name: name.to_owned() };
        let active = self.rules.iter().filter(|rule| rule.header.mode == Mode::Active);
        let mut parts: BTreeSet<Part> = active.map(|rule| part(PartKind::Rule, &rule.header.id)).collect();
        for path in self.files.keys() {
            let stem = path.rsplit('/').next().unwrap_or(path).split('.').next().unwrap_or_default();
            match Kind::of(path) {
                Some(Kind::List) => drop(parts.insert(part(PartKind::List, stem))),
                Some(Kind::Params) => drop(parts.insert(part(PartKind::Params, stem))),
                Some(Kind::Schema) => drop(parts.insert(part(PartKind::Schema, stem))),
                Some(Kind::Settings | Kind::Rule | Kind::Tests) | None => {}
            }
        }
        let budget = &self.settings.budget;
        let caps = [
            (budget.approvals_per_hour.is_some(), "approvals_per_hour"),
            (budget.amount_per_hour.is_some(), "amount_per_hour"),
            (self.settings.second.is_some(), "second_from"),
        ];
        parts.extend(
            caps.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| part(PartKind::Cap, name)),
        );
        parts.extend(Tests::of(self).names().map(|name| Part { kind: PartKind::Test, name }));
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_edit_takes_away_is_named() {
        let set = |entries: &[(&str, &str)]| {
            let files = entries.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
            Ruleset::from_files(files.collect()).unwrap()
        };
        let tests = "[[case]]\nname = \"c\"\nexpect = \"approve\"\n\n[[table]]\nname = \"t\"\n\
                     columns = [\"a\", \"expect\"]\nrows = [[1, \"approve\"], [2, \"approve\"]]\n";
        let rule =
            "//! id: stop\nif order.a in lists.x || order.a > limits.most { reject(\"stop\", \"no\"); }";
        let all = [
            ("rules/a.rhai", rule),
            ("rules/b.rhai", "approve(\"b\");"),
            ("lists/x.txt", "1"),
            ("params/limits.toml", "most = 5"),
            ("ruleset.toml", "[budget]\napprovals_per_hour = 5"),
            ("tests/t.toml", tests),
        ];
        let before = set(&all).parts();
        let lacks = |edits: &[(&str, &str)]| -> Vec<String> {
            let mut entries: Vec<_> = all.to_vec();
            for (path, text) in edits {
                entries.retain(|(other, _)| other != path);
                if !text.is_empty() {
                    entries.push((path, text));
                }
            }
            before.difference(&set(&entries).parts()).map(ToString::to_string).collect()
        };
        assert_eq!(lacks(&[]), [""; 0]);
        let without = "if order.a > limits.most { reject(\"stop\", \"no\"); }";
        assert_eq!(
            lacks(&[("rules/a.rhai", &format!("//! id: stop\n{without}")), ("lists/x.txt", "")]),
            ["list x"]
        );
        assert_eq!(lacks(&[("rules/a.rhai", &format!("//! mode: shadow\n{rule}"))]), ["rule stop"]);
        assert_eq!(lacks(&[("rules/b.rhai", "")]), ["rule b"]);
        assert_eq!(lacks(&[("ruleset.toml", "")]), ["cap approvals_per_hour"]);
        let fewer = tests.replace(", [2, \"approve\"]", "").replace("name = \"c\"", "name = \"d\"");
        assert_eq!(
            lacks(&[("tests/t.toml", &fewer)]),
            ["test tests/t.toml: c", "test tests/t.toml: t, row 2"]
        );
        assert_eq!(lacks(&[("tests/t.toml", "")]).len(), 3);
    }
}
