//! Where a task is in its life, and the only moves it may make.
//!
//! The table's conditional writes enforce these moves; this is the same matrix as a value, so that tests and the
//! model can hold every write against it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a task is. Stored as the `status` attribute, in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Stored; no rule has answered yet, or the answer is stored and still due.
    Pending,
    /// The rules left it to a person.
    Escalated,
    /// The workflow received an approval. Final.
    Approved,
    /// The workflow received a rejection. Final.
    Rejected,
    /// The workflow no longer waits, and received nothing of ours. Final.
    Expired,
    /// The stored decision can never be delivered; someone must look. Final.
    Failed,
}

impl Status {
    /// Every status, in the order of a task's life.
    pub const ALL: [Status; 6] = [
        Status::Pending,
        Status::Escalated,
        Status::Approved,
        Status::Rejected,
        Status::Expired,
        Status::Failed,
    ];

    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "PENDING",
            Status::Escalated => "ESCALATED",
            Status::Approved => "APPROVED",
            Status::Rejected => "REJECTED",
            Status::Expired => "EXPIRED",
            Status::Failed => "FAILED",
        }
    }

    /// Reads the stored text; case matters.
    pub fn parse(text: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// No move leads out of it.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Approved | Status::Rejected | Status::Expired | Status::Failed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a decision says. Escalating is not a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The workflow goes on.
    Approved,
    /// The workflow takes its `Approval.Rejected` path.
    Rejected,
}

impl Outcome {
    /// Both outcomes.
    pub const ALL: [Outcome; 2] = [Outcome::Approved, Outcome::Rejected];

    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Approved => "approved",
            Outcome::Rejected => "rejected",
        }
    }

    /// Reads the stored text; case matters.
    pub fn parse(text: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }

    /// The status of a task whose workflow received it.
    pub fn status(self) -> Status {
        match self {
            Outcome::Approved => Status::Approved,
            Outcome::Rejected => Status::Rejected,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a stored decision has come. Stored as the `delivery` attribute; absent while there is no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Delivery {
    /// To be sent, or sent with no answer yet.
    Due,
    /// The token was closed already; the execution's history must say by whom.
    Unverified,
    /// The workflow has it.
    Delivered,
    /// The workflow ended another way.
    ClosedElsewhere,
    /// Step Functions refuses the token or the payload for good.
    Undeliverable,
}

impl Delivery {
    /// Every delivery, in order.
    pub const ALL: [Delivery; 5] = [
        Delivery::Due,
        Delivery::Unverified,
        Delivery::Delivered,
        Delivery::ClosedElsewhere,
        Delivery::Undeliverable,
    ];

    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Delivery::Due => "DUE",
            Delivery::Unverified => "UNVERIFIED",
            Delivery::Delivered => "DELIVERED",
            Delivery::ClosedElsewhere => "CLOSED_ELSEWHERE",
            Delivery::Undeliverable => "UNDELIVERABLE",
        }
    }

    /// Reads the stored text; case matters.
    pub fn parse(text: &str) -> Option<Delivery> {
        Delivery::ALL.into_iter().find(|delivery| delivery.as_str() == text)
    }
}

/// The attributes that together say where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// The `status` attribute.
    pub status: Status,
    /// The stored decision's outcome, when there is one.
    pub outcome: Option<Outcome>,
    /// The `delivery` attribute.
    pub delivery: Option<Delivery>,
    /// The first of two approvals is stored: the `firstApproval` attribute.
    pub has_first: bool,
}

/// What can happen to a task: one conditional write each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The rules leave it to a person.
    Escalated,
    /// A rule decided.
    DecidedByRule(Outcome),
    /// A person decided: the second one, where two must approve.
    DecidedByPerson(Outcome),
    /// The first of two people approved. Not a decision.
    FirstApproved,
    /// The callback was accepted, or history proves it was.
    Accepted,
    /// The callback found the token closed.
    FoundClosed,
    /// History proves that the workflow received another answer than ours.
    ProvenClosedElsewhere,
    /// Step Functions refused the token or the payload for good.
    Refused,
    /// The workflow is proven to wait no longer.
    ProvenGone,
    /// A person gave it back to the rules.
    GivenBack,
}

impl Event {
    /// Every event, with every outcome.
    pub const ALL: [Event; 12] = [
        Event::Escalated,
        Event::DecidedByRule(Outcome::Approved),
        Event::DecidedByRule(Outcome::Rejected),
        Event::DecidedByPerson(Outcome::Approved),
        Event::DecidedByPerson(Outcome::Rejected),
        Event::FirstApproved,
        Event::Accepted,
        Event::FoundClosed,
        Event::ProvenClosedElsewhere,
        Event::Refused,
        Event::ProvenGone,
        Event::GivenBack,
    ];
}

/// A move the lifecycle does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen to a task in {from:?}")]
pub struct IllegalMove {
    /// Where the task was.
    pub from: State,
    /// What was tried.
    pub event: Event,
}

impl State {
    /// Where ingest puts a new task.
    pub const NEW: State = State { status: Status::Pending, outcome: None, delivery: None, has_first: false };

    /// Tells whether a task can be in this state at all: whether some sequence of events leads here from
    /// [`State::NEW`]. An edit by hand can leave any other.
    pub fn is_possible(self) -> bool {
        // Only people who were asked approve, and what one of them approved is not returned to the rules.
        if self.has_first && self.status == Status::Pending {
            return false;
        }
        match (self.status, self.outcome, self.delivery) {
            (Status::Pending | Status::Escalated | Status::Expired, None, None) => true,
            (Status::Pending | Status::Escalated, Some(_), Some(Delivery::Due | Delivery::Unverified)) => {
                true
            }
            (Status::Approved, Some(Outcome::Approved), Some(Delivery::Delivered)) => true,
            (Status::Rejected, Some(Outcome::Rejected), Some(Delivery::Delivered)) => true,
            (Status::Expired, Some(_), Some(Delivery::ClosedElsewhere)) => true,
            (Status::Failed, Some(_), Some(Delivery::Undeliverable)) => true,
            (_, _, _) => false,
        }
    }

    /// The state after `event`.
    ///
    /// # Errors
    ///
    /// [`IllegalMove`] where the lifecycle has no such move; the conditional write of that event fails too.
    pub fn after(self, event: Event) -> Result<State, IllegalMove> {
        use Delivery::{ClosedElsewhere, Delivered, Due, Undeliverable, Unverified};
        let state = match (self.status, self.outcome, self.delivery, event) {
            (Status::Pending, None, None, Event::Escalated) => State { status: Status::Escalated, ..self },
            (Status::Pending, None, None, Event::DecidedByRule(outcome))
            | (Status::Pending | Status::Escalated, None, None, Event::DecidedByPerson(outcome)) => {
                State { outcome: Some(outcome), delivery: Some(Due), ..self }
            }
            (Status::Escalated, None, None, Event::FirstApproved) if !self.has_first => {
                State { has_first: true, ..self }
            }
            (Status::Escalated, None, None, Event::GivenBack) if !self.has_first => {
                State { status: Status::Pending, ..self }
            }
            (_, Some(outcome), Some(Due | Unverified), Event::Accepted) => {
                State { status: outcome.status(), delivery: Some(Delivered), ..self }
            }
            (_, Some(_), Some(Due), Event::FoundClosed) => State { delivery: Some(Unverified), ..self },
            (_, Some(_), Some(Unverified), Event::ProvenClosedElsewhere) => {
                State { status: Status::Expired, delivery: Some(ClosedElsewhere), ..self }
            }
            (_, Some(_), Some(Due), Event::Refused) => {
                State { status: Status::Failed, delivery: Some(Undeliverable), ..self }
            }
            (Status::Pending | Status::Escalated, None, None, Event::ProvenGone) => {
                State { status: Status::Expired, ..self }
            }
            _ => return Err(IllegalMove { from: self, event }),
        };
        Ok(state)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = self.outcome.map_or("no", Outcome::as_str);
        let delivery = self.delivery.map_or("none", Delivery::as_str);
        write!(f, "status {}, {outcome} decision, delivery {delivery}", self.status)?;
        if self.has_first { f.write_str(", first approval") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
