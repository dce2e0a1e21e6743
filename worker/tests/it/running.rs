//! A worker's process over a world of its own, with its real listeners, on virtual time.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use model::{QueueSettings, Start, Started, World};
use rules::Ruleset;
use statemachine::task::Task;
use tokio::io::AsyncReadExt as _;
use tokio::sync::oneshot;
use tokio::time::timeout;
use worker::clock::Clock;
use worker::config::{Config, RulesSource};
use worker::run::Process;

use crate::office;
use crate::pipes::{Callers, pipes};

/// Long enough for each task to do all that it does, and to be established.
pub(crate) const WORKS: Duration = Duration::from_secs(30);
/// How long the end of a task may go unseen, with the drain that follows.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A process at its work over a world of its own.
pub(crate) struct Running {
    pub(crate) world: World,
    pub(crate) requests: Callers,
    pub(crate) scrapes: Callers,
    pub(crate) skew_s: Arc<AtomicI64>,
    pub(crate) rules: tempfile::TempDir,
    pub(crate) shutdown: oneshot::Sender<()>,
    pub(crate) run: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(crate) fn start(source: RulesSource) -> Running {
        Running::start_with(source, 0)
    }

    pub(crate) fn start_with(source: RulesSource, skew_s: i64) -> Running {
        Running::start_ruled(source, skew_s, "approve(\"all\");\n")
    }

    /// The same with this rule.
    pub(crate) fn start_ruled(source: RulesSource, skew_s: i64, rule: &str) -> Running {
        Running::start_all(office::world(), skew_s, rule, |config| config.rules.source = source)
    }

    /// A process in this world, with the defaults but for what `change` sets.
    pub(crate) fn start_in(world: World, skew_s: i64, change: impl FnOnce(&mut Config)) -> Running {
        Running::start_all(world, skew_s, "approve(\"all\");\n", change)
    }

    fn start_all(world: World, skew_s: i64, rule: &str, change: impl FnOnce(&mut Config)) -> Running {
        let queue = QueueSettings { visibility_seconds: 30, redrive: None };
        let rules = tempfile::tempdir().expect("a folder");
        fs::write(rules.path().join("all.rhai"), rule).expect("a file");
        let mut config = Config::load(None, &[]).expect("the defaults");
        (config.tables.tasks, config.tables.control) = (office::TABLE.to_owned(), office::CONTROL.to_owned());
        config.queues.closed_executions = Some(world.create_queue("closed", queue));
        config.rules.dir = rules.path().to_owned();
        change(&mut config);
        let (right, skew_s) = (office::clock(&world), Arc::new(AtomicI64::new(skew_s)));
        let wrong = Arc::clone(&skew_s);
        let clock =
            Clock::from_fn(move || right.now() + SignedDuration::from_secs(wrong.load(Ordering::Relaxed)));
        let (requests, listener) = pipes();
        let (scrapes, watched) = pipes();
        let process = Process {
            clients: office::clients(&world),
            clock,
            ruleset: Ruleset::load(rules.path()).expect("a ruleset"),
            listener,
            scrapes: watched,
            traces: None,
        };
        let (shutdown, asked) = oneshot::channel::<()>();
        let run = async move { process.run(config, async { drop(asked.await) }).await };
        #[expect(clippy::disallowed_methods, reason = "the test waits for its end")]
        let run = tokio::spawn(run);
        Running { world, requests, scrapes, skew_s, rules, shutdown, run }
    }

    /// A request's answer, as text, from the listener that serves its path.
    pub(crate) async fn get(&self, path: &str) -> String {
        self.get_with(path, "").await
    }

    /// The same with more header lines.
    pub(crate) async fn get_with(&self, path: &str, headers: &str) -> String {
        String::from_utf8(self.get_bytes(path, headers).await).expect("text")
    }

    /// The same as it is sent.
    pub(crate) async fn get_bytes(&self, path: &str, headers: &str) -> Vec<u8> {
        let to = if path.starts_with("/v1/") { &self.requests } else { &self.scrapes };
        Running::sent(to, "GET", path, headers, "").await
    }

    /// The answer to a request that one of the listeners gets.
    pub(crate) async fn sent(to: &Callers, method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
        let host = "Host: 127.0.0.1:8420\r\nConnection: close";
        let request = format!("{method} {path} HTTP/1.1\r\n{host}\r\n{headers}\r\n{body}");
        let mut caller = to.connect(&request).await;
        let mut answer = Vec::new();
        caller.read_to_end(&mut answer).await.expect("a pipe");
        answer
    }

    pub(crate) fn held(&self) -> usize {
        let items = self.world.items(office::CONTROL).into_iter();
        items.filter(|item| item.contains_key("owner")).count()
    }

    pub(crate) fn heartbeats(&self) -> usize {
        let items = self.world.items(office::CONTROL).into_iter();
        items.filter(|item| item["pk"].as_text() == Some("worker")).count()
    }

    /// The error that the process ends with by itself, once it has drained.
    pub(crate) async fn error(self) -> String {
        let ended = timeout(SOON, self.run).await.expect("the end of a task is seen").expect("no panic");
        drop(self.shutdown);
        format!("{:#}", ended.expect_err("it is an error"))
    }

    /// What `GET /v1/status` says.
    pub(crate) async fn status(&self) -> serde_json::Value {
        let answer = self.get("/v1/status").await;
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON")
    }

    /// The value of a metric's sample, as it is scraped; `name` has the labels.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").await;
        let sample = text
            .lines()
            .find_map(|line| line.strip_prefix("countersign_")?.strip_prefix(name)?.strip_prefix(' '));
        sample.map(|value| value.parse().expect("a number"))
    }

    /// A waiting execution whose task is stored.
    pub(crate) async fn receive(
        &self,
        order_id: &str,
        amount: u32,
        timeout_seconds: Option<u64>,
    ) -> (Started, Task) {
        self.receive_order(order_id, format!(r#"{{"amount":{amount}}}"#), timeout_seconds).await
    }

    /// The same whose workflow waits for longer than its message says.
    pub(crate) async fn receive_until(&self, order_id: &str, amount: u32, seconds: i64) {
        let order = Some(format!(r#"{{"amount":{amount}}}"#));
        let started = self.world.start(Start { order, ..Start::new(order_id, order_id) });
        let mut task = office::task_of(&self.world, &started);
        task.deadline = Some(i64::try_from(self.world.now_ms() / 1_000).expect("near") + seconds);
        office::put(&self.world, &task).await;
    }

    /// The same with any order.
    pub(crate) async fn receive_order(
        &self,
        order_id: &str,
        order: String,
        timeout_seconds: Option<u64>,
    ) -> (Started, Task) {
        let started = self.world.start(Start {
            order: Some(order),
            timeout_seconds,
            tells_timeout: timeout_seconds.is_some(),
            ..Start::new(order_id, order_id)
        });
        let task = office::task_of(&self.world, &started);
        office::put(&self.world, &task).await;
        (started, task)
    }
}
