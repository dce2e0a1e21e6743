//! The inbox: what waits for a person, why, how long, and until when.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use statemachine::message::MAX_KEY_BYTES;
use statemachine::status::Status;
use statemachine::worklist::Worklist;

use super::HOME;
use super::page::{Frame, html};
use super::session::Session;
use super::times::{between, minute};
use crate::api::ApiState;
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::api::filter::{self, Wanted};
use crate::api::view::TaskView;
use crate::control::amount::Amount;
use crate::control::tokens::Role;
use crate::plain_text::plain;
use crate::tasks::list;

/// How many tasks a page has at most.
const PAGE: usize = 50;
/// How many tasks are read at once.
const AT_ONCE: usize = 16;
/// A deadline within this time is urgent.
const URGENT: SignedDuration = SignedDuration::from_hours(1);

/// What the address of a page asks for. An empty text is no filter: browsers send every field of a form.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    order: String,
    code: String,
    due: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cursor: String,
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct InboxPage {
    frame: Frame,
    filter: Filter,
    rows: Vec<Row>,
    /// The heading of the amounts; empty without any.
    amount: String,
    next: Option<String>,
    is_filtered: bool,
    /// Whether the person may decide tasks.
    may_decide: bool,
}

/// One task.
#[derive(Debug)]
struct Row {
    /// Of a task that waits for people.
    id: Option<String>,
    href: String,
    order: String,
    code: String,
    rule: String,
    reason: String,
    amount: String,
    waits: String,
    since: String,
    left: String,
    until: String,
    is_urgent: bool,
    /// Only where it is not waiting for a person.
    status: String,
}

/// `GET /console`.
pub(super) async fn inbox(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(filter) = filter.map_err(|rejection| Failure::Invalid(rejection.body_text()))?;
    let now = state.clock.now();
    let (tasks, cursor) = read(&state, &filter, now).await?;
    let amount = Amount::of(&state.automation.rules.pin());
    let rows = stream::iter(tasks).map(async |task| {
        let amount = read_amount(&state, &task, &amount).await;
        Row::of(task, amount, now)
    });
    let rows: Vec<Row> = rows.buffered(AT_ONCE).collect().await;
    let next = cursor.map(|cursor| address(&Filter { cursor, ..filter.clone() })).transpose()?;
    let page = InboxPage {
        frame: Frame::new("inbox", &caller, &session),
        is_filtered: !(filter.order.is_empty() && filter.code.is_empty() && filter.due.is_empty()),
        filter,
        may_decide: caller.may(Role::Reviewer) && rows.iter().any(|row| row.id.is_some()),
        rows,
        amount: amount.heading(),
        next,
    };
    html(StatusCode::OK, &page)
}

/// The tasks of a page, and where the next page begins.
async fn read(
    state: &ApiState,
    filter: &Filter,
    now: Timestamp,
) -> Result<(Vec<TaskView>, Option<String>), Failure> {
    let code = Some(filter.code.trim().to_owned()).filter(|code| !code.is_empty());
    let wanted = Wanted { code, ..Wanted::default() };
    let cursor = Some(filter.cursor.clone()).filter(|cursor| !cursor.is_empty());
    let (tasks, cursor) = filter::read(state, &query(filter, now)?, &wanted, PAGE, cursor).await?;
    Ok((tasks.into_iter().map(TaskView::of_listed).collect(), cursor))
}

fn query(filter: &Filter, now: Timestamp) -> Result<list::Query, Failure> {
    let order = filter.order.trim();
    if !order.is_empty() {
        if !filter.due.is_empty() {
            return Err(Failure::Invalid("order lists all tasks of an order; omit due".to_owned()));
        }
        if order.len() > MAX_KEY_BYTES {
            return Err(Failure::Invalid(format!("an order's id has at most {MAX_KEY_BYTES} bytes")));
        }
        return Ok(list::Query::Order(order.to_owned()));
    }
    let hours = match filter.due.as_str() {
        "" => None,
        "1h" => Some(1),
        "8h" => Some(8),
        "24h" => Some(24),
        other => return Err(Failure::Invalid(format!("due is {other:?}; use 1h, 8h or 24h"))),
    };
    let before = hours.map(|hours| (now + SignedDuration::from_hours(hours)).as_second());
    Ok(list::Query::Open { lists: vec![Worklist::Escalated], before })
}

/// The address of an inbox.
fn address(filter: &Filter) -> Result<String, Failure> {
    /// Any address will do: only what follows it is used.
    const BASE: &str = "http://localhost/";
    let pairs =
        [("order", &filter.order), ("code", &filter.code), ("due", &filter.due), ("cursor", &filter.cursor)];
    let pairs: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let mut url =
        reqwest::Url::parse(BASE).map_err(|error| Failure::Internal(format!("an address: {error}")))?;
    url.query_pairs_mut().extend_pairs(pairs);
    Ok(format!("{HOME}{}", url.as_str().trim_start_matches(BASE)))
}

/// The amount in a task's order. Lists do not have it, so the task is read; without an answer it stays empty.
async fn read_amount(state: &ApiState, task: &TaskView, amount: &Amount) -> Option<String> {
    if !amount.is_in_orders() {
        return None;
    }
    let task = state.tasks.get(&task.task_id).await.ok()??;
    amount.in_order(TaskView::of_task(task).order.as_deref()?)
}

impl Row {
    fn of(task: TaskView, amount: Option<String>, now: Timestamp) -> Row {
        let since = task.escalation.as_ref().map_or(&task.received_at, |escalation| &escalation.at).clone();
        let waits = since.parse().ok().and_then(|since| between(since, now)).unwrap_or_default();
        let until: Option<Timestamp> = task.deadline.as_ref().and_then(|deadline| deadline.parse().ok());
        let is_open = task.status == Status::Escalated && task.decision.is_none();
        let left = match until {
            None => "no deadline".to_owned(),
            Some(_) if !is_open => String::new(),
            Some(until) => between(now, until).unwrap_or_else(|| "passed".to_owned()),
        };
        let (code, reason, rule) = match task.escalation {
            Some(why) => (why.code, why.reason, why.rule.unwrap_or_default()),
            None => Default::default(),
        };
        let status = if is_open {
            String::new()
        } else {
            let outcome = task.decision.as_ref().map(|decision| decision.outcome.to_string());
            outcome.unwrap_or_else(|| task.status.to_string().to_lowercase())
        };
        Row {
            id: is_open.then(|| task.task_id.to_string()),
            href: format!("/console/tasks/{}", task.task_id),
            order: plain(&task.order_id),
            code: plain(&code),
            rule: plain(&rule),
            reason: plain(&reason),
            amount: amount.unwrap_or_default(),
            waits: if is_open { waits } else { String::new() },
            since: minute(&since),
            left,
            until: task.deadline.as_deref().map(minute).unwrap_or_default(),
            is_urgent: is_open && until.is_some_and(|until| until < now + URGENT),
            status,
        }
    }
}
