//! Whichever long-lived task ends first, the process drains and ends with an error that names it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use model::{Call, Fault, Matcher, Rule, World};
use tokio::time::{sleep, timeout};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use worker::config::RulesSource;

use crate::office;
use crate::pipes::pipes;
use crate::running::{Running, SOON, WORKS};

/// The calls of one task.
type OfTask = fn(&Call) -> bool;

/// Each task that calls AWS, and a call that it alone makes.
const CALLERS: [(&str, &str, OfTask); 6] = [
    ("heartbeat", "PutItem", |call| call.body["Item"]["pk"]["S"] == "worker"),
    ("discoverer of shards", "DescribeTable", |_| true),
    ("reader of the control item", "GetItem", |call| call.body["Key"]["pk"]["S"] == "control"),
    ("follower of published rulesets", "GetItem", |call| call.body["Key"]["pk"]["S"] == "ruleset"),
    ("consumer of closed executions", "ReceiveMessage", |_| true),
    ("coordinator of leases", "Query", |call| call.body["ExpressionAttributeValues"][":pk"]["S"] == "lease"),
];

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_drains_the_process_and_is_named() {
    for (task, operation, is_its) in CALLERS {
        let running = Running::start(RulesSource::Published);
        sleep(WORKS).await;
        assert!(running.held() > 0, "{task}: it works");
        running.world.inject(Rule::new(Matcher::operation(operation).when(is_its), Fault::Panic));
        if task == "follower of published rulesets" {
            publish(&running.world).await;
        }
        // The discoverer lists once a minute, the consumer waits 20 s for a message.
        sleep(Duration::from_secs(60)).await;
        let world = running.world.clone();
        let told = running.error().await;
        assert_eq!(told, format!("the {task} panicked"));
        let left = world.items(office::CONTROL);
        assert!(
            left.iter().all(|item| item["pk"].as_text() != Some("worker")),
            "{task}: its heartbeat is left"
        );
        // Work that its coordinator no longer holds is not released: without a heartbeat others take it at once.
        if task != "coordinator of leases" {
            assert!(left.iter().all(|item| !item.contains_key("owner")), "{task}: it holds leases");
        }
    }
}

/// The control item names a ruleset, so that its follower asks for it.
async fn publish(world: &World) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let item = world.client_for("operator").dynamodb().put_item().table_name(office::CONTROL);
    let item = item.item("pk", text("control")).item("sk", text("control")).item("active", text("7f3a91c2"));
    item.item("revision", AttributeValue::N("1".to_owned())).send().await.expect("the model answers");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_panics_drains_the_process_and_is_named() {
    let mut running = Running::start(RulesSource::Published);
    sleep(WORKS).await;
    running.requests = pipes().0;
    assert_eq!(running.error().await, "the API server panicked");
}

#[tokio::test(start_paused = true)]
async fn a_listener_for_metrics_that_panics_drains_the_process_and_is_named() {
    let mut running = Running::start(RulesSource::Published);
    sleep(WORKS).await;
    running.scrapes = pipes().0;
    assert_eq!(running.error().await, "the listener for metrics panicked");
}

/// A log that breaks at the first line of one module: its writer panics then.
struct BreaksAt(&'static str);

impl<S: Subscriber> Layer<S> for BreaksAt {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        assert!(!event.metadata().target().starts_with(self.0), "the log broke");
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_of_the_rules_folder_that_panics_drains_the_process_and_is_named() {
    let running = Running::start(RulesSource::Directory);
    sleep(WORKS).await;
    let log = tracing_subscriber::registry().with(BreaksAt("worker::control::active_rules"));
    let _log = tracing::subscriber::set_default(log);
    fs::write(running.rules.path().join("all.rhai"), "reject(\"none\", \"none\");\n").unwrap();
    assert_eq!(running.error().await, "the follower of the rules folder panicked");
}

#[tokio::test(start_paused = true)]
async fn a_process_is_ready_after_its_first_look_and_ends_well_when_asked() {
    let running = Running::start(RulesSource::Directory);
    assert!(running.get("/readyz").await.starts_with("HTTP/1.1 503 "));
    sleep(WORKS).await;
    assert!(running.get("/readyz").await.starts_with("HTTP/1.1 200 "));
    running.shutdown.send(()).unwrap();
    timeout(SOON, running.run).await.expect("it drains").expect("no panic").expect("no error");
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_who_answers_who_is_heard_of_and_what_each_holds() {
    let running = Running::start(RulesSource::Directory);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let dead = running.world.client_for("operator").dynamodb().put_item().table_name(office::CONTROL);
    let dead = dead.item("pk", text("worker")).item("sk", text("dead-1")).item("ruleset", text("old@1"));
    dead.item("counter", AttributeValue::N("7".to_owned())).send().await.unwrap();
    sleep(WORKS).await;
    let answer = running.get("/v1/status").await;
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    let fleet = &serde_json::from_str::<serde_json::Value>(body).unwrap()["fleet"];
    assert!(fleet["seenSecondsAgo"].as_u64().unwrap() <= 1, "{fleet}");
    let worker = |n: usize| &fleet["workers"][n];
    assert_eq!((&worker(0)["worker"], &worker(0)["state"]), (&"dead-1".into(), &"dead".into()), "{fleet}");
    assert!(worker(0)["heardSecondsAgo"].as_u64().unwrap() >= 25, "{fleet}");
    assert_eq!((&worker(0)["shards"], &worker(0)["buckets"]), (&0.into(), &0.into()));
    assert_eq!((&worker(1)["worker"], &worker(1)["state"]), (&fleet["answering"], &"live".into()), "{fleet}");
    assert!(worker(1)["heardSecondsAgo"].as_u64().unwrap() <= 5, "{fleet}");
    assert!(worker(1)["upSeconds"].as_u64().unwrap() >= 20, "{fleet}");
    assert_eq!(worker(1)["buckets"], 16);
    assert!(worker(1)["shards"].as_u64().unwrap() >= 1, "{fleet}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_two_hours_wrong_ends_the_process_before_it_takes_anything() {
    for (skew_s, told) in [(7_200, "7200 s ahead of AWS's"), (-7_200, "7200 s behind AWS's")] {
        let running = Running::start_with(RulesSource::Directory, skew_s);
        let world = running.world.clone();
        let error = running.error().await;
        assert!(error.contains(told) && error.contains("synchronize it"), "{error}");
        assert_eq!(world.items(office::CONTROL).len(), 0, "it has taken nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ends_the_process_and_four_minutes_do_not() {
    let running = Running::start(RulesSource::Directory);
    sleep(WORKS).await;
    running.skew_s.store(240, Ordering::Relaxed);
    sleep(WORKS).await;
    assert_eq!(running.heartbeats(), 1, "it goes on");
    running.skew_s.store(-7_200, Ordering::Relaxed);
    let error = running.error().await;
    assert!(error.contains("the heartbeat failed: this machine's clock is 7200 s behind"), "{error}");
}

/// Where tasks may be started: each of these waits for what it starts.
const SPAWNERS: [&str; 15] = [
    "api/mod.rs",
    "api/server.rs",
    "cli/rules/agreement.rs",
    "cli/rules/backtest.rs",
    "cli/rules/backtest/tasks.rs",
    "console/agreement.rs",
    "console/rules.rs",
    "control/accepted.rs",
    "control/rules_folder.rs",
    "control/rules_folder/reader.rs",
    "fleet/coordinator.rs",
    "fleet/long_lived.rs",
    "in_time.rs",
    "run.rs",
    "service_manager.rs",
];

#[test]
fn every_task_is_started_where_its_end_is_seen() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut found) = (vec![src.clone()], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if starts_tasks(&path) {
                found.insert(path.strip_prefix(&src).unwrap().display().to_string());
            }
        }
    }
    let known: BTreeSet<String> = SPAWNERS.map(str::to_owned).into();
    assert_eq!(found, known, "start it in LongLived, or say here who waits for it");
}

/// Production code that names what starts tasks.
fn starts_tasks(path: &Path) -> bool {
    let text = fs::read_to_string(path).expect("a source file");
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let starts = ["JoinSet", "TaskTracker", "tokio::spawn", "spawn_blocking", "thread::spawn", "spawn_local"];
    let is_test = path.components().any(|part| part.as_os_str() == "tests");
    !is_test && !path.ends_with("tests.rs") && starts.iter().any(|start| code.contains(start))
}
