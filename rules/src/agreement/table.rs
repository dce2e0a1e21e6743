//! The decided tasks in rows and columns: what people decided, beside every fact that a proposal may speak of.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::columns::{self, Cell, Column};
use super::money::Money;
use super::reviewed::{Answer, End, Reviewed};
use crate::cases::file::Tests;
use crate::condition::Condition;
use crate::dates;
use crate::evaluation::{Ended, Evaluation};
use crate::ruleset::Ruleset;
use crate::task_facts::Facts;
use crate::verdict::Outcome;

/// The most cells that are kept, of 20 bytes each; tasks beyond them teach nothing.
const MAX_CELLS: usize = 8_000_000;
/// The most tasks of one reason whose orders are kept as examples, and the longest such order, in bytes.
const MAX_EXAMPLES: usize = 1_000;
const MAX_EXAMPLE_BYTES: usize = 4 * 1024;

/// Why the ruleset leaves tasks to people: a rule and its code, or no rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// Every rule passed.
    NoRule,
    /// A rule asked for a person.
    Asks {
        /// The rule's id.
        rule: String,
        /// Its code.
        code: String,
    },
}

/// One task that was left to people, as one reason sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// Its row.
    pub(super) row: usize,
    /// No other rule asks for a person: were it not for this one, the task would be decided.
    pub(super) alone: bool,
}

/// One decided task.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) task_id: String,
    pub(super) order_id: String,
    pub(super) received_at: String,
    pub(super) money: Option<Money>,
    /// What a person decided; for a task that this ruleset approves by itself, its approval.
    pub(super) answer: Answer,
    /// The day of UTC on which it was decided.
    pub(super) day: Date,
    /// This must not be approved by a rule, or rejected: a `[[never]]` of the ruleset's tests says so, or the ruleset
    /// approves it by itself.
    pub(super) never: [bool; 2],
    /// The order, where it is kept as an example.
    pub(super) order: Option<String>,
}

/// The decided tasks.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    cells: Vec<Cell>,
    /// The tasks that people decided and that this ruleset leaves to them, by its reason.
    pub(super) left: BTreeMap<Why, Vec<Member>>,
    /// Tasks that found no place.
    pub(super) left_out: u64,
    /// The path of the fact that says what a task is about.
    pub(super) amount: Option<String>,
    /// The conditions of the ruleset's `[[never]]`, each with what must not happen.
    nevers: Vec<(Outcome, Condition)>,
}

impl Table {
    pub(super) fn new(ruleset: &Ruleset) -> Table {
        let settings = ruleset.settings();
        let capped = settings.budget.amount_per_hour.as_ref().map(|(path, _)| path);
        let amount = settings.amounts.first().or(capped).cloned();
        let columns = columns::of(ruleset);
        // A masked fact, and one that is made of one, has no column.
        let is_shown = |path: &String| {
            let is_it = |column: &Column| {
                column.expression == *path || column.path.as_deref() == path.strip_prefix("order.")
            };
            ruleset.schema.is_none() || columns.iter().any(is_it)
        };
        Table {
            amount: amount.filter(is_shown),
            columns,
            rows: Vec::new(),
            cells: Vec::new(),
            left: BTreeMap::new(),
            left_out: 0,
            nevers: nevers(ruleset),
        }
    }

    /// What a task is about, where the ruleset says which fact that is and the fact may be shown.
    pub(super) fn amount(&self, facts: &Facts) -> Option<Money> {
        self.amount.as_ref().and_then(|path| facts.number(path)).map(Money)
    }

    /// Takes a task that a person decided, or that the ruleset approves by itself.
    pub(super) fn add(
        &mut self,
        ruleset: &Ruleset,
        reviewed: &Reviewed,
        evaluation: &Evaluation,
        facts: &Facts,
        money: Option<Money>,
    ) {
        if self.columns.is_empty() {
            return;
        }
        let by_itself = evaluation.verdict.outcome() == Outcome::Approve;
        let (answer, day) = match &reviewed.end {
            End::ByPerson { answer, at } => (*answer, dates::parse(at)),
            End::Open | End::Expired | End::ByRule(_) if by_itself => (Answer::Approved, Ok(facts.today())),
            End::Open | End::Expired | End::ByRule(_) => return,
        };
        let Ok(day) = day else { return };
        // What the rules reject by themselves, no proposal changes.
        if evaluation.verdict.outcome() == Outcome::Reject {
            return;
        }
        let reasons = reasons(evaluation);
        if self.cells.len() + self.columns.len() > MAX_CELLS {
            self.left_out += 1;
            return;
        }
        let row = self.rows.len();
        for column in &mut self.columns {
            self.cells.push(column.read(ruleset, facts));
        }
        let order = reviewed.task.order.as_ref().filter(|order| order.len() <= MAX_EXAMPLE_BYTES);
        let wanted = reasons.iter().any(|(why, _)| self.left.get(why).map_or(0, Vec::len) < MAX_EXAMPLES);
        self.rows.push(Row {
            task_id: reviewed.task.task_id.clone(),
            order_id: reviewed.task.order_id.clone(),
            received_at: reviewed.task.received_at.clone(),
            money,
            answer,
            day,
            never: [
                self.forbids(Outcome::Approve, ruleset, facts),
                by_itself || self.forbids(Outcome::Reject, ruleset, facts),
            ],
            order: order.filter(|_| wanted).cloned(),
        });
        for (why, alone) in reasons {
            self.left.entry(why).or_default().push(Member { row, alone });
        }
    }

    /// Whether a `[[never]]` forbids an outcome. One that cannot be evaluated does.
    fn forbids(&self, outcome: Outcome, ruleset: &Ruleset, facts: &Facts) -> bool {
        let mut nevers = self.nevers.iter().filter(|(forbidden, _)| *forbidden == outcome);
        nevers.any(|(_, condition)| condition.holds_of(ruleset, facts).unwrap_or(true))
    }

    /// A task's value in a column.
    pub(super) fn cell(&self, row: usize, column: usize) -> Cell {
        self.cells[row * self.columns.len() + column]
    }
}

fn nevers(ruleset: &Ruleset) -> Vec<(Outcome, Condition)> {
    let nevers = Tests::of(ruleset).nevers.into_iter();
    nevers.filter_map(|never| Some((never.outcome, Condition::new(ruleset, &never.when).ok()?))).collect()
}

/// Each reason for which a ruleset leaves a task to people, and whether it is the only one. None if it decides, or fails.
fn reasons(evaluation: &Evaluation) -> Vec<(Why, bool)> {
    if evaluation.verdict.outcome() != Outcome::Escalate {
        return Vec::new();
    }
    let asking: Vec<_> = evaluation
        .verdicts
        .iter()
        .filter(|verdict| verdict.counts)
        .filter_map(|verdict| match &verdict.ended {
            Ended::Gave { outcome: Outcome::Escalate, code, .. } => Some(Some((&verdict.rule, code))),
            Ended::Failed { .. } => Some(None),
            Ended::Gave { outcome: Outcome::Approve | Outcome::Reject, .. }
            | Ended::Pass
            | Ended::Skipped => None,
        })
        .collect();
    if asking.is_empty() {
        return vec![(Why::NoRule, true)];
    }
    let alone = asking.len() == 1;
    let reasons = asking.into_iter().flatten();
    reasons.map(|(rule, code)| (Why::Asks { rule: rule.to_string(), code: code.clone() }, alone)).collect()
}
