//! `rules explain`: what each rule said of one task and which facts it read, and whether a stored answer repeats.

use std::fmt;

use rhai::Dynamic;
use serde::Serialize;

use crate::compare::{self, Operand};
use crate::evaluate::{self, Extras, Reads, RuleReads};
use crate::evaluation::{Ended, Evaluation, FactRead};
use crate::facts::Record;
use crate::ruleset::{Ruleset, TaskFacts};

/// The most false comparisons that are shown of one rule.
const MAX_NOT_MET: usize = 20;

/// One evaluation, rule by rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The ruleset's name and version, such as `approval@7f3a91c2`.
    pub ruleset: String,
    /// The evaluation as [`Ruleset::evaluate`] gives it.
    pub evaluation: Evaluation,
    /// Each rule's part, in the order they ran.
    pub rules: Vec<ExplainedRule>,
}

/// One rule's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedRule {
    /// The rule's id.
    pub id: String,
    /// Its file.
    pub file: String,
    /// What it says of itself; empty where it does not.
    pub title: String,
    /// Its owner; empty if it names none.
    pub owner: String,
    /// Where it comes from; empty where it does not say.
    pub why: String,
    /// It decided, or shares in the decision.
    pub counts: bool,
    /// How it ended.
    pub ended: Ended,
    /// The facts it read.
    pub facts: Vec<FactRead>,
    /// The parameters it read.
    pub parameters: Vec<FactRead>,
    /// The comparisons that were false, such as `order.amount (120.00) <= 100`; none of a rule that read a masked fact.
    pub not_met: Vec<String>,
}

/// Evaluates a task and tells how it came about.
pub fn explain(ruleset: &Ruleset, task: &TaskFacts<'_>) -> Explanation {
    let watched = watching_parameters(ruleset);
    let asked = watched.as_ref().unwrap_or(ruleset);
    let mut extras = Extras { reads: Reads::ByRule(Vec::new()), ..Extras::default() };
    let (evaluation, _) = compare::noting(|| evaluate::evaluate(asked, task, &mut extras));
    // An invalid task has no reads, as no rule ran.
    let Reads::ByRule(reads) = extras.reads else { unreachable!("it was asked for above") };
    let said = evaluation.verdicts.iter().zip(reads);
    let rules = said.filter_map(|(verdict, reads)| {
        let rule = ruleset.rules.iter().find(|rule| rule.id == verdict.rule)?;
        Some(ExplainedRule {
            id: verdict.rule.to_string(),
            file: rule.file.clone(),
            title: rule.header.title.clone(),
            owner: rule.header.owner.clone(),
            why: rule.header.why.clone(),
            counts: verdict.counts,
            ended: verdict.ended.clone(),
            not_met: not_met(&reads),
            facts: reads.facts,
            parameters: reads.parameters,
        })
    });
    let rules = rules.collect();
    Explanation { ruleset: ruleset.label(), evaluation, rules }
}

/// A copy of a ruleset that notes which parameters are read.
fn watching_parameters(ruleset: &Ruleset) -> Option<Ruleset> {
    let mut copy = Ruleset::from_files(ruleset.files.clone()).ok()?;
    for (_, value) in &mut copy.shared {
        if let Some(record) = value.clone().try_cast::<Record>() {
            *value = Dynamic::from(record.watched());
        }
    }
    Some(copy)
}

/// The comparisons of a rule that were false, each once, with the names of what was read where one read has that value.
/// If both sides have it, nothing tells which of them was read, so neither is named.
fn not_met(reads: &RuleReads) -> Vec<String> {
    let text = |operand: &Operand| match operand {
        Operand::Number(number) => number.to_string(),
        Operand::Text(text) => format!("\"{text}\""),
    };
    let name = |operand: &Operand| {
        let is_it = |read: &&FactRead| match (operand, &read.value) {
            (Operand::Number(number), Some(value)) => value.parse() == Ok(*number),
            (Operand::Text(text), Some(value)) => text.as_str() == &**value,
            (_, None) => false,
        };
        let mut found = reads.facts.iter().chain(&reads.parameters).filter(is_it);
        found.next().filter(|_| found.next().is_none()).map(|read| &*read.path)
    };
    let mut told: Vec<String> = Vec::new();
    for compared in reads.compared.iter().filter(|compared| !compared.holds) {
        let names = (name(&compared.left), name(&compared.right));
        let (left, right) = if names.0 == names.1 { (None, None) } else { names };
        let side = |operand, name: Option<&str>| match name {
            Some(name) => format!("{name} ({})", text(operand)),
            None => text(operand),
        };
        let text =
            format!("{} {} {}", side(&compared.left, left), compared.operator, side(&compared.right, right));
        if told.len() < MAX_NOT_MET && !told.contains(&text) {
            told.push(text);
        }
    }
    told
}

/// What came of repeating a stored evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// The same answer, bit for bit.
    Same,
    /// The stored one was made by another ruleset: repeat it with that one.
    OtherRuleset,
    /// The answers differ, and so do the engines: another version made the stored one.
    OtherEngine(Box<Evaluation>),
    /// The answers differ, and one of them was ended by the wall clock.
    Timed(Box<Evaluation>),
    /// The answers differ and should not.
    Different(Box<Evaluation>),
}

/// Repeats a stored evaluation with its own ruleset.
///
/// # Errors
///
/// When `stored` is not what [`Evaluation::to_json`] wrote.
pub fn replay(ruleset: &Ruleset, task: &TaskFacts<'_>, stored: &str) -> Result<Replay, serde_json::Error> {
    let old = Evaluation::from_json(stored)?;
    if old.ruleset != ruleset.sha256() {
        return Ok(Replay::OtherRuleset);
    }
    let new = ruleset.evaluate(task);
    Ok(if new.to_json() == stored {
        Replay::Same
    } else if old.engine != new.engine {
        Replay::OtherEngine(Box::new(new))
    } else if old.timed || new.timed {
        Replay::Timed(Box::new(new))
    } else {
        Replay::Different(Box::new(new))
    })
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", crate::cases::describe(&self.evaluation))?;
        writeln!(f, "by {} on engine {}\n", self.ruleset, self.evaluation.engine)?;
        for rule in &self.rules {
            write!(f, "{rule}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ExplainedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text) = match &self.ended {
            Ended::Pass => ("passed".to_owned(), ""),
            Ended::Skipped => ("did not run".to_owned(), ""),
            Ended::Gave { outcome, code, text } => (format!("{} [{code}]", outcome.as_str()), text.as_str()),
            Ended::Failed { cause, text } => (format!("failed [{}]", cause.as_str()), text.as_str()),
        };
        let counts = if self.counts { "" } else { ", for the record only" };
        writeln!(f, "{}: {word}{counts}  ({})", self.id, self.file)?;
        if !text.is_empty() {
            writeln!(f, "    {text}")?;
        }
        if !matches!(self.ended, Ended::Pass | Ended::Skipped) && !self.title.is_empty() {
            let by = [&self.owner, &self.why].into_iter().filter(|text| !text.is_empty());
            let by: Vec<&str> = by.map(String::as_str).collect();
            let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join("; ")) };
            writeln!(f, "    rule: {}{by}", self.title)?;
        }
        for fact in &self.facts {
            match &fact.value {
                Some(value) => writeln!(f, "    read {} = {}", fact.path, &**value)?,
                None => writeln!(f, "    read {}", fact.path)?,
            }
        }
        for parameter in &self.parameters {
            writeln!(
                f,
                "    parameter {} = {}",
                parameter.path,
                parameter.value.as_deref().unwrap_or_default()
            )?;
        }
        for comparison in &self.not_met {
            writeln!(f, "    false: {comparison}")?;
        }
        Ok(())
    }
}
