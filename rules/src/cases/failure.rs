//! A test that did not hold, and what was expected instead.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::case::Case;
use crate::diagnostic::Diagnostic;
use crate::evaluation::{Ended, Evaluation};
use crate::verdict::Cause;

/// The finding's code; see [`hollow`].
pub(crate) const HOLLOW: &str = "hollow-test";

/// One test that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The file in `tests/`.
    pub file: String,
    /// The line of its name, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// What was expected and did not happen, one line each.
    pub expected: Vec<String>,
    /// What happened.
    pub got: String,
    /// What each rule said, one line each, those that passed left out.
    pub rules: Vec<String>,
    /// The order as JSON; none for a task without one.
    pub order: Option<String>,
}

pub(super) fn compare(case: &Case, evaluation: &Evaluation) -> Option<Failure> {
    let verdict = &evaluation.verdict;
    let mut expected = Vec::new();
    if let Some(outcome) = case.expect.outcome
        && outcome != verdict.outcome()
    {
        expected.push(outcome.as_str().to_owned());
    }
    if let Some(by) = &case.expect.by
        && verdict.rule() != Some(by)
    {
        expected.push(format!("by {by}"));
    }
    let given: Vec<&str> = codes(evaluation).collect();
    let missing = case.expect.codes.iter().filter(|code| !given.contains(&code.as_str()));
    expected.extend(missing.map(|code| format!("the code {code}")));
    if let Some(reason) = &case.expect.reason
        && !verdict.text().contains(reason.as_str())
    {
        expected.push(format!("a reason with \"{reason}\""));
    }
    for rule in &case.expect.not_by {
        let gave = evaluation
            .verdicts
            .iter()
            .any(|verdict| verdict.rule == *rule && !matches!(verdict.ended, Ended::Pass | Ended::Skipped));
        if gave {
            expected.push(format!("{rule} to say nothing"));
        }
    }
    (!expected.is_empty()).then(|| Failure {
        file: case.file.clone(),
        line: case.line,
        name: case.name.clone(),
        expected,
        got: describe(evaluation),
        rules: rules(evaluation),
        order: case.order.as_ref().map(Value::to_string),
    })
}

/// An error for a case that passes although no rule decided it: its order does not match the schema, or a rule failed.
/// Unless it expects this, it tests nothing: it passes with any rules.
pub(super) fn hollow(case: &Case, evaluation: &Evaluation) -> Option<Diagnostic> {
    let verdict = &evaluation.verdict;
    // A task without an order is what the case is about.
    case.order.as_ref()?;
    let cause = Cause::ALL.into_iter().find(|cause| cause.as_str() == verdict.code())?;
    let because = match cause {
        Cause::InvalidTask => "its order does not match the schema",
        Cause::RuleError | Cause::RuleDeadline | Cause::RulePanic => "a rule failed",
        _ => return None,
    };
    let expects = case.expect.reason.is_some() || case.expect.codes.iter().any(|code| code == cause.as_str());
    (!expects).then(|| {
        let message = format!("'{}' passes only because {because}: {}", case.name, verdict.text());
        let help = format!("correct it, or expect this: codes = [\"{}\"]", cause.as_str());
        Diagnostic::error(&case.file, HOLLOW, message).help(help)
    })
}

/// The codes that any rule gave, and the deciding one.
pub(super) fn codes(evaluation: &Evaluation) -> impl Iterator<Item = &str> {
    let given = evaluation.verdicts.iter().filter_map(|verdict| match &verdict.ended {
        Ended::Gave { code, .. } => Some(code.as_str()),
        Ended::Failed { cause, .. } => Some(cause.as_str()),
        Ended::Pass | Ended::Skipped => None,
    });
    given.chain([evaluation.verdict.code()])
}

/// `escalate by tier-limit [over-tier-limit] text`.
pub(crate) fn describe(evaluation: &Evaluation) -> String {
    let verdict = &evaluation.verdict;
    let by = verdict.rule().map_or_else(String::new, |rule| format!(" by {rule}"));
    format!("{}{by} [{}] {}", verdict.outcome().as_str(), verdict.code(), verdict.text())
        .trim_end()
        .to_owned()
}

pub(super) fn rules(evaluation: &Evaluation) -> Vec<String> {
    let line = |rule: &str, word: &str, code: &str, text: &str| {
        format!("{rule}: {word} [{code}] {text}").trim_end().to_owned()
    };
    let said = evaluation.verdicts.iter().filter_map(|verdict| match &verdict.ended {
        Ended::Pass | Ended::Skipped => None,
        Ended::Gave { outcome, code, text } => Some(line(&verdict.rule, outcome.as_str(), code, text)),
        Ended::Failed { cause, text } => Some(line(&verdict.rule, "failed", cause.as_str(), text)),
    });
    said.collect()
}

impl Failure {
    /// In one line.
    pub fn summary(&self) -> String {
        format!("'{}' expected {}, got {}", self.name, self.expected.join(" and "), self.got)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "FAILED {}:{} {}", self.file, self.line, self.name)?;
        for expected in &self.expected {
            writeln!(f, "  - expected {expected}")?;
        }
        writeln!(f, "  + got      {}", self.got)?;
        for rule in &self.rules {
            writeln!(f, "    {rule}")?;
        }
        write!(f, "    order: {}", self.order.as_deref().unwrap_or("none"))
    }
}
