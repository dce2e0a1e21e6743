//! The problems of the API: RFC 9457 problem details, each with a stable type. The only mapping to status codes.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::TaskView;

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";
/// The prefix of each problem's `type`.
const TYPE_PREFIX: &str = "urn:countersign:problem:";

/// The JSON of a failed request.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable name, as a URI.
    pub r#type: String,
    /// The title in words; the same for each problem of a type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened to this request, and what to do.
    pub detail: String,
    /// The current task, if the request found one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Box<TaskView>>,
}

impl Problem {
    /// Whether it is of the named type.
    pub fn is(&self, name: &str) -> bool {
        self.r#type.strip_prefix(TYPE_PREFIX) == Some(name)
    }
}

/// Declares the types: variant, status, stable name, title.
macro_rules! problem_types {
    ($($variant:ident, $status:ident, $name:literal, $title:literal;)*) => {
        /// What kind of problem it is. One type has one status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ProblemType {
            $(#[doc = $title] $variant,)*
        }

        impl ProblemType {
            /// Every type.
            pub const ALL: &[ProblemType] = &[$(ProblemType::$variant,)*];

            /// Status, stable name, title.
            fn row(self) -> (StatusCode, &'static str, &'static str) {
                match self {
                    $(ProblemType::$variant => (StatusCode::$status, $name, $title),)*
                }
            }
        }
    };
}

problem_types! {
    NoSuchResource, NOT_FOUND, "no-such-resource", "no such resource";
    MethodNotAllowed, METHOD_NOT_ALLOWED, "method-not-allowed", "method not allowed";
    NoSuchTask, NOT_FOUND, "no-such-task", "no such task";
    NoSuchRuleset, NOT_FOUND, "no-such-ruleset", "no such ruleset";
    Raced, CONFLICT, "raced", "someone else made a change at the same time";
    Invalid, UNPROCESSABLE_ENTITY, "invalid-request", "invalid request";
    NotJson, UNSUPPORTED_MEDIA_TYPE, "not-json", "the body is not declared as JSON";
    TooLarge, PAYLOAD_TOO_LARGE, "too-large", "the body is too large";
    SlowBody, REQUEST_TIMEOUT, "slow-body", "the body did not arrive in time";
    Busy, SERVICE_UNAVAILABLE, "busy", "too many requests at once";
    NoHost, BAD_REQUEST, "no-host", "the request does not name one host";
    TwoLengths, BAD_REQUEST, "two-lengths", "the request has two lengths";
    Unauthenticated, UNAUTHORIZED, "unauthenticated", "the caller is not known";
    Forbidden, FORBIDDEN, "forbidden", "the token lacks a role";
    TooManyFailures, TOO_MANY_REQUESTS, "too-many-failures", "too many failed attempts";
    Foreign, FORBIDDEN, "foreign-request", "request from another site";
    Conflict, CONFLICT, "decided-otherwise", "the task has another decision";
    OwnRequest, FORBIDDEN, "own-request", "people cannot decide their own requests";
    TooEarly, CONFLICT, "too-early", "the rules have not left the task to people yet";
    NotClaimed, CONFLICT, "not-claimed", "the claim was not changed";
    NotCommented, CONFLICT, "not-commented", "the comment was not stored";
    NotReconsidered, CONFLICT, "not-reconsidered", "the task stays with a person";
    Expired, GONE, "expired", "the workflow no longer waits";
    Changed, PRECONDITION_FAILED, "changed", "the task changed";
    Damaged, INTERNAL_SERVER_ERROR, "damaged-item", "a stored item is damaged";
    Unavailable, SERVICE_UNAVAILABLE, "unavailable", "a call to AWS failed";
    TooSlow, SERVICE_UNAVAILABLE, "too-slow", "the request was not answered in time";
    Internal, INTERNAL_SERVER_ERROR, "internal", "a bug in the worker";
}

impl ProblemType {
    /// The status of its responses.
    pub fn status(self) -> StatusCode {
        self.row().0
    }

    /// The stable name alone.
    pub(super) fn name(self) -> &'static str {
        self.row().1
    }

    /// Whether a problem of this type may show the task.
    pub(super) fn shows_task(self) -> bool {
        use ProblemType::{
            Changed, Conflict, Expired, NotClaimed, NotCommented, NotReconsidered, OwnRequest, TooEarly,
        };
        matches!(
            self,
            Changed
                | Conflict
                | Expired
                | NotClaimed
                | NotCommented
                | NotReconsidered
                | OwnRequest
                | TooEarly
        )
    }

    /// The `type`.
    pub fn uri(self) -> String {
        format!("{TYPE_PREFIX}{}", self.row().1)
    }

    /// The `title`.
    pub fn title(self) -> &'static str {
        self.row().2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_one_name_of_its_own() {
        for (place, one) in ProblemType::ALL.iter().enumerate() {
            let (status, name, _) = one.row();
            assert!(status.is_client_error() || status.is_server_error(), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
            assert!(ProblemType::ALL[..place].iter().all(|other| other.uri() != one.uri()), "{name}");
        }
    }
}
