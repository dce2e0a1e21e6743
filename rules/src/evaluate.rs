//! A ruleset on a task: facts, then each rule under its budget, then one verdict. Whatever fails becomes escalation.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rhai::{AST, Dynamic, EvalAltResult, Position, Scope};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::budget;
use crate::dates;
use crate::ending::{self, Ending};
use crate::evaluation::{Ended, Evaluation, FactRead, RuleVerdict};
use crate::facts::{self, Fact, Field, Record, Watch};
use crate::header::Mode;
use crate::rule::{self, Rule};
use crate::ruleset::{Ruleset, TaskFacts};
use crate::settings::{Combine, Default};
use crate::verdict::{Cause, Outcome, Verdict};

/// What scripts say of an order that was not passed.
const NO_ORDER: &str = "the workflow passed no order (ask task.hasOrder first)";

/// Which of the facts that were read are told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Those of the whole evaluation.
    #[default]
    All,
    /// Those of the evaluation and, here, of each rule.
    ByRule(Vec<Vec<FactRead>>),
    /// None: collecting them takes time.
    None,
}

/// What is told of an evaluation besides its answer, where somebody asks.
#[derive(Debug, Default)]
pub(crate) struct Extras<'a> {
    pub(crate) reads: Reads,
    /// Paths such as `order.amount`.
    pub(crate) paths: &'a [String],
    /// The number at each of `paths`; empty for a task that does not fit the schema.
    pub(crate) amounts: Vec<Option<Decimal>>,
}

/// Evaluates all rules of a set.
pub(crate) fn evaluate(ruleset: &Ruleset, task: &TaskFacts<'_>, extras: &mut Extras<'_>) -> Evaluation {
    evaluate_order(ruleset, task, order(ruleset, task.order), extras)
}

/// Evaluates all rules of a set on an order that is read already, by [`order`] of a ruleset with the same schema.
pub(crate) fn evaluate_order(
    ruleset: &Ruleset,
    task: &TaskFacts<'_>,
    order: Result<Fact, String>,
    extras: &mut Extras<'_>,
) -> Evaluation {
    let mut evaluation = Evaluation {
        verdict: Verdict::escalate(Cause::NoRuleApproved, "no rule had an answer".to_owned(), None),
        ruleset: ruleset.sha256.clone(),
        engine: ruleset.fingerprint.clone(),
        verdicts: Vec::with_capacity(ruleset.rules.len()),
        facts: Vec::new(),
        timed: false,
        truncated: false,
    };
    let facts = match order.and_then(|order| Facts::new(ruleset, task, order)) {
        Ok(facts) => facts,
        Err(problem) => {
            evaluation.verdict = Verdict::escalate(Cause::InvalidTask, problem, None);
            return evaluation;
        }
    };
    let mut scope = facts.scope(ruleset);
    for rule in &ruleset.rules {
        let ended = facts.run(ruleset, rule, &mut scope, &mut evaluation.timed);
        if let Reads::ByRule(reads) = &mut extras.reads {
            reads.push(facts.take_reads());
        }
        let answered = matches!(ended, Ended::Gave { .. } | Ended::Failed { .. });
        let counts = rule.header.mode == Mode::Active;
        evaluation.verdicts.push(RuleVerdict {
            rule: rule.header.id.clone(),
            hash: rule.hash.clone(),
            counts,
            ended,
        });
        if answered && counts && ruleset.settings.combine == Combine::FirstMatch {
            break;
        }
    }
    evaluation.facts = match &extras.reads {
        Reads::All => facts.take_reads(),
        Reads::ByRule(reads) => facts::union(reads.iter().flatten()),
        Reads::None => Vec::new(),
    };
    extras.amounts = extras.paths.iter().map(|path| facts.number(path)).collect();
    if let Some(verdict) = combine(&evaluation.verdicts) {
        evaluation.verdict = verdict;
    } else if ruleset.settings.default == Default::Approve {
        let code = "default-approve".to_owned();
        let text = "no rule had an answer, and the ruleset's default is to approve".to_owned();
        evaluation.verdict = Verdict::Approve { code, text, rule: None };
    }
    evaluation
}

/// The strongest verdict: reject, then escalate or a failure, then approve; among equals the first.
fn combine(verdicts: &[RuleVerdict]) -> Option<Verdict> {
    let strength = |ended: &Ended| match ended {
        Ended::Pass | Ended::Skipped => 0,
        Ended::Gave { outcome: Outcome::Approve, .. } => 1,
        Ended::Gave { outcome: Outcome::Escalate, .. } | Ended::Failed { .. } => 2,
        Ended::Gave { outcome: Outcome::Reject, .. } => 3,
    };
    let counted = verdicts.iter().filter(|verdict| verdict.counts);
    let mut strongest: Option<&RuleVerdict> = None;
    for verdict in counted.filter(|verdict| strength(&verdict.ended) > 0) {
        if strongest.is_none_or(|other| strength(&verdict.ended) > strength(&other.ended)) {
            strongest = Some(verdict);
        }
    }
    let RuleVerdict { rule, ended, .. } = strongest?.clone();
    match ended {
        Ended::Pass | Ended::Skipped => None,
        Ended::Failed { cause, text } => Some(Verdict::escalate(cause, text, Some(rule))),
        Ended::Gave { outcome, code, text } => Some(match outcome {
            Outcome::Approve => Verdict::Approve { code, text, rule: Some(rule) },
            Outcome::Reject => Verdict::Reject { code, text, rule },
            Outcome::Escalate => Verdict::Escalate { code, text, rule: Some(rule), cause: None },
        }),
    }
}

/// What one task's rules see.
struct Facts {
    order: Fact,
    task: Record,
    today: jiff::civil::Date,
}

impl Facts {
    fn new(ruleset: &Ruleset, task: &TaskFacts<'_>, order: Fact) -> Result<Facts, String> {
        let today = dates::parse(task.received_at).map_err(|error| format!("task.now: {error}"))?;
        let mut facts = Facts { order, task: task_record(task), today };
        if let Fact::Record(record) = &facts.order
            && task.order.is_some()
            && !ruleset.derived.is_empty()
        {
            let derived = facts.derive(ruleset)?;
            facts.order = Fact::Record(record.clone().with(derived));
        }
        Ok(facts)
    }

    fn scope(&self, ruleset: &Ruleset) -> Scope<'static> {
        let mut scope = Scope::new();
        scope.push_constant_dynamic("order", self.order.to_dynamic());
        scope.push_constant_dynamic("task", Dynamic::from(self.task.clone()));
        for (name, value) in &ruleset.shared {
            scope.push_constant_dynamic(name.clone(), value.clone());
        }
        scope
    }

    fn derive(&self, ruleset: &Ruleset) -> Result<Vec<Field>, String> {
        let mut scope = self.scope(ruleset);
        let names = ruleset.schema.iter().flat_map(|schema| &schema.derived);
        let mut fields = Vec::new();
        for (derived, ast) in names.zip(&ruleset.derived) {
            let name = &derived.name;
            let value = attempt(ruleset, ast, &mut scope)
                .map_err(|stop| format!("order.{name} cannot be derived: {}", stop.message()))?;
            let fact = Fact::from_dynamic(value)
                .ok_or_else(|| format!("order.{name} cannot be derived: its value is no fact"))?;
            fields.push(Field::watched(name.clone(), fact));
        }
        // What deriving looked at, no rule has.
        self.take_reads();
        Ok(fields)
    }

    fn run(&self, ruleset: &Ruleset, rule: &Rule, scope: &mut Scope<'static>, timed: &mut bool) -> Ended {
        if rule.header.mode == Mode::Off || !rule.header.is_in_season(self.today) {
            return Ended::Skipped;
        }
        if let (Some(ast), Some(when)) = (&rule.when, &rule.header.when) {
            match attempt(ruleset, ast, scope).map(|value| value.as_bool()) {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return Ended::Skipped,
                Ok(Err(other)) => {
                    let text = format!("{}:{}: when is {other}, not true or false", rule.file, when.line);
                    return Ended::Failed { cause: Cause::RuleError, text };
                }
                Err(stop) => return stop.ended(rule, Some((when.line, when.column)), timed),
            }
        }
        match attempt(ruleset, &rule.ast, scope) {
            Ok(value) if value.is_unit() => Ended::Pass,
            Ok(_) => Ended::Failed {
                cause: Cause::RuleError,
                text: format!("{}: the rule ended in a value, which decides nothing", rule.file),
            },
            Err(stop) => stop.ended(rule, None, timed),
        }
    }

    fn take_reads(&self) -> Vec<FactRead> {
        let mut reads = self.task.take_reads();
        if let Fact::Record(record) = &self.order {
            reads.extend(record.take_reads());
        }
        facts::union(&reads)
    }

    /// The number at a path such as `order.customer.limit`.
    fn number(&self, path: &str) -> Option<Decimal> {
        let mut fact = &self.order;
        for name in path.strip_prefix("order.")?.split('.') {
            let Fact::Record(record) = fact else { return None };
            fact = record.find(name)?;
        }
        match fact {
            Fact::Integer(number) => Some(Decimal::from(*number)),
            Fact::Decimal(number) => Some(*number),
            Fact::Text(text) => crate::number::parse(text),
            Fact::Nothing | Fact::Bool(_) | Fact::Record(_) | Fact::List(_) | Fact::Names(_) => None,
        }
    }
}

/// An expression about a task, such as a test's `when`.
#[derive(Debug)]
pub(crate) struct Condition(AST);

impl Condition {
    /// Compiles it. Err says what is wrong.
    pub(crate) fn new(ruleset: &Ruleset, expression: &str) -> Result<Condition, String> {
        let names = ["order", "task"].into_iter().chain(ruleset.shared.iter().map(|(name, _)| name.as_str()));
        let mut scope = Scope::new();
        for name in names {
            scope.push(name.to_owned(), ());
        }
        let ast = ruleset.engine.compile_expression_with_scope(&scope, expression);
        ast.map(Condition).map_err(|error| format!("when: {error}"))
    }

    /// Whether it is true of a task. Err says why it cannot be told.
    pub(crate) fn holds(&self, ruleset: &Ruleset, task: &TaskFacts<'_>) -> Result<bool, String> {
        let facts = Facts::new(ruleset, task, order(ruleset, task.order)?)?;
        let mut scope = facts.scope(ruleset);
        let value = attempt(ruleset, &self.0, &mut scope).map_err(|stop| stop.message())?;
        value.as_bool().map_err(|other| format!("when is {other}, not true or false"))
    }
}

/// Why a script did not end in a value.
enum Stop {
    Ended(Ending),
    Error(EvalAltResult),
    Panic,
}

/// Runs one script under a fresh budget.
fn attempt(ruleset: &Ruleset, ast: &AST, scope: &mut Scope<'static>) -> Result<Dynamic, Stop> {
    let given = scope.len();
    budget::start();
    let run = || ruleset.engine.eval_ast_with_scope::<Dynamic>(scope, ast);
    let result = catch_unwind(AssertUnwindSafe(run));
    scope.rewind(given);
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
    fn ended(self, rule: &Rule, origin: Option<(usize, usize)>, timed: &mut bool) -> Ended {
        match &self {
            Stop::Ended(Ending(None)) => Ended::Pass,
            Stop::Ended(Ending(Some(said))) if rule.header.may.contains(&said.outcome) => {
                Ended::Gave { outcome: said.outcome, code: said.code.clone(), text: said.text.clone() }
            }
            Stop::Ended(Ending(Some(said))) => Ended::Failed {
                cause: Cause::RuleError,
                text: format!("{}: this rule may not {}", rule.file, said.outcome.as_str()),
            },
            Stop::Panic => {
                Ended::Failed { cause: Cause::RulePanic, text: format!("{}: {}", rule.file, self.message()) }
            }
            Stop::Error(error) => {
                let cause = if is_deadline(error) { Cause::RuleDeadline } else { Cause::RuleError };
                *timed |= cause == Cause::RuleDeadline && budget::was_timed();
                let (line, column) = rule::place(innermost(error).1, origin);
                let place = match (line, column) {
                    (0, _) => rule.file.clone(),
                    (line, column) => format!("{}:{line}:{column}", rule.file),
                };
                Ended::Failed { cause, text: format!("{place}: {}", self.message()) }
            }
        }
    }

    fn message(&self) -> String {
        match self {
            Stop::Ended(_) => "a verdict cannot be given here".to_owned(),
            Stop::Panic => "the engine panicked; the process goes on".to_owned(),
            Stop::Error(error) if is_deadline(error) && budget::was_timed() => {
                "the wall clock's backstop ended it".to_owned()
            }
            Stop::Error(error) if is_deadline(error) => {
                format!("it took more than {} steps", budget::MAX_STEPS)
            }
            Stop::Error(error) => match innermost(error).0 {
                EvalAltResult::ErrorRuntime(message, _) => message.to_string(),
                other => {
                    let mut bare = other.to_string();
                    // The place is told once, in front.
                    if let Some(end) = bare.rfind(" (line ") {
                        bare.truncate(end);
                    }
                    bare
                }
            },
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

/// Reads an order and holds it against the schema; derived facts come later. Err says why the task is invalid.
pub(crate) fn order(ruleset: &Ruleset, text: Option<&str>) -> Result<Fact, String> {
    let Some(text) = text else {
        return match &ruleset.schema {
            Some(schema) if !schema.optional => Err(format!(
                "the workflow passed no order, so these are missing: {}",
                schema.required().join(", ")
            )),
            _ => Ok(Fact::Record(Record::absent("order", NO_ORDER))),
        };
    };
    let json: Value = serde_json::from_str(text).map_err(|error| {
        format!("the order is not JSON: error at line {}, column {}", error.line(), error.column())
    })?;
    match &ruleset.schema {
        Some(schema) => schema.facts(json).map(Fact::Record).map_err(|problems| problems.join("; ")),
        None => facts::from_json(&"order".into(), json, Watch::Reads),
    }
}

fn task_record(task: &TaskFacts<'_>) -> Record {
    // arn:aws:states:region:account:execution:workflow:name
    let workflow = task.transaction_id.split(':').nth(6).unwrap_or_default();
    let text = |name: &str, value: &str| Field::watched(name.to_owned(), Fact::Text(value.into()));
    let fields = vec![
        text("orderId", task.order_id),
        text("startTime", task.start_time),
        text("transactionId", task.transaction_id),
        text("workflow", workflow),
        text("now", task.received_at),
        Field::watched("hasOrder".to_owned(), Fact::Bool(task.order.is_some())),
    ];
    Record::new("task".into(), fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_host_function_escalates_and_the_process_goes_on() {
        let files = [("a.rhai", "order.len();"), ("b.rhai", "approve(\"x\");")];
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let mut ruleset = Ruleset::from_files(files.into_iter().collect()).unwrap();
        ruleset.engine.register_fn("len", |_: Record| -> i64 { panic!("on purpose") });
        let task = TaskFacts {
            order: Some("{}"),
            order_id: "o",
            start_time: "t",
            transaction_id: "arn",
            received_at: "2026-11-22T10:00:00Z",
        };
        let evaluation = ruleset.evaluate(&task);
        assert_eq!(evaluation.verdict.code(), "rule-panic");
        assert_eq!(evaluation.verdict.outcome(), Outcome::Escalate);
        let next = &evaluation.verdicts[1].ended;
        assert!(matches!(next, Ended::Gave { outcome: Outcome::Approve, .. }), "the next rule still runs");
        assert_eq!(ruleset.evaluate(&task), evaluation);
    }
}
