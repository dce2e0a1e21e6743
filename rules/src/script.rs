//! Runs one script: under its step limit, behind a guard against panics, with the place of an error.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rhai::{Dynamic, EvalAltResult, Position, Scope};

use crate::compiled::Compiled;
use crate::ending::{self, Ending};
use crate::evaluation::Ended;
use crate::facts;
use crate::functions;
use crate::rule::{self, Rule};
use crate::ruleset::Ruleset;
use crate::step_limit;
use crate::verdict::Cause;
use crate::words;

/// Why a script did not end in a value.
pub(crate) enum Stop {
    Ended(Ending),
    Error(EvalAltResult),
    Panic,
}

/// Runs one script with a fresh count of steps.
pub(crate) fn run(ruleset: &Ruleset, script: &Compiled, scope: &mut Scope<'static>) -> Result<Dynamic, Stop> {
    let given = scope.len();
    step_limit::start();
    functions::take_fault();
    facts::forget_masked_reads();
    let result = script.while_running(scope, |scope| {
        catch_unwind(AssertUnwindSafe(|| script.evaluate(&ruleset.engine, scope)))
    });
    scope.rewind(given);
    if let (Ok(_), Some(fault)) = (&result, functions::take_fault()) {
        return Err(Stop::Error(*fault));
    }
    match result {
        // At the top of a script rhai itself turns Exit into a value; only our own functions make an Ending.
        Ok(Ok(value)) => match value.try_cast_result::<Ending>() {
            Ok(ending) => Err(Stop::Ended(ending)),
            Err(value) => Ok(value),
        },
        Ok(Err(error)) => Err(ending::of_error(*error).map_or_else(Stop::Error, Stop::Ended)),
        Err(_) => Err(Stop::Panic),
    }
}

impl Stop {
    /// What it means for a rule.
    pub(crate) fn ended(self, rule: &Rule, origin: Option<(usize, usize)>, timed: &mut bool) -> Ended {
        match self {
            Stop::Ended(Ending(None)) => Ended::Pass,
            Stop::Ended(Ending(Some(said))) if rule.header.may.contains(&said.outcome) => {
                let tells = facts::has_read_masked() && !rule.open_texts.contains(&said.position);
                let text = if tells && !said.text.is_empty() {
                    let (line, column) = rule::place(said.position, None);
                    format!(
                        "a text that is not shown because it may reveal a masked fact ({}:{line}:{column})",
                        rule.file
                    )
                } else {
                    said.text
                };
                Ended::Gave { outcome: said.outcome, code: said.code, text }
            }
            Stop::Ended(Ending(Some(said))) => Ended::Failed {
                cause: Cause::RuleError,
                text: format!("{}: this rule may not {}", rule.file, said.outcome.as_str()),
            },
            Stop::Panic => {
                let text = format!("{}: {}", rule.file, Stop::Panic.message());
                Ended::Failed { cause: Cause::RulePanic, text }
            }
            Stop::Error(ref error) => {
                let cause = if is_deadline(error) { Cause::RuleDeadline } else { Cause::RuleError };
                *timed |= cause == Cause::RuleDeadline && step_limit::was_timed();
                let (line, column) = rule::place(innermost(error).1, origin);
                let place = match (line, column) {
                    (0, _) => rule.file.clone(),
                    (line, column) => format!("{}:{line}:{column}", rule.file),
                };
                Ended::Failed { cause, text: format!("{place}: {}", self.message()) }
            }
        }
    }

    /// In words, without its place.
    pub(crate) fn message(&self) -> String {
        match self {
            Stop::Ended(_) => "a verdict cannot be given here".to_owned(),
            Stop::Panic => "the engine panicked; the process goes on".to_owned(),
            Stop::Error(error) if is_deadline(error) && step_limit::was_timed() => {
                "it was stopped by the time limit".to_owned()
            }
            Stop::Error(error) if is_deadline(error) => {
                format!("it took more than {} steps", step_limit::MAX_STEPS)
            }
            // Whatever an error quotes may be a masked value, or made of one.
            Stop::Error(_) if facts::has_read_masked() => {
                "an error that is not shown because it may reveal a masked fact".to_owned()
            }
            Stop::Error(error) => words::of(innermost(error).0),
        }
    }
}

fn is_deadline(error: &EvalAltResult) -> bool {
    let error = innermost(error).0;
    matches!(error, EvalAltResult::ErrorTerminated(..) | EvalAltResult::ErrorTooManyOperations(..))
}

/// The error inside those of the functions it came through, and the innermost place that is known.
fn innermost(error: &EvalAltResult) -> (&EvalAltResult, Position) {
    let (mut inner, mut position) = (error, error.position());
    while let EvalAltResult::ErrorInFunctionCall(_, _, next, _) = inner {
        inner = next;
        if !inner.position().is_none() {
            position = inner.position();
        }
    }
    (inner, position)
}
