//! What is learnt from: stored tasks, why people were asked, and how they ended.

use serde::{Deserialize, Serialize};

use crate::backtest::StoredTask;

/// A stored task and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// The task as its rules saw it.
    pub task: StoredTask,
    /// Why it was left to a person; none for a task that the rules decided.
    pub escalation: Option<Escalation>,
    /// How it ended.
    pub end: End,
}

/// Why a task was left to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// The rule's code, or the cause's.
    pub code: String,
    /// The rule that asked for a person.
    #[serde(default)]
    pub rule: Option<String>,
    /// The words for people.
    #[serde(default)]
    pub reason: String,
    /// When, RFC 3339.
    pub at: String,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Not yet.
    Open,
    /// Nobody decided before its workflow stopped waiting.
    Expired,
    /// A rule decided.
    ByRule(Answer),
    /// A person decided.
    ByPerson {
        /// What.
        answer: Answer,
        /// When, RFC 3339.
        at: String,
    },
}

/// The answer that a task's workflow received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It goes on.
    Approved,
    /// It does not.
    Rejected,
}

impl Answer {
    /// Both answers.
    pub const ALL: [Answer; 2] = [Answer::Approved, Answer::Rejected];

    /// As stored tasks have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Answer::Approved => "approved",
            Answer::Rejected => "rejected",
        }
    }
}
