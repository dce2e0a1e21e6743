//! `/v1/rulesets`: the history of publications, the active ruleset, and the files of each version.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::error::Failure;
use super::tasks::parameter;
use crate::control::rule_store::Line;

/// The response of `GET /v1/rulesets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rulesets {
    /// SHA-256 of the active ruleset, which decides.
    pub active: Option<String>,
    /// SHA-256 of the shadow ruleset, which is evaluated beside the active one.
    pub shadow: Option<String>,
    /// Every change, newest first.
    pub history: Vec<Line>,
}

/// The response of `GET /v1/rulesets/{sha256}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Ruleset)]
#[serde(rename_all = "camelCase")]
pub struct RulesetView {
    /// Name and version, such as `approval@7f3a91c2`.
    pub label: String,
    /// The full SHA-256.
    pub sha256: String,
    /// Path and content of each file.
    pub files: BTreeMap<String, String>,
}

/// `GET /v1/rulesets`.
pub(super) async fn list(State(state): State<ApiState>) -> Result<Json<Rulesets>, Failure> {
    let control = state.control_table.read_control_item().await?;
    let mut history = state.control_table.history().await?;
    history.reverse();
    Ok(Json(Rulesets { active: control.active, shadow: control.shadow, history }))
}

/// `GET /v1/rulesets/{sha256}`, or a prefix of it.
pub(super) async fn get(
    State(state): State<ApiState>,
    prefix: Result<Path<String>, PathRejection>,
) -> Result<Json<RulesetView>, Failure> {
    let prefix = parameter(prefix)?;
    let table = &state.control_table;
    let sha256 = table.find_ruleset(&prefix).await?;
    let ruleset = table.load_ruleset(&sha256).await?;
    let text = |content: &Vec<u8>| String::from_utf8_lossy(content).into_owned();
    let files = ruleset.files().iter().map(|(path, content)| (path.clone(), text(content))).collect();
    Ok(Json(RulesetView { label: ruleset.label(), sha256, files }))
}
