//! `rules test`: the cases beside the rules, and how much of the rules they reach.

pub mod coverage;
pub mod edges;
pub(crate) mod file;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::condition::Condition;
use crate::diagnostic::Diagnostic;
use crate::evaluation::{Ended, Evaluation};
use crate::ruleset::{Ruleset, TaskFacts};
use coverage::Coverage;
use file::{Case, Never, Tests};

/// What a case's task says where the case does not.
const TASK: [(&str, &str); 4] = [
    ("orderId", "test-order"),
    ("startTime", "2026-01-15T12:00:00Z"),
    ("transactionId", "arn:aws:states:eu-central-1:000000000000:execution:test:test"),
    ("now", "2026-01-15T12:00:00Z"),
];

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

/// What came of a ruleset's tests.
#[derive(Debug)]
pub struct Report {
    /// How many cases ran; each row of a table is one.
    pub cases: usize,
    /// How many conditions of `[[never]]` held over all cases.
    pub nevers: usize,
    /// Test files that cannot be read.
    pub broken: Vec<Diagnostic>,
    /// What the cases reached.
    pub coverage: Coverage,
    failures: Vec<Failure>,
    failed_cases: usize,
    /// Rule, and whether it answered and passed in some case.
    seen: Vec<(String, bool, bool)>,
}

/// Runs a ruleset's tests.
pub fn run(ruleset: &Ruleset) -> Report {
    let mut tests = Tests::of(ruleset);
    let mut report = Report {
        cases: tests.cases.len(),
        nevers: 0,
        broken: std::mem::take(&mut tests.errors),
        coverage: Coverage::new(ruleset),
        failures: Vec::new(),
        failed_cases: 0,
        seen: ruleset.rule_ids().map(|id| (id.to_owned(), false, false)).collect(),
    };
    let watched = match coverage::watched(ruleset) {
        Ok(watched) => watched,
        Err(refused) => {
            report.broken.extend(refused.diagnostics);
            return report;
        }
    };
    let mut evaluations = Vec::with_capacity(tests.cases.len());
    for case in &tests.cases {
        let evaluation = with_task(case, |task| watched.ruleset.evaluate(task));
        report.note(&evaluation);
        let failure = compare(case, &evaluation);
        report.failed_cases += usize::from(failure.is_some());
        report.failures.extend(failure);
        evaluations.push(evaluation);
    }
    report.coverage.reached(watched.lines());
    let answer =
        |evaluation: &Evaluation| (evaluation.verdict.outcome(), evaluation.verdict.code().to_owned());
    let known: BTreeSet<_> = evaluations.iter().map(answer).collect();
    for (name, base) in &tests.bases {
        for case in edges::around(ruleset, name, base) {
            let evaluation = with_task(&case, |task| ruleset.evaluate(task));
            report.coverage.edges.push(edges::tell(&case, &evaluation, known.contains(&answer(&evaluation))));
            tests.cases.push(case);
            evaluations.push(evaluation);
        }
    }
    for never in &tests.nevers {
        report.never(ruleset, never, &tests.cases, &evaluations);
    }
    report
}

impl Report {
    /// The tests that did not hold.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter()
    }

    /// Every test could be read and held.
    pub fn is_ok(&self) -> bool {
        self.failures.is_empty() && self.broken.is_empty()
    }

    /// Whether some case made a rule answer, and pass.
    pub(crate) fn seen(&self, rule: &str) -> (bool, bool) {
        let seen = self.seen.iter().find(|(id, ..)| id == rule);
        seen.map_or((false, false), |(_, answered, passed)| (*answered, *passed))
    }

    fn note(&mut self, evaluation: &Evaluation) {
        for verdict in &evaluation.verdicts {
            let seen = self.seen.iter_mut().find(|(id, ..)| *id == verdict.rule);
            match (&verdict.ended, seen) {
                (Ended::Pass | Ended::Skipped, Some(seen)) => seen.2 = true,
                (Ended::Gave { outcome, code, .. }, Some(seen)) => {
                    seen.1 = true;
                    self.coverage.gave(&verdict.rule, *outcome, code);
                }
                (Ended::Failed { .. }, _) | (_, None) => {}
            }
        }
    }

    fn never(&mut self, ruleset: &Ruleset, never: &Never, cases: &[Case], evaluations: &[Evaluation]) {
        let text = ruleset.files.get(&never.file).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let broken = |message: String| {
            let error = Diagnostic::error(&never.file, "test", message);
            error.at(text.unwrap_or_default(), never.line, 0)
        };
        let condition = match Condition::new(ruleset, &never.when) {
            Ok(condition) => condition,
            Err(message) => return self.broken.push(broken(message)),
        };
        let mut held = true;
        for (case, evaluation) in cases.iter().zip(evaluations) {
            // A case whose facts the condition cannot read is not one that it speaks of.
            let applies = with_task(case, |task| condition.holds(ruleset, task)).unwrap_or(false);
            if applies && evaluation.verdict.outcome() == never.outcome {
                held = false;
                self.failures.push(Failure {
                    file: never.file.clone(),
                    line: never.line,
                    name: never.name.clone(),
                    expected: vec![format!("never {} when {}", never.outcome.as_str(), never.when)],
                    got: format!("{} in the case '{}'", describe(evaluation), case.name),
                    rules: rules(evaluation),
                    order: case.order.as_ref().map(Value::to_string),
                });
            }
        }
        self.nevers += usize::from(held);
    }
}

/// Runs `ask` with the case's task.
fn with_task<T>(case: &Case, ask: impl FnOnce(&TaskFacts<'_>) -> T) -> T {
    let order = case.order.as_ref().map(Value::to_string);
    let text = |name: &str| {
        let given = case.task.get(name).and_then(Value::as_str);
        given.or_else(|| TASK.iter().find(|(key, _)| *key == name).map(|(_, text)| *text)).unwrap_or_default()
    };
    ask(&TaskFacts {
        order: order.as_deref(),
        order_id: text("orderId"),
        start_time: text("startTime"),
        transaction_id: text("transactionId"),
        received_at: text("now"),
    })
}

fn compare(case: &Case, evaluation: &Evaluation) -> Option<Failure> {
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

/// The codes that any rule gave, and the deciding one.
fn codes(evaluation: &Evaluation) -> impl Iterator<Item = &str> {
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

fn rules(evaluation: &Evaluation) -> Vec<String> {
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for broken in &self.broken {
            writeln!(f, "{broken}\n")?;
        }
        for failure in &self.failures {
            writeln!(f, "{failure}\n")?;
        }
        let passed = self.cases - self.failed_cases;
        writeln!(
            f,
            "{passed} of {} cases passed, {} conditions held; {}",
            self.cases,
            self.nevers,
            self.coverage.summary()
        )
    }
}
