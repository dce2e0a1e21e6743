//! What the new ruleset's tests say must never happen, asked of every stored task.

use serde::Serialize;

use crate::cases::file::Tests;
use crate::condition::Condition;
use crate::evaluate::Prepared;
use crate::evaluation::Evaluation;
use crate::ruleset::Ruleset;
use crate::verdict::Outcome;

/// The most orders that are named.
const NAMED: usize = 10;

/// A `[[never]]` of a ruleset's tests, ready to be asked. One that does not compile is `rules test`'s to tell.
pub(super) struct Never {
    name: String,
    condition: Condition,
    outcome: Outcome,
}

/// A `[[never]]` that stored tasks break.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The condition's name.
    pub name: String,
    /// How many tasks break it.
    pub tasks: u64,
    /// The first of them: the place in the input and the order's id.
    pub first: Vec<(u64, String)>,
}

/// The conditions of a ruleset's tests.
pub(super) fn of(ruleset: &Ruleset) -> Vec<Never> {
    let nevers = Tests::of(ruleset).nevers.into_iter();
    let ready = nevers.filter_map(|never| {
        let condition = Condition::new(ruleset, &never.when).ok()?;
        Some(Never { name: never.name, condition, outcome: never.outcome })
    });
    ready.collect()
}

impl Never {
    /// None of its tasks broken yet.
    pub(super) fn unbroken(&self) -> Broken {
        Broken { name: self.name.clone(), ..Broken::default() }
    }

    /// Tells whether a task breaks it. One whose facts the condition cannot read does not.
    pub(super) fn is_broken_by(&self, ruleset: &Ruleset, task: &Prepared, evaluation: &Evaluation) -> bool {
        let Ok(facts) = &task.facts else { return false };
        evaluation.verdict.outcome() == self.outcome
            && self.condition.holds_of(ruleset, facts).unwrap_or(false)
    }
}

impl Broken {
    pub(super) fn add(&mut self, index: u64, order_id: &str) {
        self.tasks += 1;
        // A thread meets its tasks in the order of the input: its first are among the first of all.
        if self.first.len() < NAMED {
            self.first.push((index, order_id.to_owned()));
        }
    }

    pub(super) fn merge(&mut self, other: Broken) {
        self.tasks += other.tasks;
        self.first.extend(other.first);
        self.first.sort();
        self.first.truncate(NAMED);
    }
}
