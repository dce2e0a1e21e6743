//! The `[[never]]` conditions of the new ruleset's tests, checked on every stored task.

use serde::Serialize;

use crate::cases::file::Tests;
use crate::condition::Condition;
use crate::evaluate::Prepared;
use crate::evaluation::Evaluation;
use crate::ruleset::Ruleset;
use crate::verdict::Outcome;

/// The most orders that are named.
const NAMED: usize = 10;

/// A `[[never]]` of a ruleset's tests, ready to be asked.
pub(super) struct Never {
    name: String,
    /// Or why it cannot be asked.
    condition: Result<Condition, String>,
    outcome: Outcome,
}

/// A `[[never]]` that does not hold over stored tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The condition's name; for a test file that cannot be read, its path.
    pub name: String,
    /// How many tasks break it.
    pub tasks: u64,
    /// The first of them: the place in the input and the order's id.
    pub first: Vec<(u64, String)>,
    /// How many tasks have the outcome, and the condition cannot be evaluated on them.
    pub unknown: u64,
    /// Why it cannot be evaluated, on the first task of these or on any.
    pub problem: Option<(u64, String)>,
}

/// The conditions of a ruleset's tests.
pub(super) fn of(ruleset: &Ruleset) -> Vec<Never> {
    let tests = Tests::of(ruleset);
    let ready = tests.nevers.into_iter().map(|never| {
        let condition = Condition::new(ruleset, &never.when);
        Never { name: never.name, condition, outcome: never.outcome }
    });
    // A test file that cannot be read may contain conditions; they count as broken.
    let unread = tests.errors.into_iter().map(|error| Never {
        name: error.place(),
        condition: Err(error.message),
        outcome: Outcome::Approve,
    });
    ready.chain(unread).collect()
}

impl Never {
    /// Not broken by any task yet.
    pub(super) fn unbroken(&self) -> Broken {
        let problem = self.condition.as_ref().err().map(|problem| (0, problem.clone()));
        Broken { name: self.name.clone(), problem, ..Broken::default() }
    }

    /// Asks it of a task, and notes in `broken` what does not hold.
    pub(super) fn ask(
        &self,
        ruleset: &Ruleset,
        (index, order_id, task): (u64, &str, &Prepared),
        evaluation: &Evaluation,
        broken: &mut Broken,
    ) {
        // A task that does not fit the schema has no facts that a condition could speak of.
        let (Ok(condition), Ok(facts)) = (&self.condition, &task.facts) else { return };
        if evaluation.verdict.outcome() != self.outcome {
            return;
        }
        match condition.holds_of(ruleset, facts) {
            Ok(false) => {}
            Ok(true) => broken.add(index, order_id),
            Err(problem) => {
                broken.unknown += 1;
                let problem = format!("order {order_id}: {problem}");
                broken.problem.get_or_insert((index, problem));
            }
        }
    }
}

impl Broken {
    fn add(&mut self, index: u64, order_id: &str) {
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
        self.unknown += other.unknown;
        self.problem = [self.problem.take(), other.problem].into_iter().flatten().min();
    }

    /// It holds over every task.
    pub(super) fn holds(&self) -> bool {
        self.tasks == 0 && self.unknown == 0 && self.problem.is_none()
    }
}
