//! How a ruleset would have decided of the tasks that were left to people, beside what these people decided.

use serde::Serialize;

use super::money::Money;
use super::reviewed::{Answer, End, Reviewed};
use crate::evaluation::Evaluation;
use crate::verdict::Outcome;

/// What a ruleset would newly decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The ruleset, such as `approval@7f3a91c2`.
    pub ruleset: String,
    /// How many tasks were left to people.
    pub left_to_people: u64,
    /// How many of them this ruleset would decide.
    pub newly_decided: u64,
    /// How many of those a person decided.
    pub people_decided: u64,
    /// How many of those the ruleset would have decided as the person did.
    pub same: u64,
    /// All others.
    pub disagreements: Vec<Disagreement>,
}

/// A task that a person decided otherwise than the ruleset would have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// The task's id.
    pub task_id: String,
    /// The order's id.
    pub order_id: String,
    /// What it is about, where the ruleset names an amount.
    pub money: Option<Money>,
    /// Why it was left to a person.
    pub escalated: String,
    /// What the person decided.
    pub person: Answer,
    /// What the ruleset would have.
    pub ruleset: Answer,
    /// With which code.
    pub code: String,
    /// By which rule.
    pub rule: Option<String>,
}

impl Candidate {
    pub(super) fn new(ruleset: String) -> Candidate {
        let (left_to_people, newly_decided, people_decided, same) = (0, 0, 0, 0);
        Candidate { ruleset, left_to_people, newly_decided, people_decided, same, disagreements: Vec::new() }
    }

    pub(super) fn add(&mut self, reviewed: &Reviewed, evaluation: &Evaluation, money: Option<Money>) {
        let Some(escalation) = &reviewed.escalation else { return };
        self.left_to_people += 1;
        let answer = match evaluation.verdict.outcome() {
            Outcome::Approve => Answer::Approved,
            Outcome::Reject => Answer::Rejected,
            Outcome::Escalate => return,
        };
        self.newly_decided += 1;
        let End::ByPerson { answer: person, .. } = reviewed.end else { return };
        self.people_decided += 1;
        if person == answer {
            self.same += 1;
            return;
        }
        self.disagreements.push(Disagreement {
            task_id: reviewed.task.task_id.clone(),
            order_id: reviewed.task.order_id.clone(),
            money,
            escalated: escalation.code.clone(),
            person,
            ruleset: answer,
            code: evaluation.verdict.code().to_owned(),
            rule: evaluation.verdict.rule().map(str::to_owned),
        });
    }
}
