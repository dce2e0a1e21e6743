//! One worker of the fleet without its process: what the simulation runs too.
//!
//! Leaving has an order: out of the pool, stop fetching, finish what is in hand, checkpoint, release in writing, and
//! only then remove the heartbeat. Dropping the future is a crash.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::closed_executions::ClosedExecutions;
use crate::config::Config;
use crate::control::active_rules;
use crate::control::gate::{self, ControlItem};
use crate::fleet::coordinator::Coordinator;
use crate::fleet::heart::{BEAT_AGAIN, Heart};
use crate::fleet::parts::Parts;
use crate::lease::table::LeaseTable;
use crate::stream::discoverer::Discoverer;
use crate::stream::discovery::Discovery;
use crate::stream::limits::Limits;
use crate::stream::reader::ReaderParts;
use crate::sweeper::Sweeper;

/// A worker that is ready to start.
#[derive(Debug)]
pub struct Member {
    parts: Parts,
    /// Cancelled after the first complete look at the fleet.
    pub ready: CancellationToken,
    me: String,
    lease: Duration,
    sweep_every: Duration,
    closed_queue: Option<String>,
    limits: Limits,
    discovery: Discovery,
}

impl Member {
    /// A worker of these parts. Its name gets a random end: no two processes, past or present, share one.
    pub fn new(config: &Config, parts: Parts) -> Member {
        let clients = &parts.clients;
        let discovery = Discovery::new(
            clients.dynamodb.clone(),
            clients.streams.clone(),
            &config.tables.tasks,
            config.budgets.describe_stream,
        );
        let name = config.worker.id.clone().unwrap_or_else(host_name);
        let end: String = std::iter::repeat_with(fastrand::alphanumeric).take(8).collect();
        Member {
            ready: CancellationToken::new(),
            me: format!("{name}-{}", end.to_lowercase()),
            lease: config.worker.lease(),
            sweep_every: Duration::from_millis(config.worker.sweep_ms),
            closed_queue: config.queues.closed_executions.clone(),
            limits: Limits::new(config.worker.in_flight_records, config.worker.in_flight_mib),
            discovery,
            parts,
        }
    }

    /// What this worker is called in leases and heartbeats.
    pub fn name(&self) -> &str {
        &self.me
    }

    /// Works until `leave`, then leaves in order.
    pub async fn run(&self, leave: CancellationToken) {
        info!(worker = self.me, "worker {}: joining the fleet", self.me);
        let mut heart = Heart::new(&self.parts, &self.me, self.lease);
        while !heart.beat(false).await {
            if timeout(BEAT_AGAIN, leave.cancelled()).await.is_ok() {
                return;
            }
        }
        let coordinator = self.coordinator(&heart);
        let mut beside = JoinSet::new();
        beside.spawn(heart.run(leave.clone()));
        beside.spawn(self.discoverer(&coordinator).run());
        let (seen, control) = watch::channel(ControlItem::default());
        let Parts { control_table, automation, metrics, .. } = self.parts.clone();
        beside.spawn(gate::follow(control_table.clone(), automation.gate, metrics.clone(), seen));
        beside.spawn(active_rules::follow_published(
            control_table,
            automation.rules,
            metrics,
            control,
            automation.follows_published,
        ));
        let mut consumer = JoinSet::new();
        if let Some(queue_url) = &self.closed_queue {
            let closed = ClosedExecutions {
                pipeline: Arc::clone(&self.parts.pipeline),
                tasks: self.parts.tasks.clone(),
                metrics: self.parts.metrics.clone(),
                sqs: self.parts.clients.sqs.clone(),
                queue_url: queue_url.clone(),
            };
            consumer.spawn(closed.run(leave.clone()));
        }
        coordinator.run(leave).await;
        while consumer.join_next().await.is_some() {}
        beside.shutdown().await;
        if let Err(fault) = self.parts.control_table.remove_heartbeat(&self.me).await {
            warn!(error = %fault, "the heartbeat is not removed, peers wait for its expiry: {fault}");
        }
        info!(worker = self.me, "worker {}: left the fleet", self.me);
    }

    fn coordinator(&self, heart: &Heart) -> Coordinator {
        let Parts { clients, tasks, control_table, rates, metrics, clock, pipeline, .. } = self.parts.clone();
        let sweeper = Sweeper {
            pipeline: Arc::clone(&pipeline),
            tasks,
            rates: Arc::clone(&rates),
            metrics: metrics.clone(),
            clock: clock.clone(),
            every: self.sweep_every,
        };
        let parts = ReaderParts {
            pipeline,
            metrics,
            clock,
            streams: clients.streams,
            discovery: self.discovery.clone(),
            leases: LeaseTable::new(control_table.clone(), &self.me),
            control_table,
            limits: self.limits.clone(),
        };
        Coordinator {
            parts,
            sweeper,
            rates,
            me: self.me.clone(),
            lease: self.lease,
            validity: heart.validity.clone(),
            last_round: Arc::clone(&heart.last_round),
            is_discoverer: watch::Sender::new(false),
            discover: Arc::new(Notify::new()),
            made: Arc::new(Notify::new()),
            ready: self.ready.clone(),
        }
    }

    fn discoverer(&self, coordinator: &Coordinator) -> Discoverer {
        Discoverer {
            discovery: self.discovery.clone(),
            leases: coordinator.parts.leases.clone(),
            control_table: self.parts.control_table.clone(),
            clock: self.parts.clock.clone(),
            metrics: self.parts.metrics.clone(),
            is_me: coordinator.is_discoverer.subscribe(),
            validity: coordinator.validity.clone(),
            wake: Arc::clone(&coordinator.discover),
            made: Arc::clone(&coordinator.made),
        }
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "worker".to_owned() } else { name.to_owned() }
}
