//! Starts the worker's tasks, and stops them in order.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::serve::Listener;
use futures::FutureExt as _;
use futures::future::FusedFuture as _;
use rules::Ruleset;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::api::health::Readiness;
use crate::api::scrape::{self, ScrapeState};
use crate::api::{ApiState, serve};
use crate::aws::clients::Clients;
use crate::clock::Clock;
use crate::config::{Config, RulesSource, Traces};
use crate::console::pages;
use crate::control::active_rules::{self, ActiveRules};
use crate::control::rules_folder::RulesFolder;
use crate::control::table::ControlTable;
use crate::control::tested;
use crate::fleet::long_lived::LongLived;
use crate::fleet::member::Member;
use crate::fleet::parts::Parts;
use crate::metrics::{Metrics, registry};
use crate::service_manager;
use crate::tasks::list::TaskList;
use crate::telemetry::LogLevel;
use crate::traces::Export;

/// How long the API's requests and people's decisions may take to end once the work has ended.
const STOP: Duration = Duration::from_secs(2);

/// Runs until `shutdown` resolves or a task fails, then drains within the configured time.
///
/// # Errors
///
/// What keeps the worker from starting, or the first task's failure. A drain that runs out of time is logged, not
/// returned: the records in flight are read again from the checkpoint.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let clients = Clients::connect_for_good(&config.aws).await?;
    let mut shutdown = std::pin::pin!(shutdown);
    let folder = RulesFolder::new(&config.rules, Clock::system())?;
    let ruleset = tokio::select! {
        // A folder or a table that does not respond must not prevent a worker from stopping.
        biased;
        () = &mut shutdown => return Ok(()),
        first = first_ruleset(&config, &clients, &folder) => first?,
    };
    info!(ruleset = ruleset.label(), sha256 = ruleset.sha256(), "ruleset {} is active", ruleset.label());
    let (api, metrics) = (&config.api, &config.metrics);
    let scrapes = listen("metrics", "http", metrics.listen, metrics.address_file.as_deref()).await?;
    let scheme = if api.tls_cert_file.is_some() { "https" } else { "http" };
    let listener = listen("api", scheme, api.listen, api.address_file.as_deref()).await?;

    let traces = Traces::of_environment().unwrap_or_else(|unsupported| {
        // No reason not to work.
        warn!("{unsupported}");
        None
    });
    Process { clients, clock: Clock::system(), ruleset, listener, scrapes, traces }
        .run(config, shutdown)
        .await
}

/// Listens as one table of the settings says.
async fn listen(
    table: &str,
    scheme: &str,
    wanted: SocketAddr,
    address_file: Option<&str>,
) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(wanted)
        .await
        .with_context(|| format!("{table}.listen = {wanted}: choose another address or port 0"))?;
    let address = listener.local_addr().context("the listener's address")?;
    if let Some(file) = address_file {
        std::fs::write(file, format!("{address}\n"))
            .with_context(|| format!("{table}.address_file = {file}: cannot be written"))?;
    }
    info!(%address, "{table}: listening on {scheme}://{address}");
    Ok(listener)
}

/// What a process needs besides its configuration.
#[derive(Debug)]
pub struct Process<L> {
    /// AWS.
    pub clients: Clients,
    /// The wall clock.
    pub clock: Clock,
    /// The ruleset to start with.
    pub ruleset: Ruleset,
    /// Where the API's requests come from.
    pub listener: L,
    /// Where the requests for metrics and health come from.
    pub scrapes: L,
    /// How traces are exported, if they are.
    pub traces: Option<Traces>,
}

impl<L: Listener<Addr = SocketAddr>> Process<L> {
    /// Runs until `shutdown` resolves or a long-lived task ends early, then drains within the configured time.
    ///
    /// # Errors
    ///
    /// The first long-lived task that ended early, by name.
    pub async fn run(self, config: Config, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Process { clients, clock, ruleset, listener, scrapes, traces } = self;
        let rules = ActiveRules::new(ruleset);
        let mut registry = registry();
        let metrics = Metrics::register(&mut registry);
        let export = Export::start(traces, &metrics);
        let traces = export.traces();
        let parts =
            Parts::new(&config, clients.clone(), clock.clone(), rules.clone(), metrics.clone(), traces);
        let (leave, stop) = (CancellationToken::new(), CancellationToken::new());
        let mut tasks = LongLived::default();
        if config.rules.source == RulesSource::Directory {
            let folder = RulesFolder::new(&config.rules, clock.clone())?;
            let follow = active_rules::follow(folder, rules, metrics, stop.clone());
            tasks.spawn("follower of the rules folder", follow.map(Ok));
        }
        let decisions = TaskTracker::new();
        let readiness = Readiness::starting("the first look at the tables");
        let task_list = TaskList::new(&clients.dynamodb, &config.tables.tasks);
        let watched = ScrapeState::new(&parts, Arc::new(registry), readiness.clone());
        let state = ApiState::new(&config, &parts, task_list, readiness.clone(), decisions.clone())?;
        let member = Member::new(&config, parts);
        tasks.spawn("listener for metrics", scrape::serve(scrapes, watched, stop.clone()).map(Ok));
        start_helpers(&state, &mut tasks, &stop);
        let pages = pages(&state);
        tasks.spawn("API server", serve(listener, state, pages, stop.clone()).map(Ok));
        tell_alive(&mut tasks);
        let mut work = Box::pin(member.run(leave.clone()).fuse());
        let proof = member.proof(config.aws.send_task_scope);
        let proof = proof.given(|reason| readiness.waits_for(reason));
        let start = async { tokio::join!(member.ready.cancelled(), proof) };

        let (mut shutdown, mut start, mut starting) = (pin!(shutdown), Box::pin(start), true);
        let first = loop {
            tokio::select! {
                // A request to stop wins over a task that ends at the same moment: both lead to the drain.
                biased;
                () = &mut shutdown => break Ok(()),
                ended = &mut work => break ended,
                Some(ended) = tasks.next() => break Err(ended.into()),
                ((), ()) = &mut start, if starting => {
                    starting = false;
                    readiness.ready();
                    service_manager::ready();
                }
            }
        };

        info!("draining");
        readiness.drain();
        service_manager::stopping();
        leave.cancel();
        let drained = if work.is_terminated() {
            Ok(Ok(()))
        } else {
            timeout(Duration::from_millis(config.worker.drain_ms), work).await
        };
        if drained.is_err() {
            warn!("the drain ran out of time; the records in flight are read again from the checkpoint");
        }
        stop.cancel();
        finish(decisions, tasks).await;
        export.end().await;
        info!("stopped");
        first.and(drained.unwrap_or(Ok(())))
    }
}

/// Waits for people's decisions and for the long-lived tasks, which were asked to stop.
async fn finish(decisions: TaskTracker, mut tasks: LongLived) {
    decisions.close();
    let finished = async {
        decisions.wait().await;
        while tasks.next().await.is_some() {}
    };
    if timeout(STOP, finished).await.is_err() {
        let remaining = decisions.len();
        warn!(remaining, "decisions or requests that did not finish in time: {remaining}");
    }
}

/// Ends another level of the log when its time is over, counts the messages of the queues, and keeps the keys of the
/// identity provider, if there is one, up to date.
fn start_helpers(state: &ApiState, tasks: &mut LongLived, stop: &CancellationToken) {
    fall_back(state.log_level.clone(), tasks, stop);
    if let Some(tls) = state.tls.clone() {
        tasks.spawn("follower of the certificate", tls.follow(stop.clone()).map(Ok));
    }
    tasks.spawn("reader of the queues' counts", state.queues.clone().follow(stop.clone()).map(Ok));
    if let Some(provider) = state.auth.provider() {
        tasks.spawn("follower of the identity provider", provider.clone().follow(stop.clone()).map(Ok));
    }
}

/// Ends another level of the log than the configured one when its time is over.
fn fall_back(level: Option<LogLevel>, tasks: &mut LongLived, stop: &CancellationToken) {
    if let Some(level) = level {
        tasks.spawn("fall back of the log's level", level.fall_back(stop.clone()).map(Ok));
    }
}

/// Tells systemd that the process is alive, if it asks.
fn tell_alive(tasks: &mut LongLived) {
    if let Some(period) = service_manager::watchdog() {
        tasks.spawn("watchdog of systemd", service_manager::tell_alive(period).map(|never| match never {}));
    }
}

/// The ruleset to start with. A worker without rules does not start, so that no task is escalated for lack of them.
async fn first_ruleset(config: &Config, clients: &Clients, folder: &RulesFolder) -> anyhow::Result<Ruleset> {
    match config.rules.source {
        RulesSource::Directory => {
            let first = folder.first().await;
            let (ruleset, refused) =
                first.with_context(|| format!("rules.dir = {}", folder.dir().display()))?;
            if let Some(refused) = refused {
                // The follower reports it for as long as it lasts.
                warn!(error = %refused, "starting with the last accepted ruleset: {refused}");
            }
            Ok(ruleset)
        }
        RulesSource::Published => {
            let table = ControlTable::new(clients.dynamodb.clone(), &config.tables.control);
            let active = table.read_control_item().await.context("the control table")?.active;
            let active =
                active.context("no ruleset is published yet: run `countersign rules publish DIR` first")?;
            let place = || format!("the published ruleset {active}");
            let ruleset = table.load_ruleset(&active).await.with_context(place)?;
            tested::tested_before(ruleset.files().clone(), "").with_context(place)
        }
    }
}
