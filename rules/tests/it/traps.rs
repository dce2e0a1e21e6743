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
use rules::{Files, Outcome, Refused, snapshot};
use toml_edit::{ImDocument, TableLike};

/// The cases that do not hold yet. One that holds must leave this list.
const OPEN: &[&str] = &[];

/// What must come of a case.
#[derive(Debug)]
pub(crate) enum Want {
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
    /// Check has nothing to say but that there is no test.
    Silence,
}

/// What must come of a ruleset, and what must be said of it.
pub(crate) struct Case {
    pub(crate) want: Want,
    pub(crate) says: Option<String>,
}

impl Case {
    /// Reads `want` and `says`.
    pub(crate) fn of(table: &dyn TableLike) -> Case {
        let text = |key: &str| table.get(key).and_then(|item| item.as_str());
        let want = match text("want").expect("each case wants something") {
            "safe" => Want::Safe,
            "check-error" => Want::CheckError,
            "check-speaks" => Want::CheckSpeaks,
            "test-fails" => Want::TestFails,
            "silence" => Want::Silence,
            outcome => Want::Answer(Outcome::parse(outcome).expect("an outcome")),
        };
        Case { want, says: text("says").map(str::to_owned) }
    }
}

fn read(folder: &Path) -> Case {
    let text = fs::read_to_string(folder.join("case.toml")).expect("each case says what it wants");
    Case::of(ImDocument::parse(text).expect("it is TOML").as_table())
}

/// What does not hold of a case, or nothing. `task` gives the task to evaluate.
pub(crate) fn problem(
    case: &Case,
    files: Result<Files, Refused>,
    task: &dyn Fn() -> StoredTask,
) -> Option<String> {
    let checked = match files {
        Ok(files) => check(files, "2026-11-22"),
        Err(refused) => Checked { findings: refused.diagnostics, ruleset: None },
    };
    let mut printed = checked.render(Format::Text);
    let refused = !checked.is_ok();
    let ruleset = || checked.ruleset.as_ref().expect("check passed");
    let outcome = || ruleset().evaluate(&task().facts()).verdict.outcome();
    let holds = match case.want {
        Want::Safe => refused || outcome() != Outcome::Approve,
        Want::CheckError => refused,
        Want::CheckSpeaks => refused || checked.findings.iter().any(|finding| finding.code != "untested"),
        Want::TestFails => {
            let report = checked.ruleset.as_ref().map(cases::run);
            printed.extend(report.iter().map(ToString::to_string));
            refused || report.is_some_and(|report| !report.is_ok())
        }
        Want::Answer(wanted) => !refused && outcome() == wanted,
        Want::Silence => checked.findings.iter().all(|finding| finding.code == "untested"),
    };
    let unsaid = case.says.as_ref().filter(|says| !printed.contains(says.as_str()));
    match (holds, unsaid) {
        (true, None) => None,
        (true, Some(says)) => Some(format!("does not say '{says}' but\n{printed}")),
        (false, _) => Some(format!("wants {:?}, and check says\n{printed}", case.want)),
    }
}

/// A task with an order, received on a day in November.
pub(crate) fn task_with(order: String) -> StoredTask {
    StoredTask {
        order: Some(order),
        order_id: "o".to_owned(),
        received_at: "2026-11-22T12:00:00Z".to_owned(),
        ..StoredTask::default()
    }
}

fn task(folder: &Path) -> StoredTask {
    match fs::read_to_string(folder.join("order.json")) {
        Ok(order) => task_with(order),
        Err(_) => stored(&fs::read_to_string(folder.join("task.json")).expect("an order or a task")),
    }
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
        match (
            problem(&read(&folder), snapshot(&folder.join("set")), &|| task(&folder)),
            OPEN.contains(&name),
        ) {
            (None, false) | (Some(_), true) => {}
            (Some(problem), false) => wrong.push(format!("{name}: {problem}")),
            (None, true) => wrong.push(format!("{name} holds: take it out of OPEN")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
