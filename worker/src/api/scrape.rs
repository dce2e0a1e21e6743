//! The listener for scrapers and load balancers: metrics and health, apart from the API. It may listen on any address,
//! since it shows nothing of a task and changes nothing.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::serve::Listener;
use rust_decimal::prelude::ToPrimitive as _;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

use super::counted;
use super::health::{self, Readiness};
use super::server;
use crate::clock::Clock;
use crate::control::automation::Automation;
use crate::control::caps::Limit;
use crate::fleet::parts::Parts;
use crate::metrics::format::Format;
use crate::metrics::{self, Metrics, Shared};

/// The most open connections: of a few scrapers and load balancers. Those of the API do not count.
const MAX_CONNECTIONS: usize = 64;

/// What the handlers may see.
#[derive(Debug, Clone)]
pub struct ScrapeState {
    /// Everything that `/metrics` shows.
    registry: Shared,
    /// The state of `/readyz`.
    pub readiness: Readiness,
    metrics: Metrics,
    automation: Automation,
    clock: Clock,
}

impl ScrapeState {
    /// What the handlers may see of a worker's parts.
    pub fn new(parts: &Parts, registry: Shared, readiness: Readiness) -> ScrapeState {
        let Parts { metrics, automation, clock, .. } = parts.clone();
        ScrapeState { registry, readiness, metrics, automation, clock }
    }

    /// Sets the gauges of the hourly caps: they depend on the active ruleset and on the hour, and no call is made for
    /// them.
    fn show_caps(&self) {
        let active = self.automation.rules.pin();
        let limits = Limit::all(&active.settings().budget, self.clock.now());
        let shown = limits.iter().map(|limit| {
            let reserved = self.automation.caps.seen(limit);
            // A gauge is a float; the API has the exact decimals.
            (limit.cap, limit.most.to_f64().unwrap_or(f64::NAN), reserved.to_f64().unwrap_or(f64::NAN))
        });
        self.metrics.capped(&shown.collect::<Vec<_>>());
    }
}

impl FromRef<ScrapeState> for Readiness {
    fn from_ref(state: &ScrapeState) -> Readiness {
        state.readiness.clone()
    }
}

/// Serves until `stop`, then finishes the requests in flight.
pub async fn serve<L: Listener<Addr = SocketAddr>>(listener: L, state: ScrapeState, stop: CancellationToken) {
    let metrics = state.metrics.clone();
    server::serve(listener, None, router(state), MAX_CONNECTIONS, metrics, stop).await;
}

/// Every route.
pub fn router(state: ScrapeState) -> Router {
    let counted = from_fn_with_state(state.metrics.clone(), counted::watched);
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(scrape).layer(CompressionLayer::new()))
        .layer(counted)
        .with_state(state)
}

/// `GET /metrics`, in the format that the scraper prefers.
async fn scrape(State(state): State<ScrapeState>, headers: HeaderMap) -> impl IntoResponse {
    state.show_caps();
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::of_accept(accept);
    match metrics::text(&state.registry) {
        Ok(text) => {
            ([(header::CONTENT_TYPE, format.content_type())], format.of_open_metrics(text)).into_response()
        }
        Err(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written as text\n").into_response()
        }
    }
}
