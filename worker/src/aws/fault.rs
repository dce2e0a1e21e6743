//! A failed call of AWS: which one, on what, why, and what it means for the work that made it.

mod advice;
mod unreached;

use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

pub(super) use self::unreached::{no_credentials, words};

/// What a failed call means for the work that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Too fast: the same call later.
    Throttled,
    /// Nobody knows whether it was applied: the same call again.
    Transient,
    /// Would fail for every call (permissions, keys, a missing table, an answer that no API documents): stop and call
    /// for help.
    Systemic,
    /// Wrong for this very call: no repeat helps.
    Refused,
}

impl Class {
    /// Whether the same call may succeed later without anybody's help.
    pub fn may_pass(self) -> bool {
        matches!(self, Class::Throttled | Class::Transient)
    }
}

/// What a call was made on, by the name that an operator knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// The tasks table.
    Tasks(String),
    /// The control table.
    Control(String),
    /// A stream of the tasks table, by its ARN.
    Stream(String),
    /// An execution, by its ARN.
    Execution(String),
    /// The queue of closed executions, by its URL.
    ClosedExecutions(String),
    /// The queue of hints, by its URL.
    Hints(String),
    /// A dead-letter queue or its source, by its URL.
    DeadLetters(String),
    /// A Lambda function, or the queue that it reads, by its ARN.
    Function(String),
    /// A quota, by its code and its service.
    Quota(String),
    /// The bus for notices, by its name or ARN.
    EventBus(String),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Tasks(name) | Resource::Control(name) => write!(f, "table {name}"),
            Resource::Stream(arn) => write!(f, "stream {arn}"),
            Resource::Execution(arn) => write!(f, "execution {arn}"),
            Resource::ClosedExecutions(url) | Resource::Hints(url) | Resource::DeadLetters(url) => {
                write!(f, "queue {url}")
            }
            Resource::Function(arn) => f.write_str(arn),
            Resource::Quota(name) => write!(f, "quota {name}"),
            Resource::EventBus(name) => write!(f, "event bus {name}"),
        }
    }
}

/// A failed call, without its request: neither a token nor an item can be in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} on {on}: {code}{}", advice::on(.operation, .on, .code))]
pub struct Fault {
    /// The API operation.
    pub operation: &'static str,
    /// What it was called on.
    pub on: Resource,
    /// The service's error code, or what happened to the connection.
    pub code: String,
    /// What to do next.
    pub class: Class,
}

impl Fault {
    /// Reads the code of a failed call. The service's message is left out: it may quote the request.
    pub fn of<E: ProvideErrorMetadata>(
        operation: &'static str,
        on: Resource,
        error: &SdkError<E, HttpResponse>,
    ) -> Fault {
        let unreadable = || ("a response that cannot be read".to_owned(), Class::Transient);
        let (code, class) = match error {
            // The SDK files an answer of 200 that it cannot read under the service's errors.
            SdkError::ServiceError(service) if service.raw().status().is_success() => unreadable(),
            SdkError::ServiceError(service) => {
                let code = service.err().code().unwrap_or("unknown error").to_owned();
                let class = classify(&code, service.raw().status().as_u16());
                (code, class)
            }
            SdkError::TimeoutError(_) => ("no answer in time".to_owned(), Class::Transient),
            SdkError::DispatchFailure(failure) => unreached::reason(failure),
            SdkError::ConstructionFailure(_) => ("the request could not be built".to_owned(), Class::Refused),
            _ => unreadable(),
        };
        Fault { operation, on, code, class }
    }

    /// A part of a call that failed by itself: its code, in an answer of 200.
    pub fn of_code(operation: &'static str, on: Resource, code: &str) -> Fault {
        Fault { operation, on, code: code.to_owned(), class: classify(code, 400) }
    }

    /// Whether the caller lacks a permission.
    pub fn is_denied(&self) -> bool {
        self.code.starts_with("AccessDenied")
    }

    /// An answer of 200 that does not hold what it must.
    pub fn unreadable(operation: &'static str, on: Resource, what: &str) -> Fault {
        Fault { operation, on, code: format!("a response without {what}"), class: Class::Transient }
    }
}
/// Whether this is the answer to a caller whose credentials or signature are wrong (Common Errors, Step Functions API
/// reference).
pub(crate) fn is_of_credentials(code: &str) -> bool {
    advice::has_expired(code)
        || advice::is_unaccepted(code)
        || matches!(code, "NotAuthorized" | "OptInRequired")
}

fn classify(code: &str, status: u16) -> Class {
    match code {
        "ThrottlingException"
        | "Throttling"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "KmsThrottlingException"
        | "TooManyRequestsException" => Class::Throttled,
        "AccessDeniedException"
        | "AccessDenied"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "KMSAccessDeniedException"
        | "KMSInvalidStateException"
        | "KmsAccessDeniedException"
        | "KmsInvalidStateException"
        | "MissingAuthenticationTokenException"
        | "OptInRequired"
        | "ResourceNotFoundException"
        | "UnrecognizedClientException" => Class::Systemic,
        "InternalServerError"
        | "InternalFailure"
        | "RequestAbortedException"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "ServiceUnavailable"
        | "TransactionCanceledException"
        | "TransactionConflictException" => Class::Transient,
        // Each by its name: what is refused is given up, and a proxy in the way refuses everything.
        "ConditionalCheckFailedException"
        | "ExecutionDoesNotExist"
        | "ExpiredIteratorException"
        | "InvalidArn"
        | "InvalidOutput"
        | "InvalidToken"
        | "ItemCollectionSizeLimitExceededException"
        | "ReceiptHandleIsInvalid"
        | "SerializationException"
        | "TaskDoesNotExist"
        | "TaskTimedOut"
        | "TrimmedDataAccessException"
        | "ValidationException" => Class::Refused,
        _ if status >= 500 || status == 429 || status == 408 => Class::Transient,
        _ => Class::Systemic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_class() {
        for (code, status, class) in [
            ("ThrottlingException", 400, Class::Throttled),
            ("KmsThrottlingException", 400, Class::Throttled),
            ("AccessDeniedException", 400, Class::Systemic),
            ("KmsInvalidStateException", 400, Class::Systemic),
            ("ResourceNotFoundException", 400, Class::Systemic),
            ("ValidationException", 400, Class::Refused),
            ("InternalServerError", 500, Class::Transient),
            ("anything", 503, Class::Transient),
            ("RequestTimeoutException", 408, Class::Transient),
            ("InvalidToken", 400, Class::Refused),
            ("InvalidOutput", 400, Class::Refused),
            ("RequestExpired", 400, Class::Systemic),
            ("unknown error", 403, Class::Systemic),
            ("unknown error", 302, Class::Systemic),
        ] {
            assert_eq!(classify(code, status), class, "{code}");
        }
    }
}
