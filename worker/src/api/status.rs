//! `GET /v1/status`: what this process does, for people.

use std::future::Future;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use rules::{Diagnostic, Ruleset};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

use super::ApiState;
use super::workers::WorkersView;
use crate::aws::fault::Fault;
use crate::control::caps::Limit;
use crate::control::gate::Permit;
use crate::control::item::Paused;
use crate::metrics::waiting::RateLimitView;
use crate::queues::QueueView;
use crate::shapes;

/// How long to wait for the tables: a person gets a response within two seconds, with what this worker knows.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// The response of `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WorkerStatus)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// `starting`, `ready` or `draining`.
    pub phase: String,
    /// Whose word the name of a person is: `claimed`, the caller's own, or `token`.
    #[serde(default)]
    pub identity: String,
    /// The active ruleset.
    pub ruleset: ActiveRuleset,
    /// The wanted ruleset, while it is rejected.
    pub refused: Option<RefusedRuleset>,
    /// What a ruleset had that decided since the start of the process, and the one that decides lacks: `rule tier-limit`.
    #[serde(default)]
    pub lacking: Vec<String>,
    /// The shadow ruleset.
    pub shadow: Option<ActiveRuleset>,
    /// The hourly caps of the active ruleset; empty if it has none.
    pub caps: Vec<CapView>,
    /// The rate limits of this worker: its share of the fleet's.
    #[serde(default)]
    pub rate_limits: Vec<RateLimitView>,
    /// `running`, `paused`, or `held` while this worker cannot read the switch.
    pub automation: String,
    /// Why rules do not decide.
    pub paused: Option<Paused>,
    /// Why automation is held, if the control item was edited or deleted by hand.
    pub held: Option<String>,
    /// The age of this worker's last read of the control item; none before the first.
    pub control_age_seconds: Option<u64>,
    /// What the queues hold, as this worker read them last.
    #[serde(default)]
    pub queues: Vec<QueueView>,
    /// The fleet as this worker last saw it; none before its first look.
    pub fleet: Option<WorkersView>,
    /// Leases that this process holds: of shards of the stream, and of the worklists' buckets.
    pub leases_held: i64,
    /// Records read and not yet settled.
    pub in_flight_records: i64,
}

/// The active ruleset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActiveRuleset {
    /// Name and version, such as `approval@7f3a91c2`.
    pub label: String,
    /// The version in full.
    pub sha256: String,
}

/// One hourly cap, over the whole fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Cap)]
#[serde(rename_all = "camelCase")]
pub struct CapView {
    /// What is capped: `approvals`, or the `amount` of `fact`.
    pub cap: String,
    /// The fact whose sum is capped, such as `order.amount`.
    pub fact: Option<String>,
    /// The most an hour, as decimal text.
    pub limit: String,
    /// What the fleet has reserved since the hour began, as decimal text; none if the table does not respond. A
    /// worker reserves a little ahead, so less may have been approved.
    pub reserved: Option<String>,
    /// The same as this worker last saw it, at its last reservation in this hour; 0 before that.
    pub seen: String,
}

/// A rejected edit, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedRuleset {
    /// The version, where the files could be read.
    pub sha256: Option<String>,
    /// Every finding.
    #[schema(value_type = Vec<shapes::Diagnostic>)]
    pub diagnostics: Vec<Diagnostic>,
}

/// `GET /v1/status`.
pub(crate) async fn status(State(state): State<ApiState>) -> Json<Status> {
    let active = state.automation.rules.pin();
    let refused = state.automation.rules.refused();
    let metrics = &state.metrics;
    let (automation, paused) = match state.automation.gate.permit() {
        Permit::Automatic => ("running", None),
        Permit::Paused(paused) => ("paused", Some(paused)),
        Permit::Unknown => ("held", None),
    };
    let caps = caps(&state, &active).await;
    let now = state.clock.now().as_second();
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        phase: state.readiness.phase().as_str().to_owned(),
        identity: state.auth.identity().as_str().to_owned(),
        ruleset: ActiveRuleset::of(&active),
        shadow: state.automation.rules.pin_shadow().map(|shadow| ActiveRuleset::of(&shadow)),
        caps,
        rate_limits: metrics.rate_limits(),
        automation: automation.to_owned(),
        paused,
        held: state.automation.gate.damage(),
        control_age_seconds: state.automation.gate.age().map(|age| age.as_secs()),
        fleet: state.fleet.last().map(|look| WorkersView::of(look, Instant::now(), now)),
        queues: state.queues.view(),
        refused: refused
            .map(|refused| RefusedRuleset { sha256: refused.sha256, diagnostics: refused.diagnostics }),
        lacking: state.automation.rules.lacking().iter().map(ToString::to_string).collect(),
        leases_held: metrics.leases.get(),
        in_flight_records: metrics.in_flight.get(),
    })
}

/// The caps of a ruleset, each with one consistent read of its counter.
async fn caps(state: &ApiState, ruleset: &Ruleset) -> Vec<CapView> {
    let limits = Limit::all(&ruleset.settings().budget, state.clock.now());
    let caps = limits.into_iter().map(|limit| async move {
        let reserved = in_time(state.control_table.reserved(&limit)).await;
        CapView {
            cap: limit.cap.label().to_owned(),
            limit: limit.most.to_string(),
            reserved: reserved.map(|reserved| reserved.to_string()),
            seen: state.automation.caps.seen(&limit).to_string(),
            fact: limit.fact,
        }
    });
    futures::future::join_all(caps).await
}

/// The result of a call to the table, unless it fails or takes too long for a person who waits.
async fn in_time<T>(call: impl Future<Output = Result<T, Fault>>) -> Option<T> {
    timeout(PATIENCE, call).await.ok()?.ok()
}

impl ActiveRuleset {
    fn of(ruleset: &Ruleset) -> ActiveRuleset {
        ActiveRuleset { label: ruleset.label(), sha256: ruleset.sha256().to_owned() }
    }
}
