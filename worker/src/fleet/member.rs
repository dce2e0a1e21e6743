//! One worker of the fleet without its process: what the simulation runs too.
//!
//! Leaving has an order: out of the pool, stop fetching, finish what is in hand, checkpoint, release in writing, and
//! only then remove the heartbeat. Dropping the future is a crash.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::aws::clients::Clients;
use crate::aws::rate_limit::RateLimit;
use crate::clock::Clock;
use crate::closed_executions::ClosedExecutions;
use crate::config::{Config, RulesSource};
use crate::control::active_rules::{self, ActiveRules};
use crate::control::gate::{self, Control, Gate};
use crate::control::spend::Spend;
use crate::control::table::{ControlTable, Heartbeat};
use crate::fleet::coordinator::Coordinator;
use crate::lease::guard::Validity;
use crate::lease::table::LeaseTable;
use crate::metrics::trouble::Trouble;
use crate::metrics::{Metrics, Service};
use crate::stepfunctions::callback::Callback;
use crate::stepfunctions::executions::Executions;
use crate::steps::pipeline::{Pipeline, Recent};
use crate::stream::discoverer::Discoverer;
use crate::stream::discovery::Discovery;
use crate::stream::limits::Limits;
use crate::stream::reader::Parts;
use crate::sweeper::Sweeper;
use crate::tasks::table::TaskTable;

/// A holder stops this much before its peers may take over: a ninth tenth of the lease, for clocks that drift apart.
const HOLDER_TENTHS: u32 = 9;
/// Between two tries of a heartbeat that was not answered.
const BEAT_AGAIN: Duration = Duration::from_millis(500);

/// A worker that is ready to start.
#[derive(Debug)]
pub struct Member {
    /// The steps, for the API too.
    pub pipeline: Arc<Pipeline>,
    /// Cancelled after the first complete look at the fleet.
    pub ready: CancellationToken,
    me: String,
    lease: Duration,
    sweep_every: Duration,
    closed_queue: Option<String>,
    clients: Clients,
    control: ControlTable,
    limits: Limits,
    discovery: Discovery,
}

impl Member {
    /// Puts a worker together. Its name gets a random end: no two processes, past or present, share one.
    pub fn new(
        config: &Config,
        clients: Clients,
        clock: Clock,
        rules: ActiveRules,
        metrics: Metrics,
    ) -> Member {
        let retention = SignedDuration::from_hours(i64::from(config.tables.retention_days) * 24);
        let control = ControlTable::new(clients.dynamodb.clone(), &config.tables.control);
        let pipeline = Arc::new(Pipeline {
            tasks: TaskTable::new(clients.dynamodb.clone(), &config.tables.tasks, retention),
            callback: Callback::new(clients.sfn.clone()),
            executions: Executions::new(clients.sfn.clone()),
            control: control.clone(),
            rules,
            follows_published: config.rules.source == RulesSource::Published,
            gate: Gate::default(),
            spend: Spend::default(),
            send_rate: RateLimit::new(config.budgets.send_task),
            describe_rate: RateLimit::new(config.budgets.describe_execution),
            history_rate: RateLimit::new(config.budgets.execution_history),
            sweep_rate: RateLimit::new(config.budgets.sweep),
            metrics,
            clock,
            recent: Recent::default(),
        });
        let discovery = Discovery::new(
            clients.dynamodb.clone(),
            clients.streams.clone(),
            &config.tables.tasks,
            config.budgets.describe_stream,
        );
        let name = config.worker.id.clone().unwrap_or_else(host_name);
        let end: String = std::iter::repeat_with(fastrand::alphanumeric).take(8).collect();
        Member {
            pipeline,
            ready: CancellationToken::new(),
            me: format!("{name}-{}", end.to_lowercase()),
            lease: config.worker.lease(),
            sweep_every: Duration::from_millis(config.worker.sweep_ms),
            closed_queue: config.queues.closed_executions.clone(),
            limits: Limits::new(config.worker.in_flight_records, config.worker.in_flight_mib),
            discovery,
            clients,
            control,
        }
    }

    /// What this worker is called in leases and heartbeats.
    pub fn name(&self) -> &str {
        &self.me
    }

    /// Works until `leave`, then leaves in order.
    pub async fn run(&self, leave: CancellationToken) {
        info!(worker = self.me, "worker {}: joining the fleet", self.me);
        let mut heart = Heart {
            control: self.control.clone(),
            pipeline: Arc::clone(&self.pipeline),
            me: self.me.clone(),
            lease: self.lease,
            validity: Validity::until(Instant::now()),
            last_round: Arc::new(Mutex::new(Instant::now())),
            counter: 0,
            trouble: Trouble::default(),
        };
        while !heart.beat(false).await {
            if timeout(BEAT_AGAIN, leave.cancelled()).await.is_ok() {
                return;
            }
        }
        let coordinator = self.coordinator(&heart);
        let mut beside = JoinSet::new();
        beside.spawn(heart.run(leave.clone()));
        beside.spawn(self.discoverer(&coordinator).run());
        let (seen, control) = watch::channel(Control::default());
        let (table, pipeline) = (self.control.clone(), &self.pipeline);
        let (gate, rules, metrics) =
            (pipeline.gate.clone(), pipeline.rules.clone(), pipeline.metrics.clone());
        beside.spawn(gate::follow(table.clone(), gate, metrics.clone(), seen));
        beside.spawn(active_rules::follow_published(
            table,
            rules,
            metrics,
            control,
            pipeline.follows_published,
        ));
        let mut consumer = JoinSet::new();
        if let Some(queue_url) = &self.closed_queue {
            let closed = ClosedExecutions {
                pipeline: Arc::clone(&self.pipeline),
                sqs: self.clients.sqs.clone(),
                queue_url: queue_url.clone(),
            };
            consumer.spawn(closed.run(leave.clone()));
        }
        coordinator.run(leave).await;
        while consumer.join_next().await.is_some() {}
        beside.shutdown().await;
        if let Err(fault) = self.control.remove_heartbeat(&self.me).await {
            warn!(error = %fault, "the heartbeat is not removed, peers wait for its expiry: {fault}");
        }
        info!(worker = self.me, "worker {}: left the fleet", self.me);
    }

    fn coordinator(&self, heart: &Heart) -> Coordinator {
        let parts = Parts {
            pipeline: Arc::clone(&self.pipeline),
            streams: self.clients.streams.clone(),
            discovery: self.discovery.clone(),
            leases: LeaseTable::new(self.control.clone(), &self.me),
            control: self.control.clone(),
            limits: self.limits.clone(),
        };
        Coordinator {
            parts,
            sweeper: Sweeper { pipeline: Arc::clone(&self.pipeline), every: self.sweep_every },
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
            control: self.control.clone(),
            clock: self.pipeline.clock.clone(),
            metrics: self.pipeline.metrics.clone(),
            is_me: coordinator.is_discoverer.subscribe(),
            validity: coordinator.validity.clone(),
            wake: Arc::clone(&coordinator.discover),
            made: Arc::clone(&coordinator.made),
        }
    }
}

/// The heartbeat, apart from the work: slow work must not lose leases, and a stuck coordinator must.
#[derive(Debug)]
struct Heart {
    control: ControlTable,
    pipeline: Arc<Pipeline>,
    me: String,
    lease: Duration,
    validity: Validity,
    last_round: Arc<Mutex<Instant>>,
    /// The last beat's.
    counter: i64,
    trouble: Trouble,
}

impl Heart {
    /// Beats until dropped. Says so at once when the worker leaves.
    async fn run(mut self, leave: CancellationToken) {
        loop {
            let leaving = leave.is_cancelled();
            let pause = if self.is_stuck() {
                error!("no look at the fleet ended for {:?}: this worker gives its leases up", self.lease);
                self.lease / 3
            } else if self.beat(leaving).await {
                self.lease / 3
            } else {
                BEAT_AGAIN
            };
            tokio::select! {
                // Leaving is told to the peers before the next beat is due.
                biased;
                () = leave.cancelled(), if !leaving => {}
                () = sleep(pause) => {}
            }
        }
    }

    fn is_stuck(&self) -> bool {
        self.last_round.lock().expect("no holder of the time panics").elapsed() > self.lease * 2
    }

    /// One beat; the right to act counts from before it was sent.
    async fn beat(&mut self, leaving: bool) -> bool {
        let sent = Instant::now();
        // Never the same twice: a beat whose answer was lost was seen, and the next one must be seen to move.
        self.counter += 1;
        let beat = Heartbeat {
            worker: self.me.clone(),
            counter: self.counter,
            leaving,
            ruleset: self.pipeline.rules.pin().label(),
        };
        match self.control.beat(&beat, self.pipeline.clock.now()).await {
            Ok(()) => {
                self.trouble.answered();
                self.validity.extend(sent + self.lease * HOLDER_TENTHS / 10);
                true
            }
            Err(fault) => {
                self.trouble.failed(fault.class, &self.pipeline.metrics, Service::Control);
                warn!(error = %fault, "the heartbeat is not written: {fault}");
                false
            }
        }
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "worker".to_owned() } else { name.to_owned() }
}
