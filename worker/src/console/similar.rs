//! How people decided tasks that the same rule left to them for the same reason, lately.

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use statemachine::decision::{DecidedBy, Decision};
use statemachine::task::Escalation;

use super::lately::{self, Searched};
use super::page::{Frame, html};
use super::session::Session;
use super::task::delivery;
use super::times::moment;
use crate::api::ApiState;
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::api::tasks::task_id;
use crate::plain_text::plain;
use crate::tasks::list::ListedTask;

/// How many decisions are shown.
const SHOWN: usize = 20;

#[derive(Template)]
#[template(path = "similar.html")]
struct SimilarPage {
    frame: Frame,
    id: String,
    order_id: String,
    code: String,
    rule: String,
    approved: usize,
    rejected: usize,
    rows: Vec<Row>,
    /// How many settled tasks were read.
    read: usize,
    /// The earliest day that was read.
    since: String,
}

/// One decision.
struct Row {
    href: String,
    order: String,
    outcome: String,
    by: String,
    at: String,
    reason: String,
    ended: &'static str,
}

/// `GET /console/tasks/{id}/similar`.
pub(super) async fn similar(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Failure> {
    let id = task_id(id)?;
    let task = state.task(&id).await?;
    let mut page = SimilarPage {
        frame: Frame::new("inbox", &caller, &session),
        id: id.to_string(),
        order_id: plain(&task.order_id),
        code: plain(task.escalation.as_ref().map(|why| why.code.as_str()).unwrap_or_default()),
        rule: plain(task.escalation.as_ref().and_then(|why| why.rule.as_deref()).unwrap_or_default()),
        approved: 0,
        rejected: 0,
        rows: vec![],
        read: 0,
        since: String::new(),
    };
    if let Some(escalation) = &task.escalation {
        page.search(&state, escalation).await?;
    }
    html(StatusCode::OK, &page)
}

impl SimilarPage {
    async fn search(&mut self, state: &ApiState, escalation: &Escalation) -> Result<(), Failure> {
        let Searched { read, since } = lately::search(state, |tasks| {
            for task in tasks {
                if let Some(row) = Row::of(&task, escalation).filter(|_| self.rows.len() < SHOWN) {
                    if row.outcome == "approved" {
                        self.approved += 1
                    } else {
                        self.rejected += 1
                    }
                    self.rows.push(row);
                }
            }
            self.rows.len() < SHOWN
        })
        .await?;
        (self.read, self.since) = (read, since);
        Ok(())
    }
}

impl Row {
    /// None if rules decided it, or if it was left to people for another reason.
    fn of(task: &ListedTask, like: &Escalation) -> Option<Row> {
        let (why, decision) = (task.escalation.as_ref()?, task.decision.as_ref()?);
        let Decision { decided_by: DecidedBy::Person(by), outcome, decided_at, reason, .. } = decision else {
            return None;
        };
        let is_like = why.code == like.code && why.rule == like.rule;
        is_like.then(|| Row {
            href: format!("/console/tasks/{}", task.id),
            order: plain(&task.order_id),
            outcome: outcome.to_string(),
            by: plain(by),
            at: moment(decided_at),
            reason: plain(reason),
            ended: delivery(task.delivery),
        })
    }
}
