//! A proposal as files to paste: the rule, and its test cases. Compiled, checked and tested before anybody sees it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::table::Table;
use super::wanted::Wanted;
use super::{change, examples};
use crate::cases::file::Tests;
use crate::check;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ruleset::Ruleset;

/// Files that turn a proposal into a rule with its tests. Nothing writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// Path inside the ruleset's folder to content: the rule, whole, and its tests.
    pub files: BTreeMap<String, String>,
    /// Tests of the ruleset that say otherwise, one line each: change them too, or leave the proposal.
    pub conflicts: Vec<String>,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoDraft {
    /// It contradicts a `[[never]]` of the ruleset, so it must not be proposed.
    Forbidden,
    /// It must be written by hand.
    Because(String),
}

/// Writes the files and tries them.
pub(super) fn draft(ruleset: &Ruleset, table: &Table, wanted: &Wanted<'_>) -> Result<Draft, NoDraft> {
    let because = |why: &str| NoDraft::Because(why.to_owned());
    let (path, text) = match wanted.rule {
        None => change::new_rule(wanted),
        Some(id) => {
            let rule = ruleset.rules.iter().find(|rule| rule.header.id == id);
            change::changed_rule(rule.ok_or_else(|| because("its rule is gone"))?, wanted)
                .map_err(NoDraft::Because)?
        }
    };
    let mut files = ruleset.files().clone();
    files.insert(path.clone(), text.clone().into_bytes());
    let changed = Ruleset::from_files(files.clone())
        .map_err(|refused| NoDraft::Because(format!("the changed rule does not compile: {refused}")))?;
    let tests = examples::tests(&changed, table, wanted)
        .ok_or_else(|| because("every stored order is too long, or needs masked fields"))?;
    let tests_path = format!("tests/{}.toml", wanted.name());
    files.insert(tests_path.clone(), tests.clone().into_bytes());
    let checked = check::check(files, "");
    let mut conflicts = Vec::new();
    let nevers = Tests::of(ruleset).nevers;
    let before = check::check(ruleset.files().clone(), "").findings;
    for finding in checked.findings.iter().filter(|finding| finding.severity == Severity::Error) {
        if before.contains(finding) {
            continue;
        }
        let is_never = |finding: &Diagnostic| {
            nevers.iter().any(|never| never.file == finding.file && never.line == finding.line)
        };
        if is_never(finding) {
            return Err(NoDraft::Forbidden);
        }
        if finding.file == path || finding.file == tests_path || finding.code != "failing-test" {
            return Err(NoDraft::Because(format!("the draft does not pass: {}", finding.one_line())));
        }
        conflicts.push(finding.one_line());
    }
    Ok(Draft { files: BTreeMap::from([(path, text), (tests_path, tests)]), conflicts })
}
