//! Every route: its pattern, its handler, the role it needs, and the class whose places its requests share.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{self, MethodRouter};
use tokio::time::timeout;

use super::auth::admit;
use super::error::Failure;
use super::limits::{Limits, limit};
use super::{ApiState, automation, health, me, reconsider, rulesets, status, tasks};
use crate::control::tokens::Role;
use crate::metrics::RequestClass;

use RequestClass::{Changes, Lists, Status, Tasks};
use Role::{Operator, Reviewer, Viewer};

/// The longest a request may take. A decision waits eight seconds for its workflow, after calls of five at most.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// One route.
struct Route {
    method: &'static str,
    path: &'static str,
    /// Who may use it, and whose places its requests share. None for what answers whoever asks, and whatever the load
    /// is: it waits for nothing.
    guard: Option<(Role, RequestClass)>,
    handler: MethodRouter<ApiState>,
}

fn routes() -> Vec<Route> {
    vec![
        Route::get("/livez", None, health::livez),
        Route::get("/readyz", None, health::readyz),
        Route::get("/v1/me", Some((Viewer, Status)), me::me),
        Route::get("/v1/status", Some((Viewer, Status)), status::status),
        Route::get("/v1/tasks", Some((Viewer, Lists)), tasks::list),
        Route::get("/v1/tasks/{id}", Some((Viewer, Tasks)), tasks::get),
        Route::post("/v1/tasks/{id}/decision", Some((Reviewer, Changes)), tasks::decide),
        Route::post("/v1/tasks/{id}/reconsider", Some((Reviewer, Changes)), reconsider::reconsider),
        Route::get("/v1/rulesets", Some((Viewer, Lists)), rulesets::list),
        Route::get("/v1/rulesets/{sha256}", Some((Viewer, Lists)), rulesets::get),
        Route::get("/v1/automation", Some((Viewer, Status)), automation::get),
        Route::post("/v1/automation/pause", Some((Operator, Changes)), automation::pause),
        Route::post("/v1/automation/resume", Some((Operator, Changes)), automation::resume),
    ]
}

/// Each route's method and pattern, and the role that it needs; none for those that need no token.
pub fn matrix() -> Vec<(&'static str, &'static str, Option<Role>)> {
    let routes = routes().into_iter();
    routes.map(|route| (route.method, route.path, route.guard.map(|(role, _)| role))).collect()
}

impl Route {
    fn get<H: Handler<T, ApiState>, T: 'static>(
        path: &'static str,
        guard: Option<(Role, RequestClass)>,
        handler: H,
    ) -> Route {
        Route { method: "GET", path, guard, handler: routing::get(handler) }
    }

    fn post<H: Handler<T, ApiState>, T: 'static>(
        path: &'static str,
        guard: Option<(Role, RequestClass)>,
        handler: H,
    ) -> Route {
        Route { method: "POST", path, guard, handler: routing::post(handler) }
    }
}

/// Every route: who may, in time, within the limit of its class.
pub(super) fn guarded(state: &ApiState) -> Router<ApiState> {
    let limits = Limits::new(state.metrics.clone());
    routes().into_iter().fold(Router::new(), |router, Route { path, guard, handler, .. }| {
        let handler = match guard {
            // The last added is the first to see a request: a stranger takes no place.
            Some((role, class)) => handler
                .route_layer(from_fn_with_state((class, limits.clone()), limit))
                .route_layer(from_fn(in_time))
                .route_layer(from_fn_with_state((role, state.clone()), admit)),
            None => handler,
        };
        router.route(path, handler)
    })
}

async fn in_time(request: Request, next: Next) -> Response {
    match timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Failure::TooSlow.into_response(),
    }
}
