//! `/v1/rulesets`: what was published, what decides, and the files of each version.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use super::ApiState;
use super::error::Failure;
use crate::control::rule_store::Line;

/// The answer of `GET /v1/rulesets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rulesets {
    /// The published set that decides, by SHA-256.
    pub active: Option<String>,
    /// The published set that is tried beside it, by SHA-256.
    pub shadow: Option<String>,
    /// Every change, the newest first.
    pub history: Vec<Line>,
}

/// The answer of `GET /v1/rulesets/{sha256}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RulesetView {
    /// Name and version, such as `approval@7f3a91c2`.
    pub label: String,
    /// The version in full.
    pub sha256: String,
    /// Path to content.
    pub files: BTreeMap<String, String>,
}

/// `GET /v1/rulesets`.
pub(super) async fn list(State(state): State<ApiState>) -> Result<Json<Rulesets>, Failure> {
    let control = state.control_table.read_control_item().await?;
    let mut history = state.control_table.history().await?;
    history.reverse();
    Ok(Json(Rulesets { active: control.active, shadow: control.shadow, history }))
}

/// `GET /v1/rulesets/{sha256}`, or the beginning of one.
pub(super) async fn get(
    State(state): State<ApiState>,
    Path(prefix): Path<String>,
) -> Result<Json<RulesetView>, Failure> {
    let table = &state.control_table;
    let sha256 = table.find_ruleset(&prefix).await?;
    let ruleset = table.load_ruleset(&sha256).await?;
    let text = |content: &Vec<u8>| String::from_utf8_lossy(content).into_owned();
    let files = ruleset.files().iter().map(|(path, content)| (path.clone(), text(content))).collect();
    Ok(Json(RulesetView { label: ruleset.label(), sha256, files }))
}
