//! The count and time of each request.

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use crate::metrics::{Metrics, RouteClass};

/// Counts a request to the API.
pub(super) async fn api(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let class = match *request.method() {
        _ if !request.uri().path().starts_with("/v1/") => RouteClass::Watch,
        Method::GET | Method::HEAD => RouteClass::Read,
        _ => RouteClass::Change,
    };
    count(&metrics, class, request, next).await
}

/// Counts a request of a scraper or a load balancer.
pub(super) async fn watched(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    count(&metrics, RouteClass::Watch, request, next).await
}

/// By the request's route, never by its path: paths have unbounded values.
async fn count(metrics: &Metrics, class: RouteClass, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = method(request.method());
    let started = Instant::now();
    let response = next.run(request).await;
    let (class, route) = match &route {
        Some(route) => (class, route.as_str()),
        None => (RouteClass::Other, "other"),
    };
    metrics.answered_request(class, route, method, response.status().as_u16(), started.elapsed());
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
