//! The state of automation: whether rules decide, which rules, and the fleet.

use askama::Template;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::chart::{self, HEIGHT, Hours, OfRule, WIDTH};
use super::page::{Frame, html};
use super::session::Session;
use super::times::moment;
use crate::api::ApiState;
use crate::api::automation::get;
use crate::api::caller::Caller;
use crate::api::error::Failure;
use crate::api::status::{CapView, Status, status};
use crate::api::workers::{WorkerState, WorkerView};
use crate::control::tokens::Role;
use crate::metrics::counts::{Counts, Settled};
use crate::plain_text::plain;

#[derive(Template)]
#[template(path = "automation.html")]
struct AutomationPage {
    frame: Frame,
    /// `running`, `paused` or `held`.
    state: &'static str,
    paused: Option<(String, String, String)>,
    held: String,
    ruleset: String,
    shadow: String,
    refused: Vec<String>,
    lacking: Vec<String>,
    caps: Vec<String>,
    workers: Vec<[String; 6]>,
    today: Settled,
    share: String,
    hours: Hours,
    waiting: u64,
    waiting_by: Vec<(String, u64, u64)>,
    /// What each rule of this worker said since its start.
    outcomes: Vec<OfRule>,
    seen: String,
    may_switch: bool,
}

/// `GET /console/automation`.
pub(super) async fn automation(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Extension(session): Extension<Session>,
) -> Result<Response, Failure> {
    let Json(switch) = get(State(state.clone())).await?;
    let Json(Status { ruleset, shadow, refused, lacking, caps, fleet, .. }) =
        status(State(state.clone())).await;
    let diagnostics = refused.map(|refused| refused.diagnostics).unwrap_or_default();
    let (workers, counts, seen) = match fleet {
        Some(fleet) => {
            let seen = format!("{} s ago by {}", fleet.seen_seconds_ago, plain(&fleet.answering));
            (fleet.workers, fleet.counts, seen)
        }
        None => (Vec::new(), Counts::default(), "not yet".to_owned()),
    };
    let decided = counts.today.automatic + counts.today.people + counts.today.expired;
    let page = AutomationPage {
        frame: Frame::new("automation", &caller, &session),
        state: match (switch.running, &switch.held) {
            (true, _) => "running",
            (false, Some(_)) => "held",
            (false, None) => "paused",
        },
        paused: switch.paused.map(|paused| (plain(&paused.by), moment(&paused.at), plain(&paused.reason))),
        held: plain(&switch.held.unwrap_or_default()),
        ruleset: plain(&ruleset.label),
        shadow: shadow.map(|shadow| plain(&shadow.label)).unwrap_or_default(),
        refused: diagnostics.iter().map(|diagnostic| plain(&diagnostic.to_string())).collect(),
        lacking: lacking.iter().map(|part| plain(part)).collect(),
        caps: caps.iter().map(cap).collect(),
        workers: workers.iter().map(worker).collect(),
        share: chart::percent(counts.today.automatic, decided),
        hours: Hours::of(&state.hours.last(state.clock.now().as_second())),
        waiting: counts.open.escalated.tasks,
        waiting_by: chart::ranked(counts.escalated_by.into_iter().map(|(rule, count)| (plain(&rule), count))),
        today: counts.today,
        outcomes: chart::outcomes(
            state.metrics.verdicts_by_rule().into_iter().map(|(rule, counts)| (plain(&rule), counts)),
        ),
        seen,
        may_switch: caller.may(Role::Operator),
    };
    html(StatusCode::OK, &page)
}

fn cap(cap: &CapView) -> String {
    let what = cap.fact.as_deref().unwrap_or("approvals");
    let reserved = cap.reserved.as_ref().unwrap_or(&cap.seen);
    plain(&format!("{} of {} {what} in this hour", reserved, cap.limit))
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn worker(worker: &WorkerView) -> [String; 6] {
    let state = match worker.state {
        WorkerState::Live => "live",
        WorkerState::New => "new",
        WorkerState::Leaving => "leaving",
        WorkerState::Dead => "dead",
    };
    [
        plain(&worker.worker),
        state.to_owned(),
        format!("{} s ago", worker.heard_seconds_ago),
        format!("{}, {}", count(worker.shards, "shard"), count(worker.buckets, "bucket")),
        plain(&worker.ruleset),
        worker.report.as_ref().map_or_else(String::new, |report| format!("{} s", report.lag_seconds)),
    ]
}
