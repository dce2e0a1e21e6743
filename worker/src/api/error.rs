//! Every way a request can fail, as RFC 9457 problem details: the only mapping to status codes.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use statemachine::task::Task;
use statemachine::token::TaskId;
use tracing::error;

use super::view::{TaskView, etag};
use crate::aws::fault::Fault;
use crate::control::item::ControlError;
use crate::control::rule_store::StoreError;
use crate::control::tokens::Role;
use crate::tasks::list::ListError;
use crate::tasks::table::TableError;

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";
/// The prefix of each problem's `type`.
const TYPE_PREFIX: &str = "urn:countersign:problem:";
/// How long a caller should wait before it repeats a request that changed nothing, in seconds.
const RETRY_AFTER_SECONDS: &str = "2";
/// The time over which failed attempts are counted, in seconds.
const WINDOW_SECONDS: &str = "60";

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No such path.
    NoSuchResource,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// No such task.
    NoSuchTask(TaskId),
    /// No such published ruleset, or more than one.
    NoSuchRuleset(String),
    /// Someone else changed the control item at the same time.
    Raced,
    /// An invalid parameter, header or body.
    Invalid(String),
    /// The body is not declared as JSON.
    NotJson,
    /// The body is too long.
    TooLarge,
    /// The body did not arrive in time.
    SlowBody,
    /// Too many requests of its class are in hand.
    Busy,
    /// No host, or more than one.
    NoHost(&'static str),
    /// The caller has not shown who it is.
    Unauthenticated(&'static str),
    /// The caller's token lacks this role.
    Forbidden(Role),
    /// The caller's address failed to authenticate too often.
    TooManyFailures,
    /// A browser sent it from another site, or for a host that is not this machine.
    Foreign(&'static str),
    /// The task has another decision.
    Conflict(Box<Task>),
    /// The caller is the task's requester.
    OwnRequest(Box<Task>),
    /// Two must approve, and the rules have not left the task to people yet.
    TooEarly(Box<Task>),
    /// The claim is another's, or there is none to end; the text says why.
    NotClaimed(Box<Task>, String),
    /// The comment was not stored; the text says why.
    NotCommented(Box<Task>, String),
    /// It stays with a person; the text says why.
    NotReconsidered(Box<Task>, String),
    /// The workflow no longer waits.
    Expired(Box<Task>),
    /// The task changed since the caller read it.
    Changed(Box<Task>),
    /// A stored item cannot be read: it was edited by hand.
    Damaged(String),
    /// A call to AWS failed; nothing was changed.
    Unavailable {
        /// Which call, and what to do.
        why: String,
        /// Whether the same request may succeed later by itself.
        may_pass: bool,
    },
    /// The request, or a service's response to its write, took too long; it may still take effect.
    TooSlow,
    /// A defect of the program.
    Internal(String),
}

/// The JSON of a failed request.
#[derive(Debug, Clone, Serialize, Deserialize)]
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

impl Failure {
    /// A stored item is not a task; `what` says why.
    pub(super) fn damaged(what: &str) -> Failure {
        Failure::Damaged(format!(
            "{what}; nothing is decided until an operator repairs it in the tasks table"
        ))
    }

    /// Status, stable name, title.
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Failure::NoSuchResource => (StatusCode::NOT_FOUND, "no-such-resource", "no such resource"),
            Failure::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "method not allowed")
            }
            Failure::NoSuchTask(_) => (StatusCode::NOT_FOUND, "no-such-task", "no such task"),
            Failure::NoSuchRuleset(_) => (StatusCode::NOT_FOUND, "no-such-ruleset", "no such ruleset"),
            Failure::Raced => (StatusCode::CONFLICT, "raced", "someone else made a change at the same time"),
            Failure::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", "invalid request"),
            Failure::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", "the body is not JSON"),
            Failure::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large"),
            Failure::SlowBody => {
                (StatusCode::REQUEST_TIMEOUT, "slow-body", "the body did not arrive in time")
            }
            Failure::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests at once"),
            Failure::NoHost(_) => (StatusCode::BAD_REQUEST, "no-host", "the request does not name one host"),
            Failure::Unauthenticated(_) => {
                (StatusCode::UNAUTHORIZED, "unauthenticated", "the caller is not known")
            }
            Failure::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "the token lacks a role"),
            Failure::TooManyFailures => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-failures", "too many failed attempts")
            }
            Failure::Foreign(_) => (StatusCode::FORBIDDEN, "foreign-request", "request from another site"),
            Failure::Conflict(_) => {
                (StatusCode::CONFLICT, "decided-otherwise", "the task has another decision")
            }
            Failure::OwnRequest(_) => {
                (StatusCode::FORBIDDEN, "own-request", "nobody decides a task of their own")
            }
            Failure::TooEarly(_) => {
                (StatusCode::CONFLICT, "too-early", "the rules have not left the task to people yet")
            }
            Failure::NotClaimed(..) => (StatusCode::CONFLICT, "not-claimed", "the claim is not changed"),
            Failure::NotCommented(..) => (StatusCode::CONFLICT, "not-commented", "the comment is not stored"),
            Failure::NotReconsidered(..) => {
                (StatusCode::CONFLICT, "not-reconsidered", "the task stays with a person")
            }
            Failure::Expired(_) => (StatusCode::GONE, "expired", "the workflow no longer waits"),
            Failure::Changed(_) => (StatusCode::PRECONDITION_FAILED, "changed", "the task changed"),
            Failure::Damaged(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "damaged-item", "a stored item is damaged")
            }
            Failure::Unavailable { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "a call to AWS failed")
            }
            Failure::TooSlow => {
                (StatusCode::SERVICE_UNAVAILABLE, "too-slow", "the request was not answered in time")
            }
            Failure::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "a bug in the worker"),
        }
    }

    /// The problem's type and what happened, for a result among others.
    pub(super) fn told(&self) -> (String, String) {
        if let Failure::Internal(reason) = self {
            error!(reason, "a request failed: {reason}");
        }
        let (_, name, _) = self.kind();
        (format!("{TYPE_PREFIX}{name}"), self.detail())
    }

    fn detail(&self) -> String {
        match self {
            Failure::NoSuchResource => "no resource has this path; start at /v1/tasks".to_owned(),
            Failure::MethodNotAllowed => {
                "this path does not accept this method; the Allow header lists those that it accepts"
                    .to_owned()
            }
            Failure::NoSuchTask(id) => {
                format!("there is no task {id}; settled tasks are deleted when their retention ends")
            }
            Failure::Invalid(what) | Failure::NoSuchRuleset(what) => what.clone(),
            Failure::Raced => "look at that change, then try again".to_owned(),
            Failure::NotJson => "send the body as JSON, with Content-Type: application/json".to_owned(),
            Failure::TooLarge => format!("a body has at most {} bytes", super::MAX_BODY_BYTES),
            Failure::SlowBody => "send the body at once, right after the headers".to_owned(),
            Failure::Busy => {
                "this worker handles as many such requests as it may; nothing was changed, try again"
                    .to_owned()
            }
            Failure::Forbidden(role) => format!("this needs a token with the role {role}"),
            Failure::TooManyFailures => {
                "requests from this address sent too many tokens that are not valid; try again in a minute"
                    .to_owned()
            }
            Failure::NoHost(why) | Failure::Unauthenticated(why) | Failure::Foreign(why) => (*why).to_owned(),
            Failure::Conflict(task) => conflict(task),
            Failure::OwnRequest(task) => {
                format!(
                    "the order of task {} names you as its requester; another person must decide it",
                    task.id
                )
            }
            Failure::TooEarly(task) => format!(
                "two people must approve task {}, once the rules have left it to people; nothing was changed, try again",
                task.id
            ),
            Failure::NotReconsidered(task, why)
            | Failure::NotClaimed(task, why)
            | Failure::NotCommented(task, why) => format!("task {}: {why}", task.id),
            Failure::Expired(task) => {
                format!(
                    "the workflow of task {} no longer waits for an answer; nothing can be decided",
                    task.id
                )
            }
            Failure::Changed(task) => {
                format!("task {} is no longer what you have reviewed; look at it again", task.id)
            }
            Failure::Damaged(what) => what.clone(),
            Failure::Unavailable { why, may_pass: true } => format!("{why}; nothing was changed, try again"),
            Failure::Unavailable { why, may_pass: false } => {
                format!("{why}; nothing was changed, and trying again fails until the cause is repaired")
            }
            Failure::TooSlow => "the request may still take effect; check before you repeat it".to_owned(),
            Failure::Internal(_) => "the worker's log has the reason".to_owned(),
        }
    }

    fn into_task(self) -> Option<Box<Task>> {
        match self {
            Failure::Conflict(task)
            | Failure::OwnRequest(task)
            | Failure::TooEarly(task)
            | Failure::NotReconsidered(task, _)
            | Failure::NotClaimed(task, _)
            | Failure::NotCommented(task, _)
            | Failure::Expired(task)
            | Failure::Changed(task) => Some(task),
            Failure::NoSuchResource
            | Failure::MethodNotAllowed
            | Failure::NoSuchTask(_)
            | Failure::NoSuchRuleset(_)
            | Failure::Raced
            | Failure::Invalid(_)
            | Failure::NotJson
            | Failure::TooLarge
            | Failure::SlowBody
            | Failure::Busy
            | Failure::NoHost(_)
            | Failure::Unauthenticated(_)
            | Failure::Forbidden(_)
            | Failure::TooManyFailures
            | Failure::Foreign(_)
            | Failure::Damaged(_)
            | Failure::Unavailable { .. }
            | Failure::TooSlow
            | Failure::Internal(_) => None,
        }
    }
}

/// Describes the decision that the task already has.
fn conflict(task: &Task) -> String {
    let Some(decision) = &task.decision else {
        return format!("task {} is {}", task.id, task.status);
    };
    let by: String = decision.decided_by.clone().into();
    let rule = decision.rule.as_ref().map(|rule| format!(" {rule}")).unwrap_or_default();
    format!(
        "task {} was {} by {by}{rule} at {} and its status is {}",
        task.id, decision.outcome, decision.decided_at, task.status
    )
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, name, title) = self.kind();
        if let Failure::Internal(reason) = &self {
            error!(reason, "a request failed: {reason}");
        }
        let retry_after = match self {
            Failure::Unavailable { may_pass: true, .. } | Failure::Busy => Some(RETRY_AFTER_SECONDS),
            Failure::TooManyFailures => Some(WINDOW_SECONDS),
            _ => None,
        };
        let is_unknown = matches!(self, Failure::Unauthenticated(_));
        let detail = self.detail();
        let task = self.into_task();
        let reviewed = task.as_ref().map(|task| task.reviewed());
        let problem = Problem {
            r#type: format!("{TYPE_PREFIX}{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail,
            task: task.map(|task| Box::new(TaskView::of_task(*task))),
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(reviewed) = reviewed {
            headers.insert(header::ETAG, etag(&reviewed));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if is_unknown {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<ListError> for Failure {
    fn from(error: ListError) -> Failure {
        match error {
            ListError::Cursor(invalid) => Failure::Invalid(invalid.to_string()),
            ListError::Fault(fault) => fault.into(),
        }
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Failure {
        match error {
            TableError::Fault(fault) => fault.into(),
            TableError::Malformed(_) => Failure::damaged(&error.to_string()),
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::Unavailable { why: fault.to_string(), may_pass: fault.class.may_pass() }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Failure {
        StoreError::from(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        match error {
            StoreError::Fault(fault) => fault.into(),
            StoreError::MayStand(_) => Failure::TooSlow,
            StoreError::Unreadable(_) => Failure::Damaged(error.to_string()),
            StoreError::Raced => Failure::Raced,
            StoreError::Unknown(_) | StoreError::Ambiguous(_) | StoreError::NoEarlier => {
                Failure::NoSuchRuleset(error.to_string())
            }
            StoreError::TooLarge { .. } => Failure::Invalid(error.to_string()),
            StoreError::Damaged { .. } | StoreError::Refused(_) => Failure::Internal(error.to_string()),
        }
    }
}
