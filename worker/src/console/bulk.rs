//! Deciding many tasks at once: a preview of what a click means for each, and then a result for each.
//!
//! The preview is a GET and changes nothing. Its form carries the ETag of each task as the preview showed it.

use askama::Template;
use axum::extract::{Extension, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use futures::{StreamExt as _, stream};
use statemachine::decision::{MAX_REASON_CHARS, Outcome};
use statemachine::token::TaskId;

use super::page::{Frame, html};
use super::problem::sentence;
use super::session::Session;
use super::{BULK, HOME};
use crate::api::ApiState;
use crate::api::batch::{BatchBody, BatchDecision, Came, MAX_BATCH, decide_all};
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::api::limits::Place;
use crate::api::view::TaskView;
use crate::control::amount::Amount;
use crate::plain_text::plain;

/// How many tasks are read at once.
const AT_ONCE: usize = 16;

#[derive(Template)]
#[template(path = "bulk.html")]
struct BulkPage {
    frame: Frame,
    rows: Vec<Row>,
    /// The heading of the amounts; empty without any.
    amount: String,
    error: String,
    reason: String,
    most_chars: usize,
    is_done: bool,
    /// How many were decided, or approved first.
    done: usize,
}

/// One task of the preview, or one result.
#[derive(Debug)]
struct Row {
    id: String,
    etag: String,
    order: String,
    why: String,
    amount: String,
    /// What approving it means, or what came of the decision.
    means: String,
    /// Whether it can be decided, or was.
    is_good: bool,
}

/// What the form of a preview sends.
#[derive(Debug, Default)]
struct Sent {
    form_token: String,
    outcome: String,
    reason: String,
    tasks: Vec<(TaskId, String)>,
}

/// `GET /console/bulk?task=…&task=…`.
pub(super) async fn preview(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let ids = pairs(&query.unwrap_or_default())?.into_iter().filter(|(name, _)| name == "task");
    let ids = ids
        .map(|(_, id)| TaskId::parse(&id).map_err(|invalid| Failure::Invalid(invalid.to_string())))
        .collect::<Result<Vec<_>, _>>()?;
    if ids.is_empty() {
        return Ok(Redirect::to(HOME).into_response());
    }
    page(&state, &place, &caller, &session, ids, Sent::default(), "").await
}

/// `POST /console/bulk`.
pub(super) async fn decide(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    body: String,
) -> Result<Response, Failure> {
    let sent = Sent::read(&body)?;
    session.check_form(&sent.form_token)?;
    let outcome = Outcome::parse(&sent.outcome)
        .ok_or_else(|| Failure::Invalid("outcome is approved or rejected".to_owned()))?;
    if outcome == Outcome::Rejected && sent.reason.trim().is_empty() {
        let ids = sent.tasks.iter().map(|(id, _)| id.clone()).collect();
        let error = "A rejection must tell the workflow why: enter a reason.";
        return page(&state, &place, &caller, &session, ids, sent, error).await;
    }
    let decisions = sent.tasks.iter().map(|(task_id, etag)| BatchDecision {
        task_id: task_id.clone(),
        etag: etag.clone(),
        outcome,
        reason: sent.reason.clone(),
    });
    let body = BatchBody { decisions: decisions.collect(), dry_run: false, by: session.name.clone() };
    let results = decide_all(&state, &place, &caller, body).await?.results;
    let amount = Amount::of(&state.automation.rules.pin());
    let rows: Vec<Row> = stream::iter(results)
        .map(async |result| {
            let row = Row::read(&state, &result.task_id, &amount).await;
            Row { means: sentence(&plain(&result.detail)), is_good: result.result != Came::Refused, ..row }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let done = rows.iter().filter(|row| row.is_good).count();
    let frame = Frame::new("inbox", &caller, &session);
    html(StatusCode::OK, &BulkPage { done, is_done: true, ..BulkPage::of(frame, rows, &amount) })
}

/// The preview of these tasks.
async fn page(
    state: &ApiState,
    place: &Place,
    caller: &Caller,
    session: &Session,
    ids: Vec<TaskId>,
    sent: Sent,
    error: &str,
) -> Result<Response, Failure> {
    if ids.len() > MAX_BATCH {
        return Err(Failure::Invalid(format!("at most {MAX_BATCH} tasks are decided at once")));
    }
    let amount = Amount::of(&state.automation.rules.pin());
    let rows: Vec<Row> = stream::iter(ids)
        .map(async |id| Row::read(state, &id, &amount).await)
        .buffered(AT_ONCE)
        .collect()
        .await;
    let decisions = rows.iter().filter_map(|row| {
        let task_id = TaskId::parse(&row.id).ok()?;
        // After a mistake in the form, what was reviewed is still what the first preview showed.
        let first = sent.tasks.iter().find(|(id, _)| *id == task_id).map(|(_, etag)| etag.clone());
        let etag = first.unwrap_or_else(|| row.etag.clone());
        Some(BatchDecision { task_id, etag, outcome: Outcome::Approved, reason: String::new() })
    });
    let body = BatchBody { decisions: decisions.collect(), dry_run: true, by: session.name.clone() };
    let etags: Vec<String> = body.decisions.iter().map(|decision| decision.etag.clone()).collect();
    let foreseen = decide_all(state, place, caller, body).await?.results;
    let rows = rows.into_iter().zip(foreseen).zip(etags).map(|((row, result), etag)| Row {
        etag,
        means: sentence(&plain(&result.detail)),
        is_good: result.result != Came::Refused,
        ..row
    });
    let rows = rows.collect();
    let status = if error.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let frame = Frame::new("inbox", caller, session);
    let page =
        BulkPage { error: error.to_owned(), reason: sent.reason, ..BulkPage::of(frame, rows, &amount) };
    html(status, &page)
}

impl BulkPage {
    fn of(frame: Frame, rows: Vec<Row>, amount: &Amount) -> BulkPage {
        BulkPage {
            frame,
            rows,
            amount: amount.heading(),
            error: String::new(),
            reason: String::new(),
            most_chars: MAX_REASON_CHARS,
            is_done: false,
            done: 0,
        }
    }
}

impl Row {
    /// A task as it is now. One that cannot be read has only its id: its result says why.
    async fn read(state: &ApiState, id: &TaskId, amount: &Amount) -> Row {
        let mut row = Row {
            id: id.to_string(),
            etag: String::new(),
            order: id.to_string(),
            why: String::new(),
            amount: String::new(),
            means: String::new(),
            is_good: false,
        };
        let Ok(Some(task)) = state.tasks.get(id).await else { return row };
        let task = TaskView::of_task(task);
        row.order = plain(&task.order_id);
        row.why =
            task.escalation.map(|why| plain(&format!("{}: {}", why.code, why.reason))).unwrap_or_default();
        row.etag = task.etag;
        row.amount = task.order.and_then(|order| amount.in_order(&order)).unwrap_or_default();
        row
    }
}

impl Sent {
    fn read(body: &str) -> Result<Sent, Failure> {
        let mut sent = Sent::default();
        for (name, value) in pairs(body)? {
            match name.as_str() {
                "form_token" => sent.form_token = value,
                "outcome" => sent.outcome = value,
                // Browsers send the lines of a text with CR LF.
                "reason" => sent.reason = value.replace("\r\n", "\n"),
                "task" => {
                    let (id, etag) = value.split_once(':').unwrap_or((&value, ""));
                    let id = TaskId::parse(id).map_err(|invalid| Failure::Invalid(invalid.to_string()))?;
                    sent.tasks.push((id, etag.to_owned()));
                }
                _ => {}
            }
        }
        Ok(sent)
    }
}

/// The fields of a form, in their order: one may occur more than once.
fn pairs(form: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut url = reqwest::Url::parse("http://localhost/").map_err(|_| Failure::Internal(BULK.to_owned()))?;
    url.set_query(Some(form));
    Ok(url.query_pairs().into_owned().collect())
}
