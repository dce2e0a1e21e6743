//! `rules agreement`: what people decided of the tasks that the rules left to them, and what the rules could learn from it.
//!
//! Three answers from one reading of stored tasks: why people were asked and what they decided (`asked`); how often a
//! ruleset would have decided as they did (`candidate`); and conditions under which they always decided alike
//! (`learn`). Nothing here changes a ruleset.

mod asked;
mod candidate;
mod change;
mod columns;
mod draft;
mod examples;
mod grid;
mod learn;
mod money;
mod proof;
mod report;
mod reviewed;
mod scale;
mod search;
mod table;
mod wanted;

use serde::Serialize;

pub use self::asked::{Asked, Reason};
pub use self::candidate::{Candidate, Disagreement};
pub use self::draft::Draft;
pub use self::learn::{CounterExample, Proposal};
pub use self::money::Money;
pub use self::reviewed::{Answer, End, Escalation, Reviewed};
use crate::evaluate::{self, Extras, Reads};
use crate::ruleset::Ruleset;

/// What came of a study. Equal for equal rulesets and tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// How many tasks were read.
    pub tasks: u64,
    /// Why people were asked, the most frequent first.
    pub asked: Vec<Asked>,
    /// How the ruleset would have decided of the tasks that were left to people.
    pub candidate: Candidate,
    /// What the rules could learn, the most frequent first.
    pub proposals: Vec<Proposal>,
    /// Why there are no proposals, or not from all tasks.
    pub notes: Vec<String>,
}

/// A study of stored tasks by one ruleset: its schema names the facts, its rules say what is still left to people.
#[derive(Debug)]
pub struct Study<'a> {
    ruleset: &'a Ruleset,
    tasks: u64,
    asked: asked::All,
    candidate: Candidate,
    table: table::Table,
}

impl<'a> Study<'a> {
    /// A study that has read no task yet.
    pub fn new(ruleset: &'a Ruleset) -> Study<'a> {
        Study {
            ruleset,
            tasks: 0,
            asked: asked::All::default(),
            candidate: Candidate::new(ruleset.label()),
            table: table::Table::new(ruleset),
        }
    }

    /// Reads one task. The order of tasks does not change what is learnt, only which examples are kept.
    pub fn add(&mut self, reviewed: &Reviewed) {
        self.tasks += 1;
        if let Some(escalation) = &reviewed.escalation {
            self.asked.add(escalation, &reviewed.end);
        }
        let prepared = evaluate::prepare(self.ruleset, &reviewed.task.facts());
        let mut extras = Extras { reads: Reads::None, ..Extras::default() };
        let evaluation = evaluate::evaluate_prepared(self.ruleset, &prepared, &mut extras);
        let amount = prepared.facts.as_ref().ok().and_then(|facts| self.table.amount(facts));
        self.candidate.add(reviewed, &evaluation, amount);
        if let Ok(facts) = &prepared.facts {
            self.table.add(self.ruleset, reviewed, &evaluation, facts, amount);
        }
    }

    /// What came of it.
    pub fn finish(self) -> Agreement {
        let (proposals, notes) = learn::learn(self.ruleset, &self.table);
        Agreement {
            tasks: self.tasks,
            asked: self.asked.finish(),
            candidate: self.candidate,
            proposals,
            notes,
        }
    }
}
