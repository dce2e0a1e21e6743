//! Stored tasks as a study of what people decided reads them.

use rules::agreement::{Answer, End, Escalation};
use statemachine::decision::{DecidedBy, Decision};
use statemachine::status::{Outcome, Status};
use statemachine::task;

/// How a task ended; `status` is none if it cannot be read.
pub(crate) fn end(status: Option<Status>, decision: Option<Decision>) -> End {
    let Some(decision) = decision else {
        return if status == Some(Status::Expired) { End::Expired } else { End::Open };
    };
    let answer = match decision.outcome {
        Outcome::Approved => Answer::Approved,
        Outcome::Rejected => Answer::Rejected,
    };
    match decision.decided_by {
        DecidedBy::Rule => End::ByRule(answer),
        DecidedBy::Person(_) => End::ByPerson { answer, at: decision.decided_at },
    }
}

/// Why a task was left to people.
pub(crate) fn escalation(asked: task::Escalation) -> Escalation {
    Escalation { code: asked.code, rule: asked.rule, reason: asked.reason, at: asked.at }
}
