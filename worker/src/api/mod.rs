//! The HTTP servers: the API for people's decisions, and the listener for metrics and health. They read through one
//! handle, decide through the pipeline, and render.

pub(crate) mod audit;
pub(crate) mod auth;
pub mod automation;
pub mod batch;
pub(crate) mod caller;
pub mod claims;
mod connections;
mod counted;
mod described;
pub mod error;
pub mod events;
mod failures;
mod faults;
pub(crate) mod filter;
mod framing;
pub mod health;
pub mod hours;
mod known;
pub(crate) mod limits;
pub mod lists;
pub mod log_level;
pub(crate) mod masked;
pub mod me;
pub mod openapi;
mod operation;
mod operations;
pub(crate) mod origin;
pub mod problem;
pub mod reconsider;
pub mod routes;
pub mod rulesets;
pub mod scrape;
pub(crate) mod server;
pub mod status;
pub mod tasks;
pub mod tls;
pub mod view;
pub mod workers;

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;

use crate::clock::Clock;
use crate::config::Config;
use crate::control::automation::Automation;
use crate::control::table::ControlTable;
use crate::fleet::parts::Parts;
use crate::lease::fleet_view::FleetView;
use crate::metrics::Metrics;
use crate::queues::Queues;
use crate::steps::pipeline::Pipeline;
use crate::tasks::list::TaskList;
use crate::tasks::table::TaskTable;
use crate::telemetry::{self, LogLevel};
use statemachine::task::Task;
use statemachine::token::TaskId;

use self::auth::Auth;
use self::connections::MAX_CONNECTIONS;
use self::error::Failure;
use self::events::Events;
use self::health::Readiness;
use self::hours::Hours;
use self::limits::Limits;
use self::origin::Site;
use self::tls::Tls;

/// The longest body. The longest reason, with each character escaped, takes three quarters of it.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What the handlers may see.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// This worker's name.
    pub me: String,
    /// The level of the process's log; none without one.
    pub log_level: Option<LogLevel>,
    /// Decides for people.
    pub pipeline: Arc<Pipeline>,
    /// Reads single tasks.
    pub tasks: TaskTable,
    /// Lists tasks.
    pub task_list: TaskList,
    /// The stored control item.
    pub control_table: ControlTable,
    /// The control item and the rules, as this process has them.
    pub automation: Automation,
    /// The fleet as this worker sees it.
    pub fleet: FleetView,
    /// What the queues hold.
    pub queues: Queues,
    /// Metrics of the requests, and what `/v1/status` shows of the work.
    pub metrics: Metrics,
    /// The wall clock.
    pub clock: Clock,
    /// The state of `/readyz`.
    pub readiness: Readiness,
    /// How callers are known.
    pub auth: Auth,
    /// Under which names the API is reached.
    pub site: Site,
    /// The API's own certificate; none where it is reached in plain text or through a proxy.
    pub tls: Option<Tls>,
    /// Tells people what changes.
    pub events: Events,
    /// What settled in the last hours.
    pub hours: Hours,
    /// The places of requests in hand.
    limits: Limits,
    /// The OpenAPI document.
    description: &'static str,
    /// Owns the decisions that continue when their caller disconnects.
    pub tracker: TaskTracker,
}

impl ApiState {
    /// What the handlers may see of a worker's parts.
    ///
    /// # Errors
    ///
    /// When the identity provider cannot be asked, because the system has no certificates; or when the API's own certificate
    /// cannot be used.
    pub fn new(
        config: &Config,
        parts: &Parts,
        task_list: TaskList,
        readiness: Readiness,
        tracker: TaskTracker,
    ) -> io::Result<ApiState> {
        let Parts { me, tasks, control_table, automation, metrics, clock, pipeline, fleet, .. } =
            parts.clone();
        let auth = Auth::new(&config.auth, &control_table, &clock)?;
        let sqs = parts.clients.sqs.clone();
        let queues = Queues::new(sqs, &config.queues, metrics.clone(), clock.clone());
        let limits = Limits::new(metrics.clone());
        Ok(ApiState {
            me,
            log_level: telemetry::level(),
            pipeline,
            tasks,
            task_list,
            control_table,
            automation,
            fleet,
            queues,
            metrics,
            clock,
            readiness,
            auth,
            site: Site::new(config),
            tls: Tls::new(&config.api).map_err(io::Error::other)?,
            events: Events::default(),
            hours: Hours::default(),
            limits,
            description: openapi::text(),
            tracker,
        })
    }

    /// A task as it is stored.
    pub(crate) async fn task(&self, id: &TaskId) -> Result<Task, Failure> {
        self.tasks.get(id).await?.ok_or_else(|| Failure::NoSuchTask(id.clone()))
    }
}

impl FromRef<ApiState> for Readiness {
    fn from_ref(state: &ApiState) -> Readiness {
        state.readiness.clone()
    }
}

/// Serves the API and `pages` until `stop`, then finishes the requests in flight.
pub async fn serve<L: Listener<Addr = SocketAddr>>(
    listener: L,
    state: ApiState,
    pages: Router<ApiState>,
    stop: CancellationToken,
) {
    let (metrics, tls, events) = (state.metrics.clone(), state.tls.clone(), state.events.clone());
    let events = events.run(state.task_list.clone(), stop.clone());
    let hours = state.hours.clone().run(state.fleet.clone(), state.clock.clone(), stop.clone());
    let server = server::serve(listener, tls, router(state, pages), MAX_CONNECTIONS, metrics, stop);
    tokio::join!(server, events, hours);
}

/// Every route of the API, and `pages`, behind the checks that each request passes.
pub fn router(state: ApiState, pages: Router<ApiState>) -> Router {
    let counted = from_fn_with_state(state.metrics.clone(), counted::api);
    routes::api(&state)
        .merge(pages)
        .fallback(async || Failure::NoSuchResource)
        .method_not_allowed_fallback(async || Failure::MethodNotAllowed)
        // The last added is the first to see a request.
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), origin::guard))
        .layer(counted)
        .with_state(state)
}

/// The panic's message is only in the log line of the panic hook: it may contain anything.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Failure::Internal("a handler panicked".to_owned()).into_response()
}
