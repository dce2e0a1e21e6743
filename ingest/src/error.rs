//! Why a message was not stored: either it can never be stored, or a later attempt may succeed.
//!
//! In both cases it stays in the queue, and SQS moves it to the dead-letter queue after the last attempt. The
//! difference is for the reader of the log. No error contains the message body or the token.

use statemachine::message::Invalid;

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
    /// A bug in this crate. The log line before has the location.
    #[error("the handler of the message panicked")]
    Panicked,
}
