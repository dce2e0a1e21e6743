//! Ways in which a fleet stops working, each with the alert that must say so.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType};
use ops::proxy::{Outage, Proxy, Reply};
use ops::worker::Worker;
use ops::world::{WorkerOptions, World};

/// One way to stop working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stall {
    StreamOff,
    StreamSilent,
    TableThrottled,
    CallbacksDenied,
    ShardStuck,
    ControlUnreadable,
    QueueDead,
    RulesetRefused,
    WorkerKilled,
    CrashLoop,
    DeadLetter,
}

impl Stall {
    pub(crate) const ALL: [Stall; 11] = [
        Stall::StreamOff,
        Stall::StreamSilent,
        Stall::TableThrottled,
        Stall::CallbacksDenied,
        Stall::ShardStuck,
        Stall::ControlUnreadable,
        Stall::QueueDead,
        Stall::RulesetRefused,
        Stall::WorkerKilled,
        Stall::CrashLoop,
        Stall::DeadLetter,
    ];

    /// Its name in the table and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Stall::StreamOff => "stream-off",
            Stall::StreamSilent => "stream-silent",
            Stall::TableThrottled => "table-throttled",
            Stall::CallbacksDenied => "callbacks-denied",
            Stall::ShardStuck => "shard-stuck",
            Stall::ControlUnreadable => "control-unreadable",
            Stall::QueueDead => "queue-dead",
            Stall::RulesetRefused => "ruleset-refused",
            Stall::WorkerKilled => "worker-killed",
            Stall::CrashLoop => "crash-loop",
            Stall::DeadLetter => "dead-letter",
        }
    }

    /// The series of the alert that must fire.
    pub(crate) fn alert(self) -> &'static str {
        match self {
            Stall::StreamOff => r#"alertname="CountersignStreamOff""#,
            Stall::StreamSilent => r#"alertname="CountersignStreamSilent""#,
            Stall::TableThrottled => r#"alertname="CountersignServiceFault",service="table""#,
            Stall::CallbacksDenied => r#"alertname="CountersignServiceFault",service="step_functions""#,
            Stall::ShardStuck => r#"alertname="CountersignStreamBehind""#,
            Stall::ControlUnreadable => r#"alertname="CountersignAutomationHeld""#,
            Stall::QueueDead => r#"alertname="CountersignServiceFault",service="queue""#,
            Stall::RulesetRefused => r#"alertname="CountersignRulesetRefused""#,
            Stall::WorkerKilled => r#"alertname="CountersignWorkerDown""#,
            Stall::CrashLoop => r#"alertname="CountersignCrashLoop""#,
            Stall::DeadLetter => r#"alertname="CountersignDeadLetters",queue="task_dead_letters""#,
        }
    }
}

/// Where stalls happen: a fleet that reaches AWS through a proxy.
pub(crate) struct Site<'a> {
    pub(crate) world: &'a World,
    pub(crate) proxy: Proxy,
    pub(crate) rules: PathBuf,
    /// With the options of each; none while it is down.
    pub(crate) fleet: Vec<(WorkerOptions, Option<Worker>)>,
    outage: Option<Outage>,
}

/// More than CountersignCrashLoop takes for a coincidence.
const CRASHES: usize = 5;
/// An edit that does not compile.
const BROKEN: &str = "//! id: broken\n//! title: Half-written\n//! may: escalate\n\nif order.amount > {\n";

impl<'a> Site<'a> {
    pub(crate) fn new(world: &'a World, proxy: Proxy, rules: PathBuf) -> Site<'a> {
        Site { world, proxy, rules, fleet: vec![], outage: None }
    }

    /// Begins a stall.
    pub(crate) async fn begin(&mut self, stall: Stall) -> Result<()> {
        let (tasks, control) = (&self.world.stack.tasks_table, &self.world.stack.control_table);
        let queue = &self.world.stack.closed_executions_queue_url;
        let throttled = Reply::Error("ThrottlingException");
        let denied = Reply::Error("AccessDeniedException");
        let (operations, resource, reply): (&[&'static str], &str, Reply) = match stall {
            Stall::StreamOff => return self.set_stream(false).await,
            Stall::RulesetRefused => return Ok(fs::write(self.broken_rule(), BROKEN)?),
            Stall::WorkerKilled => return self.kill(),
            Stall::CrashLoop => return self.crash_again_and_again().await,
            Stall::DeadLetter => return self.send_letter().await,
            Stall::StreamSilent => (&["GetRecords"], "", Reply::NoRecords),
            Stall::TableThrottled => (&["GetItem", "Query", "UpdateItem"], tasks, throttled),
            Stall::CallbacksDenied => (&["SendTaskSuccess", "SendTaskFailure"], "", denied),
            Stall::ShardStuck => (&["GetRecords"], "", Reply::Silence),
            Stall::ControlUnreadable => (&["GetItem"], control, denied),
            Stall::QueueDead => (&["ReceiveMessage"], queue, denied),
        };
        self.outage = Some(self.proxy.outage(operations, resource, reply));
        Ok(())
    }

    /// Ends the stall.
    pub(crate) async fn end(&mut self, stall: Stall) -> Result<()> {
        self.outage = None;
        match stall {
            Stall::StreamOff => self.set_stream(true).await,
            Stall::RulesetRefused => Ok(fs::remove_file(self.broken_rule())?),
            Stall::WorkerKilled => self.start().await,
            Stall::DeadLetter => self.purge_letters().await,
            _ => Ok(()),
        }
    }

    /// Starts whichever worker is down.
    pub(crate) async fn start(&mut self) -> Result<()> {
        for (number, (options, worker)) in self.fleet.iter_mut().enumerate() {
            if worker.is_none() {
                *worker = Some(self.world.start_worker(&format!("w{number}"), options.clone()).await?);
            }
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        let (_, last) = self.fleet.last_mut().context("there is a fleet")?;
        if let Some(worker) = last.take() {
            worker.kill();
        }
        Ok(())
    }

    /// As systemd does with a worker that ends soon after it was ready.
    async fn crash_again_and_again(&mut self) -> Result<()> {
        for _ in 0..CRASHES {
            self.kill()?;
            self.start().await?;
        }
        Ok(())
    }

    async fn send_letter(&self) -> Result<()> {
        let send =
            self.world.clients.sqs.send_message().queue_url(&self.world.stack.task_dead_letter_queue_url);
        send.message_body("not a message of a workflow").send().await?;
        Ok(())
    }

    async fn purge_letters(&self) -> Result<()> {
        let purge =
            self.world.clients.sqs.purge_queue().queue_url(&self.world.stack.task_dead_letter_queue_url);
        purge.send().await?;
        Ok(())
    }

    fn broken_rule(&self) -> PathBuf {
        self.rules.join("rules/99-broken.rhai")
    }

    async fn set_stream(&self, is_on: bool) -> Result<()> {
        let stream = StreamSpecification::builder().stream_enabled(is_on);
        let stream = if is_on { stream.stream_view_type(StreamViewType::NewImage) } else { stream };
        let update = self.world.clients.dynamodb.update_table().table_name(&self.world.stack.tasks_table);
        update.stream_specification(stream.build()?).send().await?;
        Ok(())
    }
}
