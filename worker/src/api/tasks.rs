//! `/v1/tasks`: where people list, read and decide tasks.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use statemachine::decision::{MAX_REASON_CHARS, Outcome};
use statemachine::message::MAX_KEY_BYTES;
use statemachine::status::Status;
use statemachine::task::Task;
use statemachine::token::TaskId;
use statemachine::worklist::Worklist;
use tracing::{Instrument as _, info_span};

use super::ApiState;
use super::caller::{Caller, Person};
use super::error::Failure;
use super::filter::{self, Wanted};
use super::limits::Place;
use super::masked::without;
use super::view::{TaskView, etag};
use crate::control::tokens::Role;
use crate::steps::person::{PersonDecision, PersonOutcome};
use crate::steps::story::Story;
use crate::tasks::list::{self, MAX_PAGE};

/// How many tasks a page has unless the caller says.
const DEFAULT_PAGE: usize = 50;

/// The parameters of `GET /v1/tasks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListParams {
    /// Open lists, comma-separated: `PENDING`, `ESCALATED`, `DUE`, `VERIFY`. With `day`: a final status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// All tasks of an order instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Tasks that settled on a day instead, `2026-11-22` in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// Only escalated tasks whose workflow stops waiting before this time, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_before: Option<String>,
    /// Only tasks whose escalation or decision has this code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Only tasks that this rule escalated or decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Only tasks of this state machine, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Only tasks that were received before this time, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_before: Option<String>,
    /// 1 to 200; 50 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// From the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The response of `GET /v1/tasks`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskPage {
    /// Open tasks earliest due first, others newest first.
    pub tasks: Vec<TaskView>,
    /// The `cursor` of the next page; absent on the last one. A page of filtered tasks may be short, although more follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The body of `POST /v1/tasks/{id}/decision`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    /// Approve or reject.
    pub outcome: Outcome,
    /// The words that the workflow receives. Required for a rejection.
    #[serde(default)]
    pub reason: String,
    /// The person's name, if the API asks for no token; `operator` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `GET /v1/tasks`.
pub(super) async fn list(
    State(state): State<ApiState>,
    params: Result<Query<ListParams>, QueryRejection>,
) -> Result<Json<TaskPage>, Failure> {
    let Query(params) = params.map_err(|rejection| Failure::Invalid(rejection.body_text()))?;
    let query = query(&params)?;
    let limit = params.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Failure::Invalid(format!("limit is {limit}; it must be from 1 to {MAX_PAGE}")));
    }
    let (tasks, cursor) =
        filter::read(&state, &query, &wanted(&params)?, limit, params.cursor.clone()).await?;
    Ok(Json(TaskPage { tasks: tasks.into_iter().map(TaskView::of_listed).collect(), cursor }))
}

/// `GET /v1/tasks/{id}`. Those who only read see the order without the values that its schema masks.
pub(super) async fn get(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Failure> {
    let id = task_id(id)?;
    let task = state.tasks.get(&id).await?.ok_or(Failure::NoSuchTask(id))?;
    let etag = etag(&task.reviewed());
    let mut view = TaskView::of_task(task);
    if !caller.may(Role::Reviewer) {
        let masked = state.automation.rules.pin().masked_names();
        view.order = view.order.map(|order| without(&order, &masked));
    }
    Ok((StatusCode::OK, [(header::ETAG, etag)], Json(view)).into_response())
}

/// `GET /v1/tasks/{id}/story`.
pub(super) async fn story(
    State(state): State<ApiState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Story>, Failure> {
    let id = task_id(id)?;
    let story = state.pipeline.story(&id).await?;
    story.map(Json).ok_or(Failure::NoSuchTask(id))
}

/// `POST /v1/tasks/{id}/decision`.
pub(super) async fn decide(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Json<DecisionBody>, JsonRejection>,
) -> Result<Response, Failure> {
    let id = task_id(id)?;
    let Json(body) = body.map_err(bad_body)?;
    let (status, task) = decided(&state, place, &caller, id, if_match(&headers)?, body).await?;
    Ok(shown(status, *task))
}

/// Decides a task for a person: the task, with 200 once the workflow received the decision, or 202 while it is stored and
/// still due, and for the first of two approvals. With `if_reviewed` only while the task is what was reviewed.
pub(crate) async fn decided(
    state: &ApiState,
    place: Place,
    caller: &Caller,
    id: TaskId,
    if_reviewed: Option<String>,
    body: DecisionBody,
) -> Result<(StatusCode, Box<Task>), Failure> {
    let person = caller.person(body.by.as_deref())?;
    let request = request(id.clone(), if_reviewed, body, person)?;
    let span = info_span!("decision", task.id = %id);
    let pipeline = state.pipeline.clone();
    // In its own tokio task: once the decision is stored, its delivery must not end with the caller's connection.
    let decision = async move {
        let decided = pipeline.decide_for_person(request).await;
        // Callers who disconnect must not have more decisions in hand than others.
        drop(place);
        decided
    };
    let decided = state.tracker.spawn(decision.instrument(span));
    let response =
        decided.await.map_err(|_| Failure::Internal("a step of a person's decision panicked".to_owned()))?;
    ended(response, &id)
}

/// The status and the task of a request that succeeded, or why it did not.
pub(super) fn ended(outcome: PersonOutcome, id: &TaskId) -> Result<(StatusCode, Box<Task>), Failure> {
    match outcome {
        PersonOutcome::Settled(task) => Ok((StatusCode::OK, task)),
        PersonOutcome::Due(task) | PersonOutcome::FirstApproved(task) => Ok((StatusCode::ACCEPTED, task)),
        PersonOutcome::OwnRequest(task) => Err(Failure::OwnRequest(task)),
        PersonOutcome::TooEarly(task) => Err(Failure::TooEarly(task)),
        PersonOutcome::Conflict(task) => Err(Failure::Conflict(task)),
        PersonOutcome::Expired(task) => Err(Failure::Expired(task)),
        PersonOutcome::Changed(task) => Err(Failure::Changed(task)),
        PersonOutcome::NotFound => Err(Failure::NoSuchTask(id.clone())),
        PersonOutcome::Unavailable(error) => Err(error.into()),
        PersonOutcome::Unknown => Err(Failure::TooSlow),
    }
}

pub(super) fn shown(status: StatusCode, task: Task) -> Response {
    let etag = etag(&task.reviewed());
    (status, [(header::ETAG, etag)], Json(TaskView::of_task(task))).into_response()
}

pub(crate) fn task_id(path: Result<Path<String>, PathRejection>) -> Result<TaskId, Failure> {
    TaskId::parse(&parameter(path)?).map_err(|invalid| Failure::Invalid(invalid.to_string()))
}

/// The one parameter of a path.
pub(super) fn parameter(path: Result<Path<String>, PathRejection>) -> Result<String, Failure> {
    path.map(|Path(text)| text).map_err(|rejection| Failure::Invalid(rejection.body_text()))
}

pub(super) fn bad_body(rejection: JsonRejection) -> Failure {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => Failure::NotJson,
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
        other => Failure::Invalid(other.body_text()),
    }
}

/// The ETag of `If-Match`; none for `*` or no header, since each means any.
fn if_match(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let is_one = values.next().is_none();
    if text == "*" && is_one {
        return Ok(None);
    }
    let etag = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match etag.filter(|etag| is_one && !etag.is_empty() && etag.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        Some(etag) => Ok(Some(etag.to_owned())),
        None => Err(Failure::Invalid(
            "If-Match is not the ETag of a task, such as \"3b0c44298fc1c149\" with its quotes".to_owned(),
        )),
    }
}

pub(super) fn request(
    id: TaskId,
    if_reviewed: Option<String>,
    body: DecisionBody,
    person: Person,
) -> Result<PersonDecision, Failure> {
    let DecisionBody { outcome, reason, by: _ } = body;
    let reason = reason.trim().to_owned();
    if outcome == Outcome::Rejected && reason.is_empty() {
        return Err(Failure::Invalid("reason is empty; a rejection must tell the workflow why".to_owned()));
    }
    if reason.chars().count() > MAX_REASON_CHARS {
        return Err(Failure::Invalid(format!("reason is longer than {MAX_REASON_CHARS} characters")));
    }
    let Person { name: by, identity } = person;
    Ok(PersonDecision { id, outcome, reason, by, identity, if_reviewed })
}

/// The query that the parameters describe.
fn query(params: &ListParams) -> Result<list::Query, Failure> {
    let ListParams { status, order_id, day, due_before, .. } = params;
    match (status.as_deref(), order_id, day, due_before) {
        (None, Some(order_id), None, None) if (1..=MAX_KEY_BYTES).contains(&order_id.len()) => {
            Ok(list::Query::Order(order_id.clone()))
        }
        (None, Some(order_id), None, None) => Err(Failure::Invalid(format!(
            "order_id is {} bytes long; an order's id has 1 to {MAX_KEY_BYTES}",
            order_id.len()
        ))),
        (status, None, Some(day), None) => settled(day, status),
        (None | Some("ESCALATED"), None, None, Some(before)) => {
            let before: jiff::Timestamp = before.parse().map_err(|_| {
                Failure::Invalid(format!(
                    "due_before is {before:?}; use RFC 3339, such as 2026-11-22T10:00:00Z"
                ))
            })?;
            Ok(list::Query::Open { lists: vec![Worklist::Escalated], before: Some(before.as_second()) })
        }
        (status, None, None, None) => Ok(list::Query::Open { lists: open_lists(status)?, before: None }),
        (_, Some(_), _, _) => {
            Err(Failure::Invalid("order_id cannot be combined with other filters; omit them".to_owned()))
        }
        (_, None, Some(_), Some(_)) => {
            Err(Failure::Invalid("day lists settled tasks, which are not due; omit due_before".to_owned()))
        }
        (Some(_), None, None, Some(_)) => Err(Failure::Invalid(
            "due_before applies only to status=ESCALATED, which is listed by deadline".to_owned(),
        )),
    }
}

/// Which of the tasks the parameters keep.
fn wanted(params: &ListParams) -> Result<Wanted, Failure> {
    let received_before = params.received_before.as_ref().map(|text| {
        text.parse().map_err(|_| {
            Failure::Invalid(format!(
                "received_before is {text:?}; use RFC 3339, such as 2026-11-22T10:00:00Z"
            ))
        })
    });
    for (name, value) in [("code", &params.code), ("rule", &params.rule), ("workflow", &params.workflow)] {
        if value.as_ref().is_some_and(String::is_empty) {
            return Err(Failure::Invalid(format!("{name} is empty; omit it")));
        }
    }
    Ok(Wanted {
        code: params.code.clone(),
        rule: params.rule.clone(),
        workflow: params.workflow.clone(),
        received_before: received_before.transpose()?,
    })
}

fn settled(day: &str, status: Option<&str>) -> Result<list::Query, Failure> {
    // The key is the text: 2026-W47-7 or 20261122 would be a day without tasks.
    if day.parse::<jiff::civil::Date>().ok().map(|date| date.to_string()).as_deref() != Some(day) {
        return Err(Failure::Invalid(format!("day is {day:?}; use a day in UTC, such as 2026-11-22")));
    }
    let status = status
        .map(|text| {
            Status::parse(text).filter(|status| status.is_final()).ok_or_else(|| {
                Failure::Invalid(format!(
                    "status is {text:?}; with day it is APPROVED, REJECTED, EXPIRED or FAILED"
                ))
            })
        })
        .transpose()?;
    Ok(list::Query::Settled { day: day.to_owned(), status })
}

fn open_lists(status: Option<&str>) -> Result<Vec<Worklist>, Failure> {
    let Some(status) = status else { return Ok(Worklist::ALL.to_vec()) };
    let mut lists = Vec::new();
    for name in status.split(',').map(str::trim) {
        let list = Worklist::ALL.into_iter().find(|list| list.name() == name);
        match (list, Status::parse(name)) {
            (Some(list), _) if !lists.contains(&list) => lists.push(list),
            (Some(_), _) => {}
            (None, Some(_)) => {
                return Err(Failure::Invalid(format!(
                    "status {name} is settled; settled tasks are listed by day, such as day=2026-11-22&status={name}"
                )));
            }
            (None, None) => {
                return Err(Failure::Invalid(format!(
                    "status is {name:?}; open tasks are PENDING, ESCALATED, DUE or VERIFY"
                )));
            }
        }
    }
    Ok(lists)
}

#[cfg(test)]
mod tests;
