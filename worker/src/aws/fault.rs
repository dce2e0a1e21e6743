//! What a failed call means for the work that made it.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What a failed call means for the work that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Too fast: the same call later.
    Throttled,
    /// Nobody knows whether it was applied: the same call again.
    Transient,
    /// Wrong for every call alike (permissions, keys, a missing table, an answer that no API documents): stop and call
    /// for help.
    Systemic,
    /// Wrong for this very call: no repeat helps.
    Refused,
}

/// A failed call, without its request: neither a token nor an item can be in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {code}")]
pub struct Fault {
    /// The API operation.
    pub operation: &'static str,
    /// The service's error code, or what happened to the connection.
    pub code: String,
    /// What to do next.
    pub class: Class,
}

impl Fault {
    /// Reads the code of a failed call. The service's message is left out: it may quote the request.
    pub fn of<E: ProvideErrorMetadata>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Fault {
        let (code, class) = match error {
            // The SDK files an answer of 200 that it cannot read under the service's errors.
            SdkError::ServiceError(service) if service.raw().status().is_success() => {
                ("an answer that cannot be read".to_owned(), Class::Transient)
            }
            SdkError::ServiceError(service) => {
                let code = service.err().code().unwrap_or("unknown error").to_owned();
                let class = classify(&code, service.raw().status().as_u16());
                (code, class)
            }
            SdkError::TimeoutError(_) => ("no answer in time".to_owned(), Class::Transient),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                ("no connection in time".to_owned(), Class::Transient)
            }
            SdkError::DispatchFailure(failure) if failure.is_user() => {
                ("the request could not be built".to_owned(), Class::Systemic)
            }
            SdkError::DispatchFailure(_) => ("no connection".to_owned(), Class::Transient),
            SdkError::ConstructionFailure(_) => ("the request could not be built".to_owned(), Class::Refused),
            _ => ("an answer that cannot be read".to_owned(), Class::Transient),
        };
        Fault { operation, code, class }
    }

    /// An answer of 200 that does not hold what it must.
    pub fn unreadable(operation: &'static str, what: &str) -> Fault {
        Fault { operation, code: format!("an answer without {what}"), class: Class::Transient }
    }
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
