//! Why a message was not stored: either it can never be stored, or a later attempt may succeed.
//!
//! In both cases it stays in the queue, and SQS moves it to the dead-letter queue after the last attempt. The
//! difference is for the reader of the log. No error contains the message body or the token.

use statemachine::message::Invalid;
use statemachine::token::TaskId;

/// A message that was not stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No retry helps: the workflow that sent the message must be corrected.
    #[error("rejected: {0}")]
    Reject(#[from] Reject),
    /// The next delivery may succeed.
    #[error("not stored yet: {0}")]
    Retry(#[from] Retry),
}

/// Why a message can never be stored.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// SQS delivered no body.
    #[error("the message has no body")]
    NoBody,
    /// The body is not a message of a workflow.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The deadline is computed from the time of sending, and a task must be the same on each delivery.
    #[error("attribute SentTimestamp is {0}; it must be the number of milliseconds since 1970 that SQS sets")]
    SentTimestamp(&'static str),
    /// The message of another task has the token of a stored one. No token is given out twice, so the workflow does not
    /// pass its own; its answer would go to the wrong execution, or to none.
    #[error(
        "task {id} is stored under the same task token with another {differ}: the workflow must pass its own token, \
         $$.Task.Token (JSONPath) or $states.context.Task.Token (JSONata)"
    )]
    OtherTask {
        /// The stored task.
        id: TaskId,
        /// The attributes that differ, by name.
        differ: String,
    },
    /// DynamoDB permanently rejects the item.
    #[error("DynamoDB rejected the item: {code}: {message}")]
    Refused {
        /// The error's code.
        code: String,
        /// The error's message.
        message: String,
    },
}

/// Why a message could not be stored this time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Retry {
    /// DynamoDB answered with an error that may pass, or that an operator can fix.
    #[error("DynamoDB answered {code}: {message}")]
    Answered {
        /// The error's code.
        code: String,
        /// The error's message.
        message: String,
    },
    /// DynamoDB gave no answer.
    #[error("DynamoDB did not answer: {0}")]
    Silent(String),
    /// The table has the task, but DynamoDB did not return the stored item. Without it, a redelivery looks like another
    /// task with the same token.
    #[error("the table has a task with this token, and DynamoDB did not return it")]
    NothingToCompare,
    /// A bug in this crate. The log line before has the location.
    #[error("the handler of the message panicked")]
    Panicked,
}

impl Reject {
    /// The reason in one word, for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Reject::NoBody => "no-body",
            Reject::Invalid(Invalid::NotJson { .. }) => "not-json",
            Reject::Invalid(Invalid::NotAnObject) => "not-an-object",
            Reject::Invalid(Invalid::Wrapped(_)) => "wrapped",
            Reject::Invalid(Invalid::Missing(_) | Invalid::Misspelled { .. }) => "field-missing",
            Reject::Invalid(Invalid::Twice(_)) => "field-twice",
            Reject::Invalid(Invalid::Not(..)) => "field-invalid",
            Reject::Invalid(Invalid::Unevaluated(_)) => "field-not-evaluated",
            Reject::Invalid(Invalid::NotAToken) => "not-a-token",
            Reject::Invalid(Invalid::NotAnExecution) => "not-an-execution",
            Reject::Invalid(Invalid::Express) => "express-workflow",
            Reject::Invalid(Invalid::HoldsToken(_)) => "holds-token",
            Reject::SentTimestamp(_) => "sent-timestamp",
            Reject::OtherTask { .. } => "token-of-another-task",
            Reject::Refused { .. } => "refused-by-dynamodb",
        }
    }
}
