//! `GET /v1/tasks`: where people list tasks.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use statemachine::message::MAX_KEY_BYTES;
use statemachine::status::Status;
use statemachine::worklist::Worklist;
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::caller::Caller;
use super::error::Failure;
use super::filter::{self, Claimed, Wanted};
use super::view::TaskView;
use crate::control::person_name;
use crate::tasks::list::{self, MAX_PAGE};

/// How many tasks a page has unless the caller says.
const DEFAULT_PAGE: usize = 50;

/// The parameters of `GET /v1/tasks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Open lists, comma-separated: `PENDING`, `ESCALATED`, `DUE`, `VERIFY`. With `day`: a final status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// All tasks of an order instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Tasks that settled on a day instead, `2026-11-22` in UTC.
    #[param(format = Date)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// Only escalated tasks whose workflow stops waiting before this time, RFC 3339.
    #[param(format = DateTime)]
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
    #[param(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_before: Option<String>,
    /// Only tasks that this person has claimed; `me` is the caller, `nobody` means unclaimed tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<String>,
    /// 1 to 200; 50 unless given.
    #[param(minimum = 1, maximum = 200)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// From the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The response of `GET /v1/tasks`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TaskPage {
    /// Open tasks earliest due first, others newest first.
    pub tasks: Vec<TaskView>,
    /// The `cursor` of the next page; absent on the last one. A page of filtered tasks may be short, although more follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// `GET /v1/tasks`.
pub(super) async fn list(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    params: Result<Query<ListParams>, QueryRejection>,
) -> Result<Json<TaskPage>, Failure> {
    let Query(params) = params.map_err(|rejection| Failure::Invalid(rejection.body_text()))?;
    let query = query(&params)?;
    let limit = params.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Failure::Invalid(format!("limit is {limit}; it must be from 1 to {MAX_PAGE}")));
    }
    let (tasks, cursor) =
        filter::read(&state, &query, &wanted(&params, &caller)?, limit, params.cursor.clone()).await?;
    Ok(Json(TaskPage { tasks: tasks.into_iter().map(TaskView::of_listed).collect(), cursor }))
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
fn wanted(params: &ListParams, caller: &Caller) -> Result<Wanted, Failure> {
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
        claimed: params.claimed_by.as_deref().map(|name| claimed(name, caller)).transpose()?,
    })
}

fn claimed(name: &str, caller: &Caller) -> Result<Claimed, Failure> {
    match name {
        "nobody" => Ok(Claimed::ByNobody),
        "me" => {
            let me = caller.name().map(|name| Claimed::By(name.to_owned()));
            me.ok_or_else(|| {
                Failure::Invalid("claimed_by=me needs a token; give your name instead".to_owned())
            })
        }
        name => person_name::check(name)
            .map(Claimed::By)
            .map_err(|why| Failure::Invalid(format!("claimed_by {why}"))),
    }
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
