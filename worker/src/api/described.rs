//! `GET /v1/openapi.json`: the API's description, for generated clients.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::ApiState;

/// `GET /v1/openapi.json`.
pub(super) async fn openapi(State(state): State<ApiState>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], state.description)
}
