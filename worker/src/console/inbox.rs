//! The inbox: what waits for a person, why, how long, and until when.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use statemachine::message::MAX_KEY_BYTES;
use statemachine::status::Status;
use statemachine::worklist::Worklist;

use super::HOME;
use super::page::{Frame, html};
use super::session::Session;
use super::times::{between, minute};
use super::totals::Totals;
use crate::api::ApiState;
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::api::events::id_of;
use crate::api::filter::{self, Claimed, Wanted};
use crate::api::view::TaskView;
use crate::control::amount::Amount;
use crate::control::tokens::Role;
use crate::plain_text::plain;
use crate::tasks::list::{self, Details, ListedTask, MOST_TASKS};

/// A deadline within this time is urgent.
const URGENT: SignedDuration = SignedDuration::from_hours(1);

/// What the address of a page asks for. An empty text is no filter: browsers send every field of a form.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    order: String,
    code: String,
    due: String,
    /// `me` or `nobody`.
    claimed: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cursor: String,
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct InboxPage {
    frame: Frame,
    filter: Filter,
    /// Whose tasks can be asked for: address, name, and whether they are shown.
    whose: Vec<(String, &'static str, bool)>,
    rows: Vec<Row>,
    totals: Totals,
    /// The heading of the amounts; empty without any.
    amount: String,
    next: Option<String>,
    /// The event after which it listens; empty if it does not show all that waits.
    last_event: String,
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
    /// Who has claimed it; empty if nobody has.
    claimed_by: String,
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
    let me = session.name.as_deref().or(caller.name()).unwrap_or_default();
    let (tasks, cursor) = read(&state, &filter, me, now).await?;
    let is_filtered =
        [&filter.order, &filter.code, &filter.due, &filter.claimed].iter().any(|filter| !filter.is_empty());
    let shows_all = !is_filtered && filter.cursor.is_empty() && cursor.is_none();
    let last_event = if shows_all { id_of(&tasks) } else { String::new() };
    // Without an answer the page is as good as it can be: no task has an amount or a claim.
    let mut details =
        state.task_list.details(tasks.iter().map(|task| task.id.clone()).collect()).await.unwrap_or_default();
    let amount = Amount::of(&state.automation.rules.pin());
    let rows: Vec<Row> = tasks
        .into_iter()
        .map(|task| {
            let details = details.remove(&task.id).unwrap_or_default();
            Row::of(TaskView::of_listed(task), &details, &amount, now)
        })
        .collect();
    let next = cursor.map(|cursor| address(&Filter { cursor, ..filter.clone() })).transpose()?;
    let page = InboxPage {
        frame: Frame::new("inbox", &caller, &session),
        is_filtered,
        last_event,
        whose: whose(&filter)?,
        filter,
        may_decide: caller.may(Role::Reviewer) && rows.iter().any(|row| row.id.is_some()),
        totals: Totals::of(rows.iter().map(|row| row.amount.as_str())),
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
    me: &str,
    now: Timestamp,
) -> Result<(Vec<ListedTask>, Option<String>), Failure> {
    let code = Some(filter.code.trim().to_owned()).filter(|code| !code.is_empty());
    let claimed = match filter.claimed.as_str() {
        "" => None,
        "me" => Some(Claimed::By(me.to_owned())),
        "nobody" => Some(Claimed::ByNobody),
        other => return Err(Failure::Invalid(format!("claimed is {other:?}; use me or nobody"))),
    };
    let wanted = Wanted { code, claimed, ..Wanted::default() };
    let cursor = Some(filter.cursor.clone()).filter(|cursor| !cursor.is_empty());
    filter::read(state, &query(filter, now)?, &wanted, MOST_TASKS, cursor).await
}

/// The same page for whose tasks.
fn whose(filter: &Filter) -> Result<Vec<(String, &'static str, bool)>, Failure> {
    [("", "All"), ("me", "Mine"), ("nobody", "Unclaimed")]
        .into_iter()
        .map(|(claimed, name)| {
            let of = Filter { claimed: claimed.to_owned(), cursor: String::new(), ..filter.clone() };
            Ok((address(&of)?, name, filter.claimed == claimed))
        })
        .collect()
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
    let pairs = [
        ("order", &filter.order),
        ("code", &filter.code),
        ("due", &filter.due),
        ("claimed", &filter.claimed),
        ("cursor", &filter.cursor),
    ];
    let pairs: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    if pairs.is_empty() {
        return Ok(HOME.to_owned());
    }
    let mut url =
        reqwest::Url::parse(BASE).map_err(|error| Failure::Internal(format!("an address: {error}")))?;
    url.query_pairs_mut().extend_pairs(pairs);
    Ok(format!("{HOME}{}", url.as_str().trim_start_matches(BASE)))
}

impl Row {
    fn of(task: TaskView, details: &Details, amount: &Amount, now: Timestamp) -> Row {
        let since = task.escalation.as_ref().map_or(&task.received_at, |escalation| &escalation.at).clone();
        let waits = since.parse().ok().and_then(|since| between(since, now)).unwrap_or_default();
        let until: Option<Timestamp> = task.deadline.as_ref().and_then(|deadline| deadline.parse().ok());
        let is_open = task.status == Status::Escalated && task.decision.is_none();
        let left = match until {
            None => "no deadline".to_owned(),
            Some(_) if !is_open => String::new(),
            Some(until) => between(now, until).unwrap_or_else(|| "passed".to_owned()),
        };
        let claim = details.claim.as_ref().filter(|claim| is_open && claim.until > now.as_second());
        let amount = details.order.as_deref().and_then(|order| amount.in_order(order));
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
            claimed_by: claim.map(|claim| plain(&claim.by)).unwrap_or_default(),
            waits: if is_open { waits } else { String::new() },
            since: minute(&since),
            left,
            until: task.deadline.as_deref().map(minute).unwrap_or_default(),
            is_urgent: is_open && until.is_some_and(|until| until < now + URGENT),
            status,
        }
    }
}
