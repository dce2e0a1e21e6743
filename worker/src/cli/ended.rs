//! The outcome of a task, as exports and the API's responses contain it.

use anyhow::Context as _;
use rules::agreement::{Answer, End, Escalation, Reviewed};
use rules::backtest::StoredTask;
use serde::{Deserialize, Serialize};
use statemachine::decision::DecidedBy;
use statemachine::status::Status;

/// The fields of an export line beside the facts. Each may be absent: older exports have none of them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    escalation: Option<Escalation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decided>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decided {
    outcome: Answer,
    decided_by: DecidedBy,
    decided_at: String,
}

impl Ended {
    /// What is exported: that a person decided, but not which person.
    pub(super) fn of(reviewed: &Reviewed) -> Ended {
        let decided = |outcome, decided_by, decided_at| Some(Decided { outcome, decided_by, decided_at });
        let (status, decision) = match &reviewed.end {
            End::Open => (None, None),
            End::Expired => (Some(Status::Expired), None),
            End::ByRule(answer) => (None, decided(*answer, DecidedBy::Rule, String::new())),
            End::ByPerson { answer, at } => {
                (None, decided(*answer, DecidedBy::Person("person".to_owned()), at.clone()))
            }
        };
        Ended { status, escalation: reviewed.escalation.clone(), decision }
    }
}

/// Reads the outcome of a task whose facts were read from the same line.
pub(super) fn read(task: StoredTask, line: &str) -> anyhow::Result<Reviewed> {
    let Ended { status, escalation, decision } =
        serde_json::from_str(line).context("cannot read the outcome of the task")?;
    let end = match decision {
        Some(Decided { outcome, decided_by: DecidedBy::Rule, .. }) => End::ByRule(outcome),
        Some(Decided { outcome, decided_by: DecidedBy::Person(_), decided_at }) => {
            End::ByPerson { answer: outcome, at: decided_at }
        }
        None if status == Some(Status::Expired) => End::Expired,
        None => End::Open,
    };
    Ok(Reviewed { task, escalation, end })
}
