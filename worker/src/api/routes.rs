//! Every route: its pattern, its handler, and the class whose places its requests share.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{self, MethodRouter};

use super::limits::{Limits, limit};
use super::{ApiState, automation, health, metrics, reconsider, rulesets, status, tasks};
use crate::metrics::{Metrics, RequestClass};

use RequestClass::{Changes, Lists, Status, Tasks};

/// One route.
struct Route {
    path: &'static str,
    /// None for what must answer whatever the load is: it waits for nothing.
    class: Option<RequestClass>,
    handler: MethodRouter<ApiState>,
}

fn routes() -> Vec<Route> {
    vec![
        Route::get("/livez", None, health::livez),
        Route::get("/readyz", None, health::readyz),
        Route::get("/metrics", None, metrics::metrics),
        Route::get("/v1/status", Some(Status), status::status),
        Route::get("/v1/tasks", Some(Lists), tasks::list),
        Route::get("/v1/tasks/{id}", Some(Tasks), tasks::get),
        Route::post("/v1/tasks/{id}/decision", Some(Changes), tasks::decide),
        Route::post("/v1/tasks/{id}/reconsider", Some(Changes), reconsider::reconsider),
        Route::get("/v1/rulesets", Some(Lists), rulesets::list),
        Route::get("/v1/rulesets/{sha256}", Some(Lists), rulesets::get),
        Route::get("/v1/automation", Some(Status), automation::get),
        Route::post("/v1/automation/pause", Some(Changes), automation::pause),
        Route::post("/v1/automation/resume", Some(Changes), automation::resume),
    ]
}

impl Route {
    fn get<H: Handler<T, ApiState>, T: 'static>(
        path: &'static str,
        class: Option<RequestClass>,
        handler: H,
    ) -> Route {
        Route { path, class, handler: routing::get(handler) }
    }

    fn post<H: Handler<T, ApiState>, T: 'static>(
        path: &'static str,
        class: Option<RequestClass>,
        handler: H,
    ) -> Route {
        Route { path, class, handler: routing::post(handler) }
    }
}

/// Every route behind the limit of its class.
pub(super) fn limited(metrics: &Metrics) -> Router<ApiState> {
    let limits = Limits::new(metrics.clone());
    routes().into_iter().fold(Router::new(), |router, Route { path, class, handler }| {
        let handler = match class {
            Some(class) => handler.route_layer(from_fn_with_state((class, limits.clone()), limit)),
            None => handler,
        };
        router.route(path, handler)
    })
}
