//! `rules test`: the cases beside the rules, and how much of the rules they reach.

mod case;
pub mod coverage;
pub mod edges;
mod failure;
pub(crate) mod file;
pub(crate) mod from_task;
mod junit;
mod names;
mod never;
pub(crate) mod paths;
mod table;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use self::case::Case;
use self::coverage::Coverage;
pub use self::failure::Failure;
pub(crate) use self::failure::{HOLLOW, describe};
use self::failure::{compare, hollow};
use self::file::Tests;
pub use self::from_task::from_task;
use crate::diagnostic::{Diagnostic, Severity};
use crate::evaluation::{Ended, Evaluation};
use crate::ruleset::{Ruleset, TaskFacts};

/// What a case's task says where the case does not.
const TASK: [(&str, &str); 4] = [
    ("orderId", "test-order"),
    ("startTime", "2026-01-15T12:00:00Z"),
    ("transactionId", "arn:aws:states:eu-central-1:000000000000:execution:test:test"),
    ("now", "2026-01-15T12:00:00Z"),
];

/// What came of a ruleset's tests.
#[derive(Debug)]
pub struct Report {
    /// How many cases ran; each row of a table is one.
    pub cases: usize,
    /// How many conditions of `[[never]]` held over all cases.
    pub nevers: usize,
    /// Tests that cannot be read, or that test nothing.
    pub broken: Vec<Diagnostic>,
    /// Warnings, such as a condition of `[[never]]` that is true for no case.
    pub idle: Vec<Diagnostic>,
    /// What the cases reached.
    pub coverage: Coverage,
    failures: Vec<Failure>,
    failed_cases: usize,
    /// Every case, row and condition, in the order they ran.
    ran: Vec<Ran>,
    /// Rule, and whether it answered and passed in some case.
    seen: Vec<(String, bool, bool)>,
}

/// A test that ran.
#[derive(Debug)]
struct Ran {
    file: String,
    line: usize,
    name: String,
}

impl Ran {
    fn is_of(&self, failure: &Failure) -> bool {
        (&self.file, self.line, &self.name) == (&failure.file, failure.line, &failure.name)
    }
}

/// Runs a ruleset's tests.
pub fn run(ruleset: &Ruleset) -> Report {
    let mut tests = Tests::of(ruleset);
    let mut report = Report {
        cases: tests.cases.len(),
        nevers: 0,
        broken: std::mem::take(&mut tests.errors),
        idle: Vec::new(),
        coverage: Coverage::new(ruleset),
        failures: Vec::new(),
        failed_cases: 0,
        ran: Vec::new(),
        seen: ruleset.rule_ids().map(|id| (id.to_owned(), false, false)).collect(),
    };
    for finding in names::check(ruleset, &tests) {
        match finding.severity {
            Severity::Error => report.broken.push(finding),
            Severity::Warning => report.idle.push(finding),
        }
    }
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
        report.ran.push(Ran { file: case.file.clone(), line: case.line, name: case.name.clone() });
        let failure = compare(case, &evaluation);
        report.failed_cases += usize::from(failure.is_some());
        if failure.is_none()
            && let Some(error) = hollow(case, &evaluation)
        {
            let text = ruleset.files.get(&case.file).and_then(|bytes| std::str::from_utf8(bytes).ok());
            report.broken.push(error.at(text.unwrap_or_default(), case.line, 0));
        }
        report.failures.extend(failure);
        evaluations.push(evaluation);
    }
    report.coverage.reached(watched.lines());
    let answer =
        |evaluation: &Evaluation| (evaluation.verdict.outcome(), evaluation.verdict.code().to_owned());
    let known: BTreeSet<_> = evaluations.iter().map(answer).collect();
    for base in &tests.bases {
        for case in edges::around(ruleset, &base.name, &base.order) {
            let evaluation = with_task(&case, |task| ruleset.evaluate(task));
            report.coverage.edges.push(edges::tell(&case, &evaluation, known.contains(&answer(&evaluation))));
            tests.cases.push(case);
            evaluations.push(evaluation);
        }
    }
    for never in &tests.nevers {
        report.ran.push(Ran { file: never.file.clone(), line: never.line, name: never.name.clone() });
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

    /// There was nothing to run.
    pub fn is_empty(&self) -> bool {
        self.ran.is_empty()
    }

    /// Whether some case made a rule answer, and pass.
    pub(crate) fn seen(&self, rule: &str) -> (bool, bool) {
        let seen = self.seen.iter().find(|(id, ..)| id == rule);
        seen.map_or((false, false), |(_, answered, passed)| (*answered, *passed))
    }

    fn note(&mut self, evaluation: &Evaluation) {
        for verdict in &evaluation.verdicts {
            let seen = self.seen.iter_mut().find(|(id, ..)| verdict.rule == *id);
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for broken in &self.broken {
            writeln!(f, "{broken}\n")?;
        }
        for failure in &self.failures {
            writeln!(f, "{failure}\n")?;
        }
        for idle in &self.idle {
            writeln!(f, "{idle}\n")?;
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
