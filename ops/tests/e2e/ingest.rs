//! From a workflow's message to a stored task: redelivery, poison, size, the original definition, many at once.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use ops::world::{Options, World, eventually};
use serde_json::json;
use statemachine::status::Status;
use tokio::time::Instant;

use crate::journey::{SOON, patient};

/// A message whose first delivery failed is delivered again after a minute.
const STORED: Duration = SOON.saturating_mul(2);

/// Poison comes to the dead-letter queue within half a minute, and its neighbours have a third delivery.
fn poisonable() -> Options {
    Options { ingest_timeout_seconds: 2, visibility_seconds: 12, max_receive_count: 3, ..Options::default() }
}

/// A text that can be a task token.
fn token(name: &str) -> String {
    format!("SECRET-token-of-{name}")
}

fn message(order_id: &str, token: &str) -> String {
    json!({
        "transactionId": "arn:aws:states:us-east-1:000000000000:execution:shop:e",
        "taskToken": token,
        "startTime": "2026-11-22T10:00:00Z",
        "orderId": order_id,
    })
    .to_string()
}

async fn stored(world: &World, order_id: &str) -> statemachine::task::Task {
    eventually(STORED, &format!("order {order_id} is stored"), async || world.task_of(order_id).await)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_waiting_workflow_becomes_a_pending_task() {
    let world = World::start(patient()).await.unwrap();
    let arn = world.start_execution(&json!({"amount": 12.5, "orderId": "o-1"})).await.unwrap();
    let task = stored(&world, "o-1").await;
    assert_eq!(task.status, Status::Pending);
    assert_eq!(task.transaction_id, arn);
    assert_eq!(task.order_text().as_deref(), Some(r#"{"amount": 12.5, "orderId": "o-1"}"#));
    assert!(task.deadline.is_some());
    assert_eq!(world.execution(&arn).await.unwrap().status, ExecutionStatus::Running);
    world.assert_no_token_leaked().await.unwrap();
}

#[tokio::test]
async fn a_redelivered_message_is_one_task() {
    let world = World::start(patient()).await.unwrap();
    // The same token twice is what a redelivery looks like, with another time of sending on top.
    for _ in 0..2 {
        world.send_message(message("o-1", &token("o-1"))).await.unwrap();
        stored(&world, "o-1").await;
    }
    let first = stored(&world, "o-1").await;
    eventually(STORED, "the second delivery is logged as a duplicate", async || {
        Ok(world.emulator_log()?.contains(r#""outcome":"duplicate""#).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(world.tasks().await.unwrap(), [first]);
    let dead = world.receive(&world.stack.task_dead_letter_queue_url).await.unwrap();
    assert!(dead.is_empty());
    world.assert_no_token_leaked().await.unwrap();
}

#[tokio::test]
async fn poison_ends_in_the_dead_letter_queue_and_its_neighbours_are_stored() {
    let world = World::start(poisonable()).await.unwrap();
    let oversize =
        message("o-big", &token("o-big")).replace('}', &format!(r#","order":"{}"}}"#, "x".repeat(350_000)));
    world.send_message(message("o-1", &token("o-1"))).await.unwrap();
    stored(&world, "o-1").await;
    world.send_message(r#"{"taskToken": "SECRET-token", "orderId""#).await.unwrap();
    world.send_message(message("o-2", &token("o-2"))).await.unwrap();
    world.send_message(oversize).await.unwrap();
    // What a workflow sends that does not pass its own token: a text, and the token of another task.
    world.send_message(message("o-text", "$$.Task.Token")).await.unwrap();
    world.send_message(message("o-other", &token("o-1"))).await.unwrap();
    world.send_message(message("o-3", &token("o-3"))).await.unwrap();

    for order in ["o-1", "o-2", "o-3"] {
        stored(&world, order).await;
    }
    let mut dead = BTreeSet::new();
    eventually(SOON * 2, "every poison message is in the dead-letter queue", async || {
        dead.extend(world.receive(&world.stack.task_dead_letter_queue_url).await?);
        Ok((dead.len() == 4).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(world.tasks().await.unwrap().len(), 3);

    let log = world.emulator_log().unwrap();
    for reason in [
        "the body is not JSON: error at line 1, column",
        "field order is not at most 350000 bytes of JSON",
        "field taskToken holds an expression instead of its value",
        "is stored under the same task token with another orderId",
    ] {
        assert!(log.contains(reason), "the log gives the reason {reason:?}");
    }
    assert!(!log.contains("SECRET"), "the log holds a token");
    world.assert_no_token_leaked().await.unwrap();
}

#[tokio::test]
async fn the_original_definition_works_unchanged_but_for_its_queue() {
    let world = World::start(patient()).await.unwrap();
    let original = include_str!("../../../statemachine/tests/it/data/seed-state-machine.json");
    let placeholder = "https://sqs.us-east-1.amazonaws.com/AccountID/QueueName";
    assert!(original.contains(placeholder));
    let definition = original.replace(placeholder, &world.stack.task_queue_url);
    let machine = world.create_state_machine("original", &definition).await.unwrap();

    let arn = world.start_execution_of(&machine, &json!({"orderId": "o-1"})).await.unwrap();
    let task = stored(&world, "o-1").await;
    assert_eq!((task.status, task.order, task.deadline), (Status::Pending, None, None));

    let output = json!({"outcome": "approved"}).to_string();
    world
        .clients
        .sfn
        .send_task_success()
        .task_token(task.token.expose())
        .output(&output)
        .send()
        .await
        .unwrap();
    eventually(STORED, "the execution goes on", async || {
        let execution = world.execution(&arn).await?;
        Ok((execution.status == ExecutionStatus::Succeeded).then_some(()))
    })
    .await
    .unwrap();
    world.assert_no_token_leaked().await.unwrap();
}

#[tokio::test]
async fn a_thousand_waiting_executions_are_a_thousand_tasks() {
    const ORDERS: usize = 1_000;
    let world = World::start(patient()).await.unwrap();
    let started = Instant::now();
    let inputs = (0..ORDERS).map(|n| json!({"orderId": format!("o-{n}")}));
    let starts = inputs.map(|input| {
        let world = &world;
        async move { world.start_execution(&input).await }
    });
    let arns: Vec<String> = futures::TryStreamExt::try_collect(futures::StreamExt::buffer_unordered(
        futures::stream::iter(starts),
        16,
    ))
    .await
    .unwrap();
    eventually(SOON * 2, "every order is stored", async || {
        Ok((world.tasks().await?.len() == ORDERS).then_some(()))
    })
    .await
    .unwrap();
    println!("{ORDERS} executions from start to stored task: {:?}", started.elapsed());

    let executions: BTreeSet<String> = arns.into_iter().collect();
    let tasks: BTreeSet<String> =
        world.tasks().await.unwrap().into_iter().map(|task| task.transaction_id).collect();
    assert_eq!(tasks, executions);
    world.assert_no_token_leaked().await.unwrap();
}
