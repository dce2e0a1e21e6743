//! Starts the worker's tasks, and stops them in order.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rules::Ruleset;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::api::health::Readiness;
use crate::api::{ApiState, serve};
use crate::aws::clients::Clients;
use crate::clock::Clock;
use crate::config::{Config, RulesSource};
use crate::control::active_rules::{self, ActiveRules};
use crate::control::table::ControlTable;
use crate::fleet::member::Member;
use crate::fleet::parts::Parts;
use crate::metrics::{Metrics, registry};
use crate::tasks::list::TaskList;

/// Runs until `shutdown` resolves or a task fails, then drains within the configured time.
///
/// # Errors
///
/// What keeps the worker from starting, or the first task's failure. A drain that runs out of time is logged, not
/// returned: whatever was in work is read again from its checkpoint.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let clients = Clients::connect_for_good(&config.aws).await?;
    let ruleset = first_ruleset(&config, &clients).await?;
    info!(ruleset = ruleset.label(), sha256 = ruleset.sha256(), "ruleset {} is active", ruleset.label());
    let rules = ActiveRules::new(ruleset);
    let listener = TcpListener::bind(config.api.listen)
        .await
        .with_context(|| format!("api.listen = {}: choose another address or port 0", config.api.listen))?;
    let address = listener.local_addr().context("the listener's address")?;
    if let Some(file) = &config.api.address_file {
        std::fs::write(file, format!("{address}\n"))
            .with_context(|| format!("api.address_file = {file}: cannot be written"))?;
    }
    info!(%address, "listening on http://{address}");

    let mut registry = registry();
    let metrics = Metrics::register(&mut registry);
    let parts = Parts::new(&config, clients.clone(), Clock::system(), rules.clone(), metrics.clone());

    let (leave, stop) = (CancellationToken::new(), CancellationToken::new());
    let tasks = TaskTracker::new();
    if config.rules.source == RulesSource::Directory {
        tasks.spawn(active_rules::follow(config.rules.dir.clone(), rules, metrics, stop.clone()));
    }
    let readiness = Readiness::starting("the first look at the tables");
    let task_list = TaskList::new(clients.dynamodb, &config.tables.tasks);
    let state = ApiState::new(&parts, task_list, Arc::new(registry), readiness.clone(), tasks.clone());
    let member = Member::new(&config, parts);
    let mut api = tasks.spawn(serve(listener, state, stop.clone()));
    tasks.spawn(become_ready(member.ready.clone(), readiness.clone(), stop.clone()));
    let mut work = tasks.spawn({
        let leave = leave.clone();
        async move { member.run(leave).await }
    });

    let outcome = tokio::select! {
        // A request to stop wins over a task that ends at the same moment: both lead to the drain.
        biased;
        () = shutdown => Ok(()),
        ended = &mut work => ended.context("the worker panicked"),
        ended = &mut api => ended.context("the API panicked").flatten(),
    };

    info!("draining");
    readiness.drain();
    leave.cancel();
    if !work.is_finished() && timeout(Duration::from_millis(config.worker.drain_ms), work).await.is_err() {
        warn!("the drain ran out of time; what was in work is read again from its checkpoint");
    }
    stop.cancel();
    tasks.close();
    if timeout(Duration::from_secs(2), tasks.wait()).await.is_err() {
        warn!(remaining = tasks.len(), "{} tasks did not stop in time", tasks.len());
    }
    info!("stopped");
    outcome
}

/// The set to start with: a worker without rules does not start, so that nothing is escalated for want of them.
async fn first_ruleset(config: &Config, clients: &Clients) -> anyhow::Result<Ruleset> {
    match config.rules.source {
        RulesSource::Directory => {
            let dir = &config.rules.dir;
            Ruleset::load(dir).with_context(|| format!("rules.dir = {}", dir.display()))
        }
        RulesSource::Published => {
            let table = ControlTable::new(clients.dynamodb.clone(), &config.tables.control);
            let active = table.read_control_item().await.context("the control table")?.active;
            let active =
                active.context("no ruleset is published yet: run `countersign rules publish DIR` first")?;
            table.load_ruleset(&active).await.with_context(|| format!("the published ruleset {active}"))
        }
    }
}

async fn become_ready(ready: CancellationToken, readiness: Readiness, stop: CancellationToken) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = ready.cancelled() => readiness.ready(),
    }
}
