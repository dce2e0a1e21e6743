//! `[[never]]` conditions, checked on every case and every edge.

use serde_json::Value;

use super::case::{Case, Never};
use super::failure::{Failure, describe, rules};
use super::{Report, with_task};
use crate::condition::Condition;
use crate::diagnostic::Diagnostic;
use crate::evaluate;
use crate::evaluation::Evaluation;
use crate::ruleset::{Ruleset, TaskFacts};

/// What a condition says of one task.
enum Asked {
    /// It is about this task: true, or false.
    Answered(bool),
    /// The task does not match the schema or has no order, so a condition about its order does not apply.
    Silent,
    /// It cannot be evaluated.
    Failed(String),
}

impl Report {
    /// Asks one condition of every case; one that cannot be evaluated has failed.
    pub(super) fn never(
        &mut self,
        ruleset: &Ruleset,
        never: &Never,
        cases: &[Case],
        evaluations: &[Evaluation],
    ) {
        let text = ruleset.files.get(&never.file).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let at = |error: Diagnostic| error.at(text.unwrap_or_default(), never.line, 0);
        let condition = match Condition::new(ruleset, &never.when) {
            Ok(condition) => condition,
            Err(message) => return self.broken.push(at(Diagnostic::error(&never.file, "test", message))),
        };
        let (before, mut speaks) = (self.failures.len(), false);
        let mut unknown: Option<Failure> = None;
        let mut unknown_cases = 0;
        for (case, evaluation) in cases.iter().zip(evaluations) {
            let outcome = evaluation.verdict.outcome();
            match with_task(case, |task| ask(ruleset, &condition, task, outcome == never.outcome)) {
                Asked::Answered(false) | Asked::Silent => {}
                Asked::Answered(true) if outcome != never.outcome => speaks = true,
                Asked::Answered(true) => {
                    speaks = true;
                    let got = format!("{} in the case '{}'", describe(evaluation), case.name);
                    self.failures.push(failure(never, got, case, evaluation));
                }
                Asked::Failed(message) => {
                    unknown_cases += 1;
                    unknown.get_or_insert_with(|| {
                        let got = format!("its condition fails in the case '{}': {message}", case.name);
                        failure(never, got, case, evaluation)
                    });
                }
            }
        }
        if let Some(mut unknown) = unknown {
            if unknown_cases > 1 {
                unknown.got = format!("{} (and in {} more)", unknown.got, unknown_cases - 1);
            }
            self.failures.push(unknown);
        } else if !speaks {
            let message =
                format!("the condition of '{}' is true for no case, so it tests nothing", never.name);
            let finding = at(Diagnostic::error(&never.file, "idle-never", message)).into_warning();
            self.idle.push(finding.help("add a case for which it is true, or correct the condition"));
        }
        self.nevers += usize::from(self.failures.len() == before);
    }
}

fn ask(ruleset: &Ruleset, condition: &Condition, task: &TaskFacts<'_>, is_forbidden: bool) -> Asked {
    let Ok(facts) = evaluate::prepare(ruleset, task).facts else { return Asked::Silent };
    match condition.holds_of(ruleset, &facts) {
        Ok(applies) => Asked::Answered(applies),
        // Without an order there is nothing to ask it of; but then it must not stand for an answer it did not give.
        Err(_) if task.order.is_none() && !is_forbidden => Asked::Silent,
        Err(message) => Asked::Failed(message),
    }
}

fn failure(never: &Never, got: String, case: &Case, evaluation: &Evaluation) -> Failure {
    Failure {
        file: never.file.clone(),
        line: never.line,
        name: never.name.clone(),
        expected: vec![format!("never {} when {}", never.outcome.as_str(), never.when)],
        got,
        rules: rules(evaluation),
        order: case.order.as_ref().map(Value::to_string),
    }
}
