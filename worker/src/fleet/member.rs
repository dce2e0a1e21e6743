//! One worker of the fleet without its process, as the simulation runs it too.
//!
//! A worker leaves in this order: leave the pool, stop reading, finish the work in flight, write the checkpoints,
//! release the leases, and only then remove the heartbeat. Dropping the future is a crash.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::aws::eventbridge::EventBus;
use crate::closed_executions::ClosedExecutions;
use crate::config::{Config, SendTaskScope};
use crate::control::active_rules;
use crate::control::gate::{self, ControlItem};
use crate::fleet::coordinator::Coordinator;
use crate::fleet::heart::{BEAT_AGAIN, Heart};
use crate::fleet::long_lived::{Ended, LongLived};
use crate::fleet::parts::Parts;
use crate::fleet::proof::Proof;
use crate::hints::Hints;
use crate::lease::table::LeaseTable;
use crate::notices::{Publisher, Remembered};
use crate::stream::discoverer::Discoverer;
use crate::stream::discovery::Discovery;
use crate::stream::limits::Limits;
use crate::stream::reader::ReaderParts;
use crate::sweeper::Sweeper;
use crate::tasks::in_hand::InHand;

/// A worker that is ready to start.
#[derive(Debug)]
pub struct Member {
    parts: Parts,
    /// Cancelled after the fleet was first read completely.
    pub ready: CancellationToken,
    lease: Duration,
    sweep_every: Duration,
    closed_queue: Option<String>,
    hints_queue: Option<String>,
    event_bus: Option<String>,
    public_url: Option<String>,
    limits: Limits,
    discovery: Discovery,
}

impl Member {
    /// A worker of these parts.
    pub fn new(config: &Config, parts: Parts) -> Member {
        let clients = &parts.clients;
        let discovery = Discovery::new(
            clients.dynamodb.clone(),
            clients.streams.clone(),
            &config.tables.tasks,
            config.budgets.describe_stream,
        );
        Member {
            ready: CancellationToken::new(),
            lease: config.worker.lease(),
            sweep_every: Duration::from_millis(config.worker.sweep_ms),
            closed_queue: config.queues.closed_executions.clone(),
            hints_queue: config.queues.hints.clone(),
            event_bus: config.notices.event_bus.clone(),
            public_url: config.api.public_url.clone(),
            limits: Limits::new(config.worker.in_flight_records, config.worker.in_flight_mib),
            discovery,
            parts,
        }
    }

    /// What it shows before it is ready.
    pub fn proof(&self, scope: SendTaskScope) -> Proof {
        Proof {
            discovery: self.discovery.clone(),
            sfn: self.parts.clients.sfn.clone(),
            scope,
            metrics: self.parts.metrics.clone(),
        }
    }

    /// This worker's name in leases and heartbeats.
    pub fn name(&self) -> &str {
        &self.parts.me
    }

    /// Works until `leave` is cancelled or one of its tasks ends early, then leaves in order.
    ///
    /// # Errors
    ///
    /// The first task that ended early, or a clock that is too wrong to start with.
    pub async fn run(&self, leave: CancellationToken) -> anyhow::Result<()> {
        info!(worker = self.parts.me, "worker {}: joining the fleet", self.parts.me);
        // Also cancelled by a task that ends early, and then only for this worker.
        let leave = leave.child_token();
        let outcome = self.take_part(&leave).await;
        if let Err(fault) = self.parts.control_table.remove_heartbeat(&self.parts.me).await {
            warn!(error = %fault, "cannot remove the heartbeat: {fault}; peers wait until it expires");
        }
        info!(worker = self.parts.me, "worker {}: left the fleet", self.parts.me);
        outcome
    }

    async fn take_part(&self, leave: &CancellationToken) -> anyhow::Result<()> {
        let mut heart = Heart::new(&self.parts, &self.parts.me, self.lease);
        while !heart.beat(false).await? {
            if timeout(BEAT_AGAIN, leave.cancelled()).await.is_ok() {
                return Ok(());
            }
        }
        let coordinator = self.coordinator(&heart);
        // Tasks that work until `leave` and then finish, and tasks that run beside them to the end.
        let (mut work, mut beside) = (LongLived::default(), LongLived::default());
        let beats = heart.run(leave.clone());
        beside.spawn("heartbeat", async move { Ok(beats.await?) });
        let discoverer = self.discoverer(&coordinator).run();
        // It returns when the coordinator has ended, and the coordinator's end is the one to report.
        beside.spawn("discoverer of shards", discoverer.then(|()| std::future::pending()));
        self.follow_control(&mut beside);
        self.consume_queues(&coordinator, &mut work, leave);
        self.publish(&coordinator, &mut work, leave);
        work.spawn("coordinator of leases", coordinator.run(leave.clone()).map(Ok));
        until_all_end(work, beside, leave).await
    }

    fn consume_queues(&self, coordinator: &Coordinator, work: &mut LongLived, leave: &CancellationToken) {
        let Parts { clients, pipeline, tasks, metrics, .. } = &self.parts;
        if let Some(queue_url) = &self.closed_queue {
            let closed = ClosedExecutions {
                pipeline: Arc::clone(pipeline),
                tasks: tasks.clone(),
                metrics: metrics.clone(),
                sqs: clients.sqs.clone(),
                queue_url: queue_url.clone(),
            };
            let consume = once_member(coordinator, leave, closed.run(leave.clone()));
            work.spawn("consumer of closed executions", consume.map(Ok));
        }
        if let Some(queue_url) = &self.hints_queue {
            let hints = Hints {
                pipeline: Arc::clone(pipeline),
                tasks: tasks.clone(),
                metrics: metrics.clone(),
                sqs: clients.sqs.clone(),
                queue_url: queue_url.clone(),
                validity: coordinator.validity.clone(),
                in_hand: coordinator.parts.in_hand.clone(),
            };
            let consume = once_member(coordinator, leave, hints.run(leave.clone()));
            work.spawn("consumer of hints", consume.map(Ok));
        }
    }

    fn publish(&self, coordinator: &Coordinator, work: &mut LongLived, leave: &CancellationToken) {
        let Some(event_bus) = &self.event_bus else { return };
        let publisher = Publisher {
            notices: self.parts.notices.clone(),
            bus: EventBus::new(&self.parts.clients.shared, event_bus),
            tasks: self.parts.tasks.clone(),
            rules: self.parts.automation.rules.clone(),
            console: self.public_url.as_deref().map(|url| url.trim_end_matches('/').to_owned()),
            metrics: self.parts.metrics.clone(),
            clock: self.parts.clock.clone(),
            told: Remembered::default(),
        };
        let publish = once_member(coordinator, leave, publisher.run(leave.clone()));
        work.spawn("publisher of notices", publish.map(Ok));
    }

    fn follow_control(&self, beside: &mut LongLived) {
        let (seen, control) = watch::channel(ControlItem::default());
        let Parts { control_table, automation, metrics, .. } = self.parts.clone();
        let follow = gate::follow(control_table.clone(), automation.gate, metrics.clone(), seen);
        beside.spawn("reader of the control item", follow.map(Ok));
        let (rules, published) = (automation.rules, automation.follows_published);
        let follow = active_rules::follow_published(control_table, rules, metrics, control, published);
        beside.spawn("follower of published rulesets", follow.map(Ok));
    }

    fn coordinator(&self, heart: &Heart) -> Coordinator {
        let Parts { clients, tasks, control_table, rates, metrics, clock, pipeline, .. } = self.parts.clone();
        let in_hand = InHand::default();
        let sweeper = Sweeper {
            pipeline: Arc::clone(&pipeline),
            tasks,
            rates: Arc::clone(&rates),
            metrics: metrics.clone(),
            clock: clock.clone(),
            every: self.sweep_every,
            in_hand: in_hand.clone(),
            notices: self.parts.notices.clone(),
        };
        let parts = ReaderParts {
            pipeline,
            metrics,
            clock,
            streams: clients.streams,
            discovery: self.discovery.clone(),
            leases: LeaseTable::new(control_table.clone(), &self.parts.me),
            control_table,
            limits: self.limits.clone(),
            in_hand,
        };
        Coordinator {
            parts,
            sweeper,
            rates,
            me: self.parts.me.clone(),
            lease: self.lease,
            validity: heart.validity.clone(),
            last_round: Arc::clone(&heart.last_round),
            is_discoverer: watch::Sender::new(false),
            is_member: watch::Sender::new(false),
            view: self.parts.fleet.clone(),
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

/// The consumer of a queue, once this worker takes part in the fleet: if a newcomer crashes, the messages it received are
/// delayed. Nothing is consumed if `leave` comes first.
fn once_member<F: Future<Output = ()>>(
    coordinator: &Coordinator,
    leave: &CancellationToken,
    consumer: F,
) -> impl Future<Output = ()> + use<F> {
    let (mut is_member, leave) = (coordinator.is_member.subscribe(), leave.clone());
    async move {
        let is_alone = tokio::select! {
            biased;
            () = leave.cancelled() => return,
            joined = is_member.wait_for(|is_member| *is_member) => joined.is_err(),
        };
        if is_alone {
            // The coordinator has ended, and its end is the one to report.
            return leave.cancelled().await;
        }
        consumer.await;
    }
}

/// Waits until all work has ended, after `leave` or after the first task that ended early, which is returned.
async fn until_all_end(
    mut work: LongLived,
    mut beside: LongLived,
    leave: &CancellationToken,
) -> anyhow::Result<()> {
    let mut failed = None;
    loop {
        let ended = tokio::select! {
            // Whichever is first: a task that ends by itself is a fault, and the others run until they are told to end.
            biased;
            Some(ended) = beside.next() => ended,
            ended = work.next() => match ended {
                Some(ended) => ended,
                None => break,
            },
        };
        if matches!(ended, Ended::Returned(_)) && leave.is_cancelled() {
            continue;
        }
        error!("{ended}; draining");
        failed.get_or_insert(ended);
        leave.cancel();
    }
    beside.stop().await;
    failed.map_or(Ok(()), |ended: Ended| Err(ended.into()))
}
