//! Why a message is not stored: never, or not yet.
//!
//! Either way it stays on the queue, and the dead-letter queue takes it after the last attempt. The difference is for
//! whoever reads the log. No error carries the body or the token.

use statemachine::message::Invalid;

/// A message that was not stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No retry helps: someone must look at the workflow that sent it.
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
    /// The body is not what a workflow sends.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Without the time of sending there is no deadline, and a task must be the same on each delivery.
    #[error("attribute SentTimestamp is {0}, it has to be the milliseconds since 1970 that SQS sets")]
    SentTimestamp(&'static str),
    /// DynamoDB refuses the item for good.
    #[error("DynamoDB refuses the item: {code}: {message}")]
    Refused {
        /// The error's code.
        code: String,
        /// What DynamoDB says of it.
        message: String,
    },
}

/// Why a message could not be stored this time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Retry {
    /// DynamoDB answered with an error that may pass, or that an operator can mend.
    #[error("DynamoDB answered {code}: {message}")]
    Answered {
        /// The error's code.
        code: String,
        /// What DynamoDB says of it.
        message: String,
    },
    /// No answer at all.
    #[error("DynamoDB did not answer: {0}")]
    Silent(String),
    /// Our own defect. The location is in the line before.
    #[error("the message's handler panicked")]
    Panicked,
}
