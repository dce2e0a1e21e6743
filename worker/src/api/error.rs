//! Every way a request can fail, and what its caller is told.

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use statemachine::task::Task;
use statemachine::token::TaskId;
use tracing::error;

use super::problem::{CONTENT_TYPE, Problem, ProblemType};
use super::view::{TaskView, etag};
use crate::control::tokens::Role;

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
    /// Both `Content-Length` and `Transfer-Encoding`.
    TwoLengths,
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

impl Failure {
    /// A stored item is not a task; `what` says why.
    pub(super) fn damaged(what: &str) -> Failure {
        Failure::Damaged(format!(
            "{what}; nothing is decided until an operator repairs it in the tasks table"
        ))
    }

    fn kind(&self) -> ProblemType {
        match self {
            Failure::NoSuchResource => ProblemType::NoSuchResource,
            Failure::MethodNotAllowed => ProblemType::MethodNotAllowed,
            Failure::NoSuchTask(_) => ProblemType::NoSuchTask,
            Failure::NoSuchRuleset(_) => ProblemType::NoSuchRuleset,
            Failure::Raced => ProblemType::Raced,
            Failure::Invalid(_) => ProblemType::Invalid,
            Failure::NotJson => ProblemType::NotJson,
            Failure::TooLarge => ProblemType::TooLarge,
            Failure::SlowBody => ProblemType::SlowBody,
            Failure::Busy => ProblemType::Busy,
            Failure::NoHost(_) => ProblemType::NoHost,
            Failure::TwoLengths => ProblemType::TwoLengths,
            Failure::Unauthenticated(_) => ProblemType::Unauthenticated,
            Failure::Forbidden(_) => ProblemType::Forbidden,
            Failure::TooManyFailures => ProblemType::TooManyFailures,
            Failure::Foreign(_) => ProblemType::Foreign,
            Failure::Conflict(_) => ProblemType::Conflict,
            Failure::OwnRequest(_) => ProblemType::OwnRequest,
            Failure::TooEarly(_) => ProblemType::TooEarly,
            Failure::NotClaimed(..) => ProblemType::NotClaimed,
            Failure::NotCommented(..) => ProblemType::NotCommented,
            Failure::NotReconsidered(..) => ProblemType::NotReconsidered,
            Failure::Expired(_) => ProblemType::Expired,
            Failure::Changed(_) => ProblemType::Changed,
            Failure::Damaged(_) => ProblemType::Damaged,
            Failure::Unavailable { .. } => ProblemType::Unavailable,
            Failure::TooSlow => ProblemType::TooSlow,
            Failure::Internal(_) => ProblemType::Internal,
        }
    }

    /// The problem's type and what happened, for a result among others.
    pub(super) fn told(&self) -> (String, String) {
        if let Failure::Internal(reason) = self {
            error!(reason, "a request failed: {reason}");
        }
        (self.kind().uri(), self.detail())
    }

    fn detail(&self) -> String {
        match self {
            Failure::NoSuchResource => "no resource has this path; start at /v1/tasks".to_owned(),
            Failure::MethodNotAllowed => {
                "this path does not accept this method; the Allow header lists those that it accepts"
                    .to_owned()
            }
            Failure::NoSuchTask(id) => {
                format!(
                    "the table has no task {id}: it was never stored, or it was deleted after its retention \
                     (tables.retention_days); its log lines remain: search the logs for task.id {id}"
                )
            }
            Failure::Invalid(what) | Failure::NoSuchRuleset(what) => what.clone(),
            Failure::Raced => "look at the other change, then try again".to_owned(),
            Failure::NotJson => "send the body as JSON, with Content-Type: application/json".to_owned(),
            Failure::TooLarge => format!("a body has at most {} bytes", super::MAX_BODY_BYTES),
            Failure::SlowBody => "send the body right after the headers".to_owned(),
            Failure::Busy => {
                "this worker is handling as many such requests as it may; nothing was changed, try again"
                    .to_owned()
            }
            Failure::Forbidden(role) => format!("this needs a token with the role {role}"),
            Failure::TooManyFailures => {
                "too many requests from this address had an invalid token; try again in a minute".to_owned()
            }
            Failure::TwoLengths => {
                "send either Content-Length or Transfer-Encoding; nothing was changed".to_owned()
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
                "two people must approve task {}, and the rules have not left it to people yet; nothing was changed, try again later",
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
                format!("task {} has changed since you reviewed it; look at it again", task.id)
            }
            Failure::Damaged(what) => what.clone(),
            Failure::Unavailable { why, may_pass: true } => format!("{why}; nothing was changed, try again"),
            Failure::Unavailable { why, may_pass: false } => {
                format!("{why}; nothing was changed, and the same request fails until the cause is repaired")
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
            | Failure::TwoLengths
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
        let kind = self.kind();
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
            r#type: kind.uri(),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            detail,
            task: task.map(|task| Box::new(TaskView::of_task(*task))),
        };
        let mut response = (kind.status(), Json(problem)).into_response();
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
