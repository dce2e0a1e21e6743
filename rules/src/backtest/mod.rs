//! `rules backtest`: what an edit would have decided over stored tasks, before it decides anything.
//!
//! Facts are what was stored, so the answer depends on nothing but its input; how many threads share the work does not
//! change it. Memory is bounded by the changes that are kept, not by the tasks.

mod never;
mod report;
mod same;
mod sums;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

pub use self::never::Broken;
pub use self::sums::{Sums, Total};
use crate::evaluate::{self, Extras, Measured, Reads};
use crate::evaluation::Evaluation;
use crate::ruleset::{Ruleset, TaskFacts};
use crate::verdict::Outcome;

/// How many tasks a thread takes at a time.
const BATCH: usize = 256;

/// A task as it was stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredTask {
    /// The task's id; empty where it is not known.
    #[serde(default)]
    pub task_id: String,
    /// See [`TaskFacts::order`].
    #[serde(default)]
    pub order: Option<String>,
    /// See [`TaskFacts::order_id`].
    pub order_id: String,
    /// See [`TaskFacts::start_time`].
    #[serde(default)]
    pub start_time: String,
    /// See [`TaskFacts::transaction_id`].
    #[serde(default)]
    pub transaction_id: String,
    /// See [`TaskFacts::received_at`].
    pub received_at: String,
}

/// How a backtest runs.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many threads share the work.
    pub threads: NonZeroUsize,
    /// How many changed tasks are kept, the first ones in the order of the input; all are counted.
    pub keep_changes: usize,
}

/// What two rulesets said of one task, where they differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The task's place in the input, from 0.
    pub index: u64,
    /// The task's id.
    pub task_id: String,
    /// The order's id.
    pub order_id: String,
    /// What the old ruleset said.
    pub old: Said,
    /// What the new ruleset says.
    pub new: Said,
}

/// One ruleset's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// What it came to.
    pub outcome: Outcome,
    /// The code.
    pub code: String,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The words for people.
    pub text: String,
}

/// What came of a backtest. Equal for equal rulesets and tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Backtest {
    /// The old ruleset, such as `approval@7f3a91c2`.
    pub old: String,
    /// The new ruleset.
    pub new: String,
    /// How many tasks were evaluated.
    pub tasks: u64,
    /// Tasks by old outcome (rows) and new (columns), in the order of [`Outcome::ALL`].
    pub matrix: [[u64; 3]; 3],
    /// How many tasks have another outcome, code or rule.
    pub changed: u64,
    /// The first of them.
    pub changes: Vec<Change>,
    /// Tasks by `outcome code` of the old and of the new ruleset, where these differ.
    pub moves: Vec<Move>,
    /// The sums of the facts that the new ruleset's `amounts` names.
    pub amounts: BTreeMap<String, Sums>,
    /// What the new ruleset's tests say must never happen, and does, or cannot be asked.
    pub broken: Vec<Broken>,
    /// Evaluations that the wall clock ended: they may differ when repeated.
    pub timed: u64,
}

/// How many tasks went from one answer to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    /// `approve small-order`.
    pub from: String,
    /// `escalate over-tier-limit`.
    pub to: String,
    /// How many.
    pub tasks: u64,
}

/// The two rulesets.
struct Pair<'a> {
    old: &'a Ruleset,
    new: &'a Ruleset,
    /// A task has the same facts for both: it is read once. See [`same::facts`].
    same_facts: bool,
    /// See [`same::rules`].
    same_rules: Vec<Option<usize>>,
    nevers: Vec<never::Never>,
    keep_changes: usize,
}

/// One thread's part.
#[derive(Debug, Default)]
struct Part {
    tasks: u64,
    matrix: [[u64; 3]; 3],
    changed: u64,
    changes: Vec<Change>,
    moves: BTreeMap<(String, String), u64>,
    amounts: Vec<Sums>,
    broken: Vec<Broken>,
    timed: u64,
}

/// Evaluates every task by both rulesets. `progress` counts the tasks that are done, for those who watch.
///
/// # Panics
///
/// When `tasks` panics.
pub fn backtest(
    old: &Ruleset,
    new: &Ruleset,
    tasks: impl Iterator<Item = StoredTask> + Send,
    options: Options,
    progress: &AtomicU64,
) -> Backtest {
    let keep_changes = options.keep_changes;
    let (same_facts, same_rules) = (same::facts(old, new), same::rules(old, new));
    let pair = Pair { old, new, same_facts, same_rules, nevers: never::of(new), keep_changes };
    let source = Mutex::new((0u64, tasks));
    let paths = &new.settings().amounts;
    let work = || {
        let mut part = Part {
            amounts: vec![Sums::default(); paths.len()],
            broken: pair.nevers.iter().map(never::Never::unbroken).collect(),
            ..Part::default()
        };
        loop {
            let (first, batch) = {
                let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
                let first = source.0;
                let batch: Vec<StoredTask> = source.1.by_ref().take(BATCH).collect();
                source.0 += batch.len() as u64;
                (first, batch)
            };
            if batch.is_empty() {
                return part;
            }
            for (index, task) in (first..).zip(&batch) {
                part.task(&pair, index, task);
            }
            progress.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
    };
    let parts: Vec<Part> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads.get()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("evaluations never panic")).collect()
    });
    merge(old, new, parts, options.keep_changes)
}

impl Backtest {
    /// Every `[[never]]` of the new ruleset could be asked and holds over all tasks.
    pub fn is_ok(&self) -> bool {
        self.broken.is_empty()
    }
}

impl Part {
    fn task(&mut self, pair: &Pair<'_>, index: u64, task: &StoredTask) {
        let Pair { old, new, .. } = pair;
        let facts = task.facts();
        let seen = evaluate::prepare(old, &facts);
        let apart = (!pair.same_facts).then(|| evaluate::prepare(new, &facts));
        let seen_again = apart.as_ref().unwrap_or(&seen);
        let mut extras = Extras { reads: Reads::None, ..Extras::default() };
        let before = evaluate::evaluate_prepared(old, &seen, &mut extras);
        // What the clock ended is not known for good.
        let known = (!before.timed).then_some((before.verdicts.as_slice(), pair.same_rules.as_slice()));
        let paths = &new.settings().amounts;
        let mut extras = Extras { reads: Reads::None, known, paths, amounts: Vec::new() };
        let after = evaluate::evaluate_prepared(new, seen_again, &mut extras);
        let mut amounts = extras.amounts;
        amounts.resize(self.amounts.len(), Measured::default());
        let (row, column) = (place(before.verdict.outcome()), place(after.verdict.outcome()));
        self.tasks += 1;
        self.matrix[row][column] += 1;
        self.timed += u64::from(before.timed) + u64::from(after.timed);
        for (sums, amount) in self.amounts.iter_mut().zip(amounts) {
            // The sum over one task would tell a masked number.
            sums.add(amount.number.filter(|_| !amount.is_masked), row, column);
        }
        for (never, broken) in pair.nevers.iter().zip(&mut self.broken) {
            never.ask(new, (index, &task.order_id, seen_again), &after, broken);
        }
        let is_same = row == column
            && before.verdict.code() == after.verdict.code()
            && before.verdict.rule() == after.verdict.rule();
        if is_same {
            return;
        }
        self.changed += 1;
        *self.moves.entry((name(&before), name(&after))).or_default() += 1;
        // A thread's batches come in the order of the input: the first it meets are its first.
        if self.changes.len() < pair.keep_changes {
            self.changes.push(Change {
                index,
                task_id: task.task_id.clone(),
                order_id: task.order_id.clone(),
                old: Said::from(&before),
                new: Said::from(&after),
            });
        }
    }
}

fn merge(old: &Ruleset, new: &Ruleset, parts: Vec<Part>, keep: usize) -> Backtest {
    let mut all = Backtest { old: old.label(), new: new.label(), ..Backtest::default() };
    let mut moves: BTreeMap<(String, String), u64> = BTreeMap::new();
    for part in parts {
        all.tasks += part.tasks;
        all.changed += part.changed;
        all.timed += part.timed;
        all.changes.extend(part.changes);
        for (row, counts) in part.matrix.into_iter().enumerate() {
            for (column, count) in counts.into_iter().enumerate() {
                all.matrix[row][column] += count;
            }
        }
        for (path, sums) in new.settings().amounts.iter().zip(part.amounts) {
            all.amounts.entry(path.clone()).or_default().merge(&sums);
        }
        for (place, broken) in part.broken.into_iter().enumerate() {
            match all.broken.get_mut(place) {
                Some(sum) => sum.merge(broken),
                None => all.broken.push(broken),
            }
        }
        for (between, count) in part.moves {
            *moves.entry(between).or_default() += count;
        }
    }
    all.broken.retain(|broken| !broken.holds());
    all.changes.sort_by_key(|change| change.index);
    all.changes.truncate(keep);
    all.moves = moves.into_iter().map(|((from, to), tasks)| Move { from, to, tasks }).collect();
    all.moves.sort_by(|a, b| (b.tasks, &a.from, &a.to).cmp(&(a.tasks, &b.from, &b.to)));
    all
}

impl StoredTask {
    /// The task as its rules see it.
    pub fn facts(&self) -> TaskFacts<'_> {
        TaskFacts {
            order: self.order.as_deref(),
            order_id: &self.order_id,
            start_time: &self.start_time,
            transaction_id: &self.transaction_id,
            received_at: &self.received_at,
        }
    }
}

impl From<&Evaluation> for Said {
    fn from(evaluation: &Evaluation) -> Said {
        let verdict = &evaluation.verdict;
        Said {
            outcome: verdict.outcome(),
            code: verdict.code().to_owned(),
            rule: verdict.rule().map(str::to_owned),
            text: verdict.text().to_owned(),
        }
    }
}

fn place(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Approve => 0,
        Outcome::Reject => 1,
        Outcome::Escalate => 2,
    }
}

fn name(evaluation: &Evaluation) -> String {
    format!("{} {}", evaluation.verdict.outcome().as_str(), evaluation.verdict.code())
}
