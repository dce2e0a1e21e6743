//! One worker process: started, crashed, told to leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_smithy_async::time::TimeSource;
use jiff::Timestamp;
use model::{World, credentials};
use prometheus_client::registry::Registry;
use rules::Ruleset;
use statemachine::token::TaskId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use worker::aws::clients::Clients;
use worker::clock::Clock;
use worker::config::Config;
use worker::control::active_rules::ActiveRules;
use worker::fleet::member::Member;
use worker::fleet::parts::Parts;
use worker::metrics::{Metrics, registry};
use worker::steps::person::{PersonDecision, PersonOutcome};
use worker::steps::pipeline::Pipeline;
use worker::traces::Traces;

use crate::invariants::Watch;

/// A running worker. Dropping it is a crash.
pub(crate) struct Process {
    /// The node that its calls come from; no two processes share one.
    pub(crate) node: String,
    /// Its steps, as its API has them.
    pub(crate) pipeline: Arc<Pipeline>,
    /// What it decides with.
    pub(crate) rules: ActiveRules,
    /// Its counters.
    pub(crate) metrics: Metrics,
    /// How far its wall clock is off.
    skew_ms: Arc<AtomicI64>,
    /// Its clock has been too wrong to work by.
    pub(crate) was_wrong: bool,
    pub(crate) leave: CancellationToken,
    registry: Registry,
    run: JoinSet<anyhow::Result<()>>,
    /// How it ended.
    ended: Option<String>,
    /// What people asked for; a decision has an outcome.
    people: JoinSet<Option<PersonOutcome>>,
}

impl Process {
    pub(crate) fn start(
        world: &World,
        node: &str,
        mut config: Config,
        ruleset: Arc<Ruleset>,
        skew_ms: i64,
    ) -> Process {
        config.worker.id = Some(node.to_owned());
        let was_wrong = is_wrong(skew_ms);
        let skew_ms = Arc::new(AtomicI64::new(skew_ms));
        let clock = {
            let (world, skew_ms) = (world.clone(), Arc::clone(&skew_ms));
            Clock::from_fn(move || {
                let now_ms = i64::try_from(world.now_ms()).expect("virtual time is near");
                Timestamp::from_millisecond(now_ms + skew_ms.load(Ordering::Relaxed)).expect("near")
            })
        };
        let mut registry = registry();
        let (rules, metrics) = (ActiveRules::new(ruleset), Metrics::register(&mut registry));
        let parts = Parts::new(
            &config,
            clients(world, node),
            clock,
            rules.clone(),
            metrics.clone(),
            Traces::default(),
        );
        let pipeline = Arc::clone(&parts.pipeline);
        let member = Member::new(&config, parts);
        let leave = CancellationToken::new();
        let mut run = JoinSet::new();
        run.spawn({
            let leave = leave.clone();
            async move { member.run(leave).await }
        });
        Process {
            node: node.to_owned(),
            pipeline,
            rules,
            metrics,
            skew_ms,
            was_wrong,
            leave,
            registry,
            run,
            ended: None,
            people: JoinSet::new(),
        }
    }

    /// A person's request, on its own task as the API has it; what the person is told must be true.
    pub(crate) fn ask(&mut self, request: PersonDecision, watch: &Watch) {
        let (pipeline, watch) = (Arc::clone(&self.pipeline), watch.clone());
        watch.state().people.note_asked(&request);
        self.people.spawn(async move {
            let response = pipeline.decide_for_person(request.clone()).await;
            watch.told(&request, &response);
            Some(response)
        });
    }

    /// A person gives a task back to the rules; what the person is told must be true.
    pub(crate) fn give_back(&mut self, id: TaskId, by: String, watch: &Watch) {
        let (pipeline, watch) = (Arc::clone(&self.pipeline), watch.clone());
        self.people.spawn(async move {
            let response = pipeline.reconsider(&id, &by).await;
            watch.told_given_back(&id, &by, response.ok());
            None
        });
    }

    /// That people wait for an answer, if any do.
    pub(crate) fn waiting(&self) -> Option<String> {
        let waiting = self.people.len();
        (waiting > 0).then(|| format!("{}: {waiting} people have no answer", self.node))
    }

    /// What it counted under a metric, over all labels that begin so: `callbacks_total{`.
    pub(crate) fn counted(&self, metric: &str) -> u64 {
        let text = worker::metrics::text(&self.registry).expect("metrics have a text form");
        let metric = format!("countersign_{metric}");
        let counts = text.lines().filter(|line| line.starts_with(&metric));
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// The answers that people got since the last time.
    pub(crate) fn answers(&mut self) -> Vec<PersonOutcome> {
        std::iter::from_fn(|| self.people.try_join_next()).filter_map(|answer| answer.ok()?).collect()
    }

    /// Sets its wall clock wrong by so much.
    pub(crate) fn set_skew(&mut self, skew_ms: i64) {
        self.was_wrong |= is_wrong(skew_ms);
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }

    /// It has left, or ended by itself.
    pub(crate) fn is_over(&mut self) -> bool {
        self.ended().is_some()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<&str> {
        if let Some(ended) = self.run.try_join_next() {
            self.ended = Some(match ended {
                Ok(Ok(())) => "in order".to_owned(),
                Ok(Err(error)) => format!("{error:#}"),
                Err(panicked) => panicked.to_string(),
            });
        }
        self.ended.as_deref()
    }
}

/// No worker may work by a clock that is wrong by so much.
fn is_wrong(skew_ms: i64) -> bool {
    skew_ms.unsigned_abs() > 300_000
}

/// The SDK's clock: signatures and stalled requests follow virtual time too.
#[derive(Debug)]
struct Time(World);

impl TimeSource for Time {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.now_ms())
    }
}

/// The production clients over the model. The SDK keeps its retry tokens in a static by partition: one for each
/// process, as in production.
fn clients(world: &World, node: &str) -> Clients {
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials()))
        .http_client(world.client_for(node))
        .time_source(Time(world.clone()))
        .build();
    let mut clients = Clients::new(&shared);
    let own = RetryPartition::custom(node.to_owned()).build();
    let dynamodb = clients.dynamodb.config().to_builder().retry_partition(own.clone()).build();
    clients.dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb);
    let sqs = clients.sqs.config().to_builder().retry_partition(own).build();
    clients.sqs = aws_sdk_sqs::Client::from_conf(sqs);
    clients
}
