//! The console: pages on which people see what waits for them and decide it. Rendered here, usable without JavaScript.
//!
//! A page has no way of its own to the tables or to a decision: it calls what the JSON API calls. GET changes nothing.

mod agreement;
mod automation;
mod bulk;
mod chart;
mod claims;
mod decision;
mod highlight;
mod inbox;
mod lately;
mod news;
mod order;
mod page;
mod problem;
mod provider;
mod rules;
mod session;
mod sign_in;
mod similar;
mod switch;
mod task;
mod terms;
mod times;
mod totals;

use axum::Router;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect};

use crate::api::ApiState;
use crate::api::error::Failure;
use crate::api::events::events;
use crate::api::routes::{Door, Needed, Route, guarded};
use crate::control::tokens::Role;
use crate::metrics::RequestClass;

/// Where the inbox is.
const HOME: &str = "/console";
/// Where many tasks are decided.
const BULK: &str = "/console/bulk";
const STYLE: &str = include_str!("../../templates/style.css");
const LIVE: &str = include_str!("../../templates/live.js");
const ICON: &str = include_str!("../../templates/icon.svg");

/// Pages of people who are signed in.
fn inside() -> Vec<Route> {
    let viewer = |class| Door::Role(Role::Viewer, class);
    let operator = |class| Door::Role(Role::Operator, class);
    let reviewer = Door::Role(Role::Reviewer, RequestClass::Changes);
    vec![
        Route::get(HOME, viewer(RequestClass::Lists), inbox::inbox),
        Route::get(BULK, Door::Role(Role::Reviewer, RequestClass::Lists), bulk::preview),
        Route::post(BULK, reviewer, bulk::decide),
        Route::get("/console/tasks/{id}", viewer(RequestClass::Tasks), task::task),
        Route::post("/console/tasks/{id}/decision", reviewer, decision::decide),
        Route::get("/console/tasks/{id}/decision", viewer(RequestClass::Tasks), decision::address),
        Route::post("/console/tasks/{id}/claim", reviewer, claims::claim),
        Route::get("/console/tasks/{id}/claim", viewer(RequestClass::Tasks), claims::address),
        Route::post("/console/tasks/{id}/release", reviewer, claims::release),
        Route::get("/console/tasks/{id}/release", viewer(RequestClass::Tasks), claims::address),
        Route::post("/console/tasks/{id}/comments", reviewer, claims::comment),
        Route::get("/console/tasks/{id}/comments", viewer(RequestClass::Tasks), claims::address),
        Route::get("/console/tasks/{id}/news", viewer(RequestClass::Tasks), news::news),
        Route::get("/console/tasks/{id}/similar", viewer(RequestClass::Lists), similar::similar),
        Route::get("/console/events", viewer(RequestClass::Events), events),
        Route::get("/console/rules", viewer(RequestClass::Lists), rules::rules),
        Route::post("/console/rules", viewer(RequestClass::Lists), rules::try_order),
        Route::get("/console/rules/agreement", viewer(RequestClass::Lists), agreement::agreement),
        Route::get("/console/rules/difference", viewer(RequestClass::Lists), rules::difference),
        Route::get("/console/automation", viewer(RequestClass::Status), automation::automation),
        Route::get("/console/automation/switch", operator(RequestClass::Status), switch::page),
        Route::post("/console/automation/switch", operator(RequestClass::Changes), switch::switch),
        Route::get("/console/{*rest}", viewer(RequestClass::Status), async || Failure::NoSuchResource),
    ]
}

/// What a browser gets without a session.
fn outside() -> Vec<Route> {
    vec![
        Route::get("/", Door::Open, async || Redirect::to(HOME)),
        Route::get("/console/style.css", Door::Open, async || of_type("text/css; charset=utf-8", STYLE)),
        Route::get("/console/live.js", Door::Open, async || of_type("text/javascript; charset=utf-8", LIVE)),
        Route::get("/console/icon.svg", Door::Open, async || of_type("image/svg+xml", ICON)),
        Route::get("/console/sign-in", Door::Open, sign_in::form),
        Route::post("/console/sign-in", Door::Anyone(RequestClass::Status), sign_in::sign_in),
        Route::get("/console/sign-in/provider", Door::Anyone(RequestClass::Status), provider::begin),
        Route::get(provider::CALLBACK, Door::Anyone(RequestClass::Status), provider::finish),
        Route::get("/console/sign-out", Door::Open, async || Redirect::to(HOME)),
        Route::post("/console/sign-out", Door::Anyone(RequestClass::Status), sign_in::sign_out),
    ]
}

/// What each page needs.
pub fn matrix() -> Vec<Needed> {
    inside().iter().chain(&outside()).map(Route::needed).collect()
}

/// Every page.
pub fn pages(state: &ApiState) -> Router<ApiState> {
    let inside = guarded(state, inside()).route_layer(from_fn_with_state(state.clone(), session::present));
    // The last added is the first to see a request.
    inside
        .merge(guarded(state, outside()))
        .route_layer(from_fn_with_state(state.clone(), problem::shown))
        .route_layer(from_fn(page::protected))
}

fn of_type(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}
