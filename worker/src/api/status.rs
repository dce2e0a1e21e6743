//! `GET /v1/status`: what this process does, for a person who asks.

use axum::Json;
use axum::extract::State;
use rules::Diagnostic;
use serde::{Deserialize, Serialize};

use super::ApiState;

/// The answer of `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// `starting`, `ready` or `draining`.
    pub phase: String,
    /// The ruleset that decides.
    pub ruleset: ActiveRuleset,
    /// The newest edit of the ruleset, if it was refused.
    pub refused: Option<RefusedRuleset>,
    /// Shards of the stream that this process reads.
    pub leases_held: i64,
    /// Records read and not yet settled.
    pub in_flight_records: i64,
}

/// The ruleset that decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveRuleset {
    /// Name and version, such as `approval@7f3a91c2`.
    pub label: String,
    /// The version in full.
    pub sha256: String,
}

/// An edit that changes nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRuleset {
    /// The version, where the files could be read.
    pub sha256: Option<String>,
    /// Every finding.
    pub diagnostics: Vec<Diagnostic>,
}

/// `GET /v1/status`.
pub(super) async fn status(State(state): State<ApiState>) -> Json<Status> {
    let active = state.pipeline.rules.pin();
    let refused = state.pipeline.rules.refused();
    let metrics = &state.pipeline.metrics;
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        phase: state.readiness.phase().as_str().to_owned(),
        ruleset: ActiveRuleset { label: active.label(), sha256: active.sha256().to_owned() },
        refused: refused
            .map(|refused| RefusedRuleset { sha256: refused.sha256, diagnostics: refused.diagnostics }),
        leases_held: metrics.leases.get(),
        in_flight_records: metrics.in_flight.get(),
    })
}
