//! A ruleset on a task: facts, then each rule under its step limit, then one verdict. Whatever fails becomes escalation.

use rhai::Scope;
use rust_decimal::Decimal;

use crate::compare::{self, Compared};
use crate::evaluation::{Ended, Evaluation, FactRead, RuleVerdict};
use crate::facts::{self, Record};
use crate::header::Mode;
use crate::kind::kind;
use crate::rule::Rule;
use crate::ruleset::{Ruleset, TaskFacts};
use crate::script;
use crate::settings::{Combine, Default};
use crate::step_limit;
use crate::task_facts::Facts;
use crate::verdict::{Cause, Outcome, Verdict};

/// What one rule looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RuleReads {
    pub(crate) facts: Vec<FactRead>,
    /// Where parameters are watched; none of a rule that read a masked fact.
    pub(crate) parameters: Vec<FactRead>,
    /// Where comparisons are noted; none of a rule that read a masked fact.
    pub(crate) compared: Vec<Compared>,
}

/// Which of the facts that were read are recorded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Those of the whole evaluation.
    #[default]
    All,
    /// Those of the evaluation, and here those of each rule.
    ByRule(Vec<RuleReads>),
    /// None: collecting them takes time.
    None,
}

/// A number of a task, read as rules read it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// None where the task has no such fact, where it is no number, and where the task does not fit the schema.
    pub number: Option<Decimal>,
    /// It must not be shown.
    pub is_masked: bool,
}

/// What an evaluation records besides its answer, if asked to.
#[derive(Debug, Default)]
pub(crate) struct Extras<'a> {
    pub(crate) reads: Reads,
    /// What is known already: another ruleset's verdicts on the task, and for each rule here the place among them of one
    /// that must say the same.
    pub(crate) known: Option<(&'a [RuleVerdict], &'a [Option<usize>])>,
    /// Paths such as `order.amount`.
    pub(crate) paths: &'a [String],
    /// The number at each of `paths`, and whether it is masked; empty for a task that does not fit the schema.
    pub(crate) amounts: Vec<Measured>,
}

/// A task as a ruleset's rules see it, before any of them runs.
pub(crate) struct Prepared {
    /// Or why the task is invalid.
    pub(crate) facts: Result<Facts, String>,
    /// Deriving a fact ran into the backstop.
    timed: bool,
}

impl Ruleset {
    /// Decides one task. Never panics and never fails: anything that goes wrong is a verdict to escalate.
    pub fn evaluate(&self, task: &TaskFacts<'_>) -> Evaluation {
        evaluate(self, task, &mut Extras::default())
    }

    /// Decides one task, and tells its number at `path`, such as `order.amount` or a derived fact: what caps count.
    pub fn evaluate_measuring(&self, task: &TaskFacts<'_>, path: &str) -> (Evaluation, Measured) {
        let paths = [path.to_owned()];
        let mut extras = Extras { paths: &paths, ..Extras::default() };
        let evaluation = evaluate(self, task, &mut extras);
        (evaluation, extras.amounts.pop().unwrap_or_default())
    }
}

/// Reads a task and derives its facts.
pub(crate) fn prepare(ruleset: &Ruleset, task: &TaskFacts<'_>) -> Prepared {
    let facts = read(ruleset, task).and_then(|facts| {
        facts.with_scope(ruleset, |scope| facts.derive(ruleset, scope))?;
        Ok(facts)
    });
    Prepared { timed: facts.is_err() && step_limit::was_timed(), facts }
}

fn read(ruleset: &Ruleset, task: &TaskFacts<'_>) -> Result<Facts, String> {
    // A derived fact may run into the time limit before any rule starts: it counts from here.
    step_limit::start();
    Facts::read(ruleset, task)
}

/// Evaluates all rules of a set.
pub(crate) fn evaluate(ruleset: &Ruleset, task: &TaskFacts<'_>, extras: &mut Extras<'_>) -> Evaluation {
    let facts = match read(ruleset, task) {
        Ok(facts) => facts,
        Err(problem) => return invalid(ruleset, problem, false),
    };
    facts.with_scope(ruleset, |scope| match facts.derive(ruleset, scope) {
        Ok(()) => decide(ruleset, &facts, scope, extras),
        Err(problem) => invalid(ruleset, problem, step_limit::was_timed()),
    })
}

/// Evaluates all rules of a set on a task that is prepared already, by this ruleset or one that gives it the same facts.
pub(crate) fn evaluate_prepared(
    ruleset: &Ruleset,
    prepared: &Prepared,
    extras: &mut Extras<'_>,
) -> Evaluation {
    match &prepared.facts {
        Ok(facts) => facts.with_scope(ruleset, |scope| decide(ruleset, facts, scope, extras)),
        Err(problem) => invalid(ruleset, problem.clone(), prepared.timed),
    }
}

fn undecided(ruleset: &Ruleset, verdict: Verdict) -> Evaluation {
    Evaluation {
        verdict,
        ruleset: ruleset.sha256.clone(),
        engine: ruleset.fingerprint.clone(),
        verdicts: Vec::new(),
        facts: Vec::new(),
        timed: false,
        truncated: false,
    }
}

fn invalid(ruleset: &Ruleset, problem: String, timed: bool) -> Evaluation {
    Evaluation { timed, ..undecided(ruleset, Verdict::escalate(Cause::InvalidTask, problem, None)) }
}

/// Runs the rules and combines what they said.
fn decide(
    ruleset: &Ruleset,
    facts: &Facts,
    scope: &mut Scope<'static>,
    extras: &mut Extras<'_>,
) -> Evaluation {
    let (mut verdicts, mut timed) = (Vec::with_capacity(ruleset.rules.len()), false);
    run_all(facts, ruleset, scope, extras, &mut verdicts, &mut timed);
    let read = match &extras.reads {
        Reads::All => facts.take_reads(),
        Reads::ByRule(reads) => facts::union(reads.iter().flat_map(|rule| rule.facts.clone()).collect()),
        Reads::None => Vec::new(),
    };
    let measure = |path: &String| Measured { number: facts.number(path), is_masked: facts.is_masked(path) };
    extras.amounts = extras.paths.iter().map(measure).collect();
    let verdict = combine(&verdicts).unwrap_or_else(|| unanswered(ruleset));
    Evaluation { verdicts, facts: read, timed, ..undecided(ruleset, verdict) }
}

/// What no rule's answer means.
fn unanswered(ruleset: &Ruleset) -> Verdict {
    if ruleset.settings.default == Default::Approve {
        let code = "default-approve".to_owned();
        let text = "no rule had an answer, and the ruleset's default is to approve".to_owned();
        return Verdict::Approve { code, text, rule: None };
    }
    Verdict::escalate(Cause::NoRuleApproved, "no rule had an answer".to_owned(), None)
}

/// Runs the rules in their order, each unless its verdict is known.
fn run_all(
    facts: &Facts,
    ruleset: &Ruleset,
    scope: &mut Scope<'static>,
    extras: &mut Extras<'_>,
    verdicts: &mut Vec<RuleVerdict>,
    timed: &mut bool,
) {
    for (place, rule) in ruleset.rules.iter().enumerate() {
        let known = extras.known.and_then(|(others, same)| others.get((*same.get(place)?)?));
        let ended = match known {
            Some(verdict) => verdict.ended.clone(),
            None => run(facts, ruleset, rule, scope, timed),
        };
        if let Reads::ByRule(reads) = &mut extras.reads {
            let (mut compared, mut parameters) = (compare::take_noted(), parameters_read(ruleset));
            if facts::has_read_masked() {
                // Values that were compared, and the names of parameters that were looked up, may be masked.
                (compared, parameters) = (Vec::new(), Vec::new());
            }
            reads.push(RuleReads { facts: facts.take_reads(), parameters, compared });
        }
        let answered = matches!(ended, Ended::Gave { .. } | Ended::Failed { .. });
        let counts = rule.header.mode == Mode::Active;
        verdicts.push(RuleVerdict { rule: rule.id.clone(), hash: rule.hash.clone(), counts, ended });
        if answered && counts && ruleset.settings.combine == Combine::FirstMatch {
            break;
        }
    }
}

/// The parameters that were read since they were last taken.
fn parameters_read(ruleset: &Ruleset) -> Vec<FactRead> {
    let records = ruleset.shared.iter().filter_map(|(_, value)| value.clone().try_cast::<Record>());
    let mut reads = Vec::new();
    records.for_each(|record| record.take_reads(&mut reads));
    facts::union(reads).into_iter().filter(|read| read.value.is_some()).collect()
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
    let RuleVerdict { rule, ended, .. } = strongest?;
    let rule = rule.to_string();
    match ended {
        Ended::Pass | Ended::Skipped => None,
        Ended::Failed { cause, text } => Some(Verdict::escalate(*cause, text.clone(), Some(rule))),
        Ended::Gave { outcome, code, text } => {
            let (code, text) = (code.clone(), text.clone());
            Some(match outcome {
                Outcome::Approve => Verdict::Approve { code, text, rule: Some(rule) },
                Outcome::Reject => Verdict::Reject { code, text, rule },
                Outcome::Escalate => Verdict::Escalate { code, text, rule: Some(rule), cause: None },
            })
        }
    }
}

/// Runs one rule, if it runs today and on this task.
fn run(facts: &Facts, ruleset: &Ruleset, rule: &Rule, scope: &mut Scope<'static>, timed: &mut bool) -> Ended {
    if rule.header.mode == Mode::Off || !rule.header.is_in_season(|| facts.today()) {
        return Ended::Skipped;
    }
    if let (Some(ast), Some(when)) = (&rule.when, &rule.header.when) {
        match script::run(ruleset, ast, scope).map(|value| value.as_bool().map_err(|_| kind(&value))) {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Ended::Skipped,
            Ok(Err(kind)) => {
                let text = format!("{}:{}: when is {kind}, not true or false", rule.file, when.line);
                return Ended::Failed { cause: Cause::RuleError, text };
            }
            Err(stop) => return stop.ended(rule, Some((when.line, when.column)), timed),
        }
    }
    // What the explanation tells of a rule, it tells of both scripts.
    let when_read_masked = rule.when.is_some() && facts::has_read_masked();
    let ended = match script::run(ruleset, &rule.ast, scope) {
        Ok(value) if value.is_unit() => Ended::Pass,
        Ok(_) => Ended::Failed {
            cause: Cause::RuleError,
            text: format!("{}: the rule ended with a value, which decides nothing", rule.file),
        },
        Err(stop) => stop.ended(rule, None, timed),
    };
    if when_read_masked {
        facts::note_masked_read();
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Record;

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
