//! Routes: the pattern, the handler, the role it needs, and the class whose places its requests share.

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
use super::limits::limit;
use super::operation::Operation;
use super::problem::ProblemType;
use super::{
    ApiState, automation, batch, claims, described, events, health, lists, log_level, me, operations,
    reconsider, rulesets, status, tasks,
};
use crate::control::tokens::Role;
use crate::metrics::RequestClass;

use RequestClass::{Changes, Events, Lists, Status, Tasks};

/// The longest a request may take. A decision waits eight seconds for its workflow, after calls of five at most.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The method of routes that change nothing.
pub(super) const GET: &str = "GET";

/// Who may use a route, and whose places its requests share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// For every caller and under any load: it waits for nothing.
    Open,
    /// For every caller, within the limit of its class.
    Anyone(RequestClass),
    /// Callers with this role, within the limit of a class.
    Role(Role, RequestClass),
}

impl Door {
    /// The problems with which a request may end before its handler has answered.
    pub(super) fn problems(self) -> Vec<ProblemType> {
        use ProblemType::{
            Busy, Forbidden, Foreign, Internal, Invalid, NoHost, SlowBody, TooLarge, TooManyFailures,
            TooSlow, TwoLengths, Unauthenticated, Unavailable,
        };
        let mut problems = vec![NoHost, TwoLengths, Foreign, Internal];
        match self {
            Door::Open => {}
            Door::Anyone(_) => problems.extend([Invalid, SlowBody, TooLarge, Busy, Unavailable, TooSlow]),
            Door::Role(..) => {
                problems.extend(Door::Anyone(RequestClass::Status).problems());
                problems.extend([Unauthenticated, Forbidden, TooManyFailures]);
            }
        }
        problems
    }
}

/// One route.
#[derive(Debug)]
pub(crate) struct Route {
    method: &'static str,
    path: &'static str,
    door: Door,
    handler: MethodRouter<ApiState>,
}

/// Every route of the API with what it declares.
pub(super) fn declared() -> Vec<(Route, Operation)> {
    let (viewer, reviewer, operator) = (
        |class| Door::Role(Role::Viewer, class),
        |class| Door::Role(Role::Reviewer, class),
        |class| Door::Role(Role::Operator, class),
    );
    vec![
        (Route::get("/livez", Door::Open, health::livez), operations::livez()),
        (Route::get("/readyz", Door::Open, health::readyz), operations::readyz()),
        (Route::get("/v1/openapi.json", Door::Open, described::openapi), operations::openapi()),
        (Route::get("/v1/me", viewer(Status), me::me), operations::me()),
        (Route::get("/v1/status", viewer(Status), status::status), operations::status()),
        (Route::get("/v1/events", viewer(Events), events::events), operations::events()),
        (Route::get("/v1/tasks", viewer(Lists), lists::list), operations::list_tasks()),
        (Route::post("/v1/tasks:batch", reviewer(Changes), batch::batch), operations::decide_batch()),
        (Route::get("/v1/tasks/{id}", viewer(Tasks), tasks::get), operations::get_task()),
        (Route::get("/v1/tasks/{id}/story", viewer(Tasks), tasks::story), operations::get_story()),
        (Route::post("/v1/tasks/{id}/decision", reviewer(Changes), tasks::decide), operations::decide()),
        (Route::post("/v1/tasks/{id}/claim", reviewer(Changes), claims::claim), operations::claim()),
        (Route::post("/v1/tasks/{id}/release", reviewer(Changes), claims::release), operations::release()),
        (Route::post("/v1/tasks/{id}/comments", reviewer(Changes), claims::comment), operations::comment()),
        (
            Route::post("/v1/tasks/{id}/reconsider", reviewer(Changes), reconsider::reconsider),
            operations::reconsider(),
        ),
        (Route::get("/v1/rulesets", viewer(Lists), rulesets::list), operations::list_rulesets()),
        (Route::get("/v1/rulesets/{sha256}", viewer(Lists), rulesets::get), operations::get_ruleset()),
        (Route::get("/v1/automation", viewer(Status), automation::get), operations::get_automation()),
        (Route::post("/v1/automation/pause", operator(Changes), automation::pause), operations::pause()),
        (Route::post("/v1/automation/resume", operator(Changes), automation::resume), operations::resume()),
        (Route::get("/v1/log-level", viewer(Status), log_level::get), operations::get_log_level()),
        (Route::post("/v1/log-level", operator(Changes), log_level::set), operations::set_log_level()),
    ]
}

/// A route's method and pattern, and the role that it needs; none for those that need no token.
pub type Needed = (&'static str, &'static str, Option<Role>);

/// What each route of the API needs.
pub fn matrix() -> Vec<Needed> {
    declared().iter().map(|(route, _)| route.needed()).collect()
}

impl Route {
    pub(crate) fn get<H: Handler<T, ApiState>, T: 'static>(
        path: &'static str,
        door: Door,
        handler: H,
    ) -> Route {
        Route { method: GET, path, door, handler: routing::get(handler) }
    }

    pub(crate) fn post<H: Handler<T, ApiState>, T: 'static>(
        path: &'static str,
        door: Door,
        handler: H,
    ) -> Route {
        Route { method: "POST", path, door, handler: routing::post(handler) }
    }

    pub(super) fn method(&self) -> &'static str {
        self.method
    }

    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    pub(super) fn door(&self) -> Door {
        self.door
    }

    pub(crate) fn needed(&self) -> Needed {
        let role = match self.door {
            Door::Open | Door::Anyone(_) => None,
            Door::Role(role, _) => Some(role),
        };
        (self.method, self.path, role)
    }
}

/// Every route of the API.
pub(super) fn api(state: &ApiState) -> Router<ApiState> {
    guarded(state, declared().into_iter().map(|(route, _)| route).collect())
}

/// Routes: who may, in time, within the limit of its class.
pub(crate) fn guarded(state: &ApiState, routes: Vec<Route>) -> Router<ApiState> {
    let limited = |handler: MethodRouter<ApiState>, class| {
        let limited = handler.route_layer(from_fn_with_state((class, state.limits.clone()), limit));
        limited.route_layer(from_fn(in_time))
    };
    routes.into_iter().fold(Router::new(), |router, Route { path, door, handler, .. }| {
        let handler = match door {
            Door::Open => handler,
            Door::Anyone(class) => limited(handler, class),
            // The last added is the first to see a request: a stranger takes no place.
            Door::Role(role, class) => {
                limited(handler, class).route_layer(from_fn_with_state((role, state.clone()), admit))
            }
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
