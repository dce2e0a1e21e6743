//! What a call does, by its operation and its body.

use serde_json::Value;
use statemachine::token::{TaskId, TaskToken};

use super::http::Request;

/// What a worker's call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// D: stores a decision.
    Decide,
    /// Leaves a task to a person.
    Escalate,
    /// C: `SendTaskSuccess` or `SendTaskFailure`.
    CallBack,
    /// M: records an answer that ends the task.
    Settle,
    /// K: moves a shard's checkpoint.
    Checkpoint,
    /// Everything else.
    Other,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) step: Step,
    pub(super) task: Option<TaskId>,
}

impl Call {
    pub(super) fn of(request: &Request) -> Call {
        let operation = request.operation();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |pointer| body.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
        match operation {
            "SendTaskSuccess" | "SendTaskFailure" => {
                let token = TaskToken::new(text("/taskToken")).ok();
                Call { step: Step::CallBack, task: token.map(|token| token.task_id()) }
            }
            "UpdateItem" => {
                let set = text("/UpdateExpression");
                let step = if set.contains("#decision = ") {
                    Step::Decide
                } else if set.contains("#escalation = ") {
                    Step::Escalate
                } else if set.contains("#status = ") && set.contains("#delivery = ") {
                    Step::Settle
                } else if text("/Key/sk/S").starts_with("shard|") && set.contains("#position = :") {
                    Step::Checkpoint
                } else {
                    Step::Other
                };
                Call { step, task: TaskId::parse(text("/Key/taskId/S")).ok() }
            }
            _ => Call { step: Step::Other, task: None },
        }
    }
}
