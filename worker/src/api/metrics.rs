//! `GET /metrics`, and the count and time of each request.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rust_decimal::prelude::ToPrimitive as _;
use tokio::time::Instant;

use super::ApiState;
use super::error::Failure;
use crate::control::caps::Limit;
use crate::metrics::{self, Metrics};

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`.
pub(super) async fn metrics(State(state): State<ApiState>) -> Result<impl IntoResponse, Failure> {
    show_caps(&state);
    let text = metrics::text(&state.registry)
        .map_err(|_| Failure::Internal("the metrics cannot be written as text".to_owned()))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}

/// Sets the gauges of the hourly caps: they depend on the active ruleset and on the hour, and no call is made for them.
fn show_caps(state: &ApiState) {
    let active = state.automation.rules.pin();
    let limits = Limit::all(&active.settings().budget, state.clock.now());
    let shown = limits.iter().map(|limit| {
        let reserved = state.automation.caps.seen(limit);
        // A gauge is a float; the API has the exact decimals.
        (limit.cap, limit.most.to_f64().unwrap_or(f64::NAN), reserved.to_f64().unwrap_or(f64::NAN))
    });
    state.metrics.capped(&shown.collect::<Vec<_>>());
}

/// Counts each request by its route, never by its path: paths have unbounded values.
pub(super) async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = method(request.method());
    let started = Instant::now();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    metrics.answered_request(route, method, response.status().as_u16(), started.elapsed());
    response
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        // A caller may invent methods; a label must not.
        _ => "other",
    }
}
