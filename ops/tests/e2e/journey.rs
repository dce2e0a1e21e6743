//! What journeys share: a world that is searched for leaked tokens at its end, workers that notice a death soon, orders
//! of one story, and what must hold of a task at its end.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::types::ShardIteratorType;
use aws_sdk_sfn::types::ExecutionStatus;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use ops::clients::{REGION, ROOT_KEY};
use ops::orders::{SampleOrder, Story, sample};
use ops::processes::{captured, command};
use ops::world::{Options, WorkerOptions, World, eventually};
use serde_json::Value;
use statemachine::decision::Outcome;
use statemachine::failure::Failure;
use statemachine::status::{Delivery, Status};
use statemachine::task::Task;

/// How long anything may take that takes a second on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// A short lease, in milliseconds, which a busy machine can still keep.
pub(crate) const LEASE_MS: u64 = 2_000;

/// Runs a journey in a world of its own, then searches all that the world has printed, answered and kept for its tokens.
/// What the journey returns is dropped only after the search, so that running workers are searched too.
pub(crate) async fn in_world<T>(options: Options, journey: impl AsyncFnOnce(&World) -> T) {
    let world = World::start(options).await.unwrap();
    let kept = journey(&world).await;
    world.assert_no_token_leaked().await.unwrap();
    drop(kept);
}

/// A world whose Lambda gets the time that it needs beside all else that the machine does.
pub(crate) fn patient() -> Options {
    Options { ingest_timeout_seconds: 10, visibility_seconds: 60, max_receive_count: 5, ..Options::default() }
}

/// A worker that notices a peer's death in seconds and walks its worklists twice a second.
pub(crate) fn quick() -> WorkerOptions {
    let settings = [("WORKER__LEASE_MS", LEASE_MS.to_string()), ("WORKER__SWEEP_MS", "500".to_owned())];
    let variables = settings.map(|(key, value)| (format!("COUNTERSIGN_{key}"), value));
    WorkerOptions { variables: variables.into(), ..WorkerOptions::default() }
}

/// A quick worker with another endpoint than the emulator.
pub(crate) fn through(endpoint_url: &str) -> WorkerOptions {
    WorkerOptions { endpoint_url: Some(endpoint_url.to_owned()), ..quick() }
}

/// The first orders of one story.
pub(crate) fn orders_of(story: Story, count: usize) -> Vec<SampleOrder> {
    let orders = sample(40 * (count + 1), 1).into_iter().filter(|order| order.story == story);
    let orders: Vec<SampleOrder> = orders.take(count).collect();
    assert_eq!(orders.len(), count, "the sample has enough of {story:?}");
    orders
}

/// Starts executions, some side by side; gives their ARNs.
pub(crate) async fn start(world: &World, orders: &[SampleOrder]) -> Vec<String> {
    let starts = orders.iter().map(|order| world.start_execution(&order.input));
    futures::stream::iter(starts).buffered(8).try_collect().await.unwrap()
}

/// Starts a workflow that waits behind a queue of its own; gives its ARN and the message that it sent. A test changes the
/// message and sends it by hand: the emulator's workflow would round numbers, and has no place for odd fields.
pub(crate) async fn waiting_aside(world: &World, order: &str) -> (String, Value) {
    let name = format!("aside-{order}");
    let queue = world.clients.sqs.create_queue().queue_name(&name).send().await.unwrap().queue_url.unwrap();
    let original = include_str!("../../../statemachine/tests/it/data/seed-state-machine.json");
    let definition = original.replace("https://sqs.us-east-1.amazonaws.com/AccountID/QueueName", &queue);
    let machine = world.create_state_machine(&name, &definition).await.unwrap();
    let input = serde_json::json!({ "orderId": order });
    let execution = world.start_execution_of(&machine, &input).await.unwrap();
    let sent = eventually(SOON, "the workflow waits", async || Ok(world.receive(&queue).await?.pop()));
    (execution, serde_json::from_str(&sent.await.unwrap()).unwrap())
}

/// Waits until an order's task is as it should be.
pub(crate) async fn task_that(world: &World, order: &str, what: &str, is_so: impl Fn(&Task) -> bool) -> Task {
    let what = format!("order {order} is {what}");
    eventually(SOON, &what, async || Ok(world.task_of(order).await?.filter(|task| is_so(task))))
        .await
        .unwrap()
}

/// Waits until each order is stored.
pub(crate) async fn stored(world: &World, orders: &[SampleOrder]) -> Vec<Task> {
    let tasks = orders.iter().map(|order| task_that(world, &order.id, "stored", |_| true));
    futures::future::join_all(tasks).await
}

/// Waits until this many tasks are settled or escalated, and there are no others.
pub(crate) async fn all_ended(world: &World, count: usize, within: Duration) -> Vec<Task> {
    let what = format!("{count} tasks are settled or escalated");
    eventually(within, &what, async || {
        // Looking costs the emulator as much as the work itself.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let statuses = statuses(world).await?;
        let is_open = |status: &Status| !status.is_final() && *status != Status::Escalated;
        Ok((statuses.len() == count && !statuses.iter().any(is_open)).then_some(()))
    })
    .await
    .unwrap();
    world.tasks().await.unwrap()
}

/// Every task's status, and nothing else of it.
async fn statuses(world: &World) -> Result<Vec<Status>> {
    let scan = world.clients.dynamodb.scan().table_name(&world.stack.tasks_table).consistent_read(true);
    let scan = scan.projection_expression("#status").expression_attribute_names("#status", "status");
    let items: Vec<_> = scan.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await?;
    let status = |item: &HashMap<String, AttributeValue>| Status::parse(item.get("status")?.as_s().ok()?);
    items.iter().map(|item| status(item).context("a status")).collect()
}

/// Holds one task against its workflow: exactly one decision, and the workflow received that one.
pub(crate) async fn assert_one_decision(world: &World, task: &Task) {
    let execution = world.execution(&task.transaction_id).await.unwrap();
    let Some(decision) = &task.decision else {
        assert_eq!(task.status, Status::Escalated, "{} has no decision", task.order_id);
        assert_eq!(execution.status, ExecutionStatus::Running, "{} waits", task.order_id);
        return;
    };
    assert_eq!(task.delivery, Some(Delivery::Delivered), "{}", task.order_id);
    let received = match decision.outcome {
        Outcome::Approved => {
            assert_eq!((task.status, &execution.status), (Status::Approved, &ExecutionStatus::Succeeded));
            execution.output()
        }
        Outcome::Rejected => {
            assert_eq!((task.status, &execution.status), (Status::Rejected, &ExecutionStatus::Failed));
            assert_eq!(execution.error(), Some(Failure::Rejected.name()));
            execution.cause()
        }
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(received.map(json), Some(json(&decision.payload)), "{}", task.order_id);
}

/// Holds every task against its workflow, and against all that the table has ever held.
pub(crate) async fn assert_one_decision_each(world: &World, tasks: &[Task]) {
    futures::stream::iter(tasks).for_each_concurrent(16, |task| assert_one_decision(world, task)).await;
    assert_no_decision_changed(world).await;
}

/// Reads the table's stream from its start: a decision, once stored, is never another, and nothing leaves a final status.
async fn assert_no_decision_changed(world: &World) {
    let (streams, arn) = (&world.clients.streams, &world.stack.tasks_stream_arn);
    let described = streams.describe_stream().stream_arn(arn).send().await.unwrap();
    // The emulator has one shard a stream.
    let shard = described.stream_description().unwrap().shards()[0].shard_id().unwrap().to_owned();
    let request = streams.get_shard_iterator().stream_arn(arn).shard_id(shard);
    let start = request.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let mut iterator = start.shard_iterator;
    let mut seen: HashMap<String, (Option<String>, Status)> = HashMap::new();
    while let Some(at) = iterator {
        let page = streams.get_records().shard_iterator(at).send().await.unwrap();
        for image in page.records().iter().filter_map(|record| record.dynamodb()?.new_image()) {
            let text = |name: &str| image.get(name).and_then(|value| value.as_s().ok()).cloned();
            let decision = image.get("decision").and_then(|value| value.as_m().ok());
            let decision = decision.and_then(|map| map.get("id")?.as_s().ok()).cloned();
            let (id, status) = (text("taskId").unwrap(), Status::parse(&text("status").unwrap()).unwrap());
            let before = seen.insert(id.clone(), (decision.clone(), status));
            if let Some((was_decided, was)) = before {
                assert!(was_decided.is_none() || was_decided == decision, "task {id} was decided twice");
                assert!(!was.is_final() || was == status, "task {id} left {was} for {status}");
            }
        }
        iterator = page.next_shard_iterator.filter(|_| !page.records.unwrap_or_default().is_empty());
    }
    assert!(!seen.is_empty(), "the stream holds what the table held");
}

/// The lines of a worker's log, with their times, as JSON.
pub(crate) fn log_lines(log: &Path) -> Vec<(Timestamp, Value)> {
    lines_with(log, "")
}

/// When a worker logged a line with this in it, after a time.
pub(crate) fn logged_after(log: &Path, after: Timestamp, part: &str) -> Option<Timestamp> {
    lines_with(log, part).into_iter().map(|(at, _)| at).find(|at| *at > after)
}

fn lines_with(log: &Path, part: &str) -> Vec<(Timestamp, Value)> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines = text.lines().filter(|line| line.contains(part)).filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        Some((line["timestamp"].as_str()?.parse().ok()?, line))
    });
    lines.collect()
}

/// Runs `cargo ops` with these arguments on the world's emulator, as a script would; gives its exit code and what it
/// printed.
pub(crate) async fn ops(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = command(env!("CARGO_BIN_EXE_ops"));
    command
        .args(arguments)
        .env("AWS_ENDPOINT_URL", &world.emulator.endpoint_url)
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ROOT_KEY)
        .env("AWS_SECRET_ACCESS_KEY", ROOT_KEY);
    let (output, printed) =
        tokio::task::spawn_blocking(move || captured(&mut command)).await.unwrap().unwrap();
    (output.status.code(), printed)
}
