//! `GET /v1/me`: who the caller is, as the worker sees it.

use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;

/// The response of `GET /v1/me`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The name in decisions; none without authentication.
    pub name: Option<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// When it expires, RFC 3339; empty without authentication.
    pub expires: String,
}

/// `GET /v1/me`.
pub(super) async fn me(Extension(caller): Extension<Caller>) -> Json<Me> {
    Json(match caller.holder() {
        None => Me { name: None, roles: Vec::new(), expires: String::new() },
        Some(holder) => Me {
            name: Some(holder.name.clone()),
            roles: holder.roles.iter().map(ToString::to_string).collect(),
            expires: jiff::Timestamp::from_second(holder.expires)
                .map(|time| time.to_string())
                .unwrap_or_default(),
        },
    })
}
