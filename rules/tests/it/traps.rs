//! Rulesets whose author meant something else than they say, each a folder of `traps/`: check must speak, or the rules
//! must not approve.
//!
//! A case holds `set/` (the ruleset), `order.json` or `task.json` (what to evaluate) and `case.toml`: `want`, see
//! [`Want`], and `says`, a text that check or test must print.

use std::fs;
use std::path::{Path, PathBuf};

use rules::backtest::StoredTask;
use rules::cases;
use rules::check::{Checked, Format, check};
use rules::{Outcome, snapshot};
use toml_edit::ImDocument;

/// The cases that do not hold yet. One that holds must leave this list.
const OPEN: &[&str] = &[
    "budget-misspelt",
    "closure-field-misspelt",
    "closure-sees-lists",
    "dates-as-text",
    "duplicate-keys",
    "get-misspelt",
    "guard-without-if",
    "has-dotted",
    "has-misspelt",
    "header-after-licence",
    "header-indented",
    "header-late",
    "ignored-schema-name",
    "ignored-subfolder",
    "ignored-suffix",
    "in-a-text",
    "key-of-nothing",
    "list-bom",
    "list-hash-in-a-word",
    "list-quoted",
    "list-two-files-one-name",
    "list-two-on-a-line",
    "list-zero-width",
    "not-by-misspelt",
    "optional-without-default",
    "own-list-non-boolean",
    "params-get-misspelt",
    "private-number-key",
    "set-misspelt",
    "sum-misspelt",
];

/// What must come of a case.
#[derive(Debug)]
enum Want {
    /// Check refuses the set, or the rules do not approve.
    Safe,
    /// Check refuses it.
    CheckError,
    /// Check refuses it or warns; that a rule has no test is not enough.
    CheckSpeaks,
    /// Check refuses it, or a test fails.
    TestFails,
    /// Check passes and the rules answer so.
    Answer(Outcome),
}

struct Case {
    want: Want,
    says: Option<String>,
}

fn read(folder: &Path) -> Case {
    let text = fs::read_to_string(folder.join("case.toml")).expect("each case says what it wants");
    let toml = ImDocument::parse(text).expect("it is TOML");
    let text = |key: &str| toml.get(key).and_then(|item| item.as_str());
    let want = match text("want").expect("each case wants something") {
        "safe" => Want::Safe,
        "check-error" => Want::CheckError,
        "check-speaks" => Want::CheckSpeaks,
        "test-fails" => Want::TestFails,
        outcome => Want::Answer(Outcome::parse(outcome).expect("an outcome")),
    };
    Case { want, says: text("says").map(str::to_owned) }
}

/// What does not hold of a case.
fn problem(folder: &Path) -> Option<String> {
    let case = read(folder);
    let checked = match snapshot(&folder.join("set")) {
        Ok(files) => check(files, "2026-11-22"),
        Err(refused) => Checked { findings: refused.diagnostics, ruleset: None },
    };
    let mut printed = checked.render(Format::Text);
    let refused = !checked.is_ok();
    let holds = match case.want {
        Want::Safe => refused || outcome(folder, &checked) != Outcome::Approve,
        Want::CheckError => refused,
        Want::CheckSpeaks => refused || checked.findings.iter().any(|finding| finding.code != "untested"),
        Want::TestFails => {
            let report = checked.ruleset.as_ref().map(cases::run);
            printed.extend(report.iter().map(ToString::to_string));
            refused || report.is_some_and(|report| !report.is_ok())
        }
        Want::Answer(wanted) => !refused && outcome(folder, &checked) == wanted,
    };
    let unsaid = case.says.filter(|says| !printed.contains(says.as_str()));
    match (holds, unsaid) {
        (true, None) => None,
        (true, Some(says)) => Some(format!("does not say '{says}' but\n{printed}")),
        (false, _) => Some(format!("wants {:?}, and check says\n{printed}", case.want)),
    }
}

fn outcome(folder: &Path, checked: &Checked) -> Outcome {
    let order = fs::read_to_string(folder.join("order.json"));
    let task = match order {
        Ok(order) => StoredTask {
            order: Some(order),
            order_id: "o".to_owned(),
            received_at: "2026-11-22T12:00:00Z".to_owned(),
            ..StoredTask::default()
        },
        Err(_) => stored(&fs::read_to_string(folder.join("task.json")).expect("an order or a task")),
    };
    let ruleset = checked.ruleset.as_ref().expect("check passed");
    ruleset.evaluate(&task.facts()).verdict.outcome()
}

/// A task whose order stands in the file as JSON, not as the text of it.
fn stored(text: &str) -> StoredTask {
    let mut task: serde_json::Value = serde_json::from_str(text).expect("it is JSON");
    task["order"] = task["order"].to_string().into();
    serde_json::from_value(task).expect("it is a task")
}

fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir("tests/it/traps").expect("the cases are there");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    folders.sort();
    folders
}

#[test]
fn no_ruleset_is_understood_otherwise_than_its_author_meant() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("names are UTF-8");
        match (problem(&folder), OPEN.contains(&name)) {
            (None, false) | (Some(_), true) => {}
            (Some(problem), false) => wrong.push(format!("{name}: {problem}")),
            (None, true) => wrong.push(format!("{name} holds: take it out of OPEN")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
