//! Tests receipt handles, waits and dead-letter queues on virtual time.

use std::time::Duration;

use aws_sdk_sqs::types::Message;
use tokio::time::{Instant, sleep};

use crate::{Node, Options, QueueSettings, Start, World};

fn setting() -> (World, Node, String) {
    let world = World::new(2, Options::default());
    let node = world.client_for("a");
    let url = world.create_queue("q", QueueSettings::default());
    (world, node, url)
}

async fn receive(node: &Node, url: &str, wait_seconds: i32) -> Vec<Message> {
    let request = node.sqs().receive_message().queue_url(url).max_number_of_messages(10);
    request.wait_time_seconds(wait_seconds).send().await.unwrap().messages.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn an_old_receipt_deletes_nothing() {
    let (world, node, url) = setting();
    world.send(&url, "letter");
    let old = receive(&node, &url, 0).await.remove(0);
    sleep(Duration::from_secs(31)).await;
    let new = receive(&node, &url, 0).await.remove(0);
    for (message, left) in [(old, 1), (new, 0)] {
        let request = node.sqs().delete_message().queue_url(&url);
        request.set_receipt_handle(message.receipt_handle).send().await.unwrap();
        assert_eq!(world.messages(&url).len(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_waits_its_time_and_no_longer() {
    let (_, node, url) = setting();
    let start = Instant::now();
    assert!(receive(&node, &url, 20).await.is_empty());
    assert_eq!(start.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_wakes_for_what_time_sends() {
    let (world, node, url) = setting();
    world.send_closed_executions_to(&url);
    let mut start = Start::new("e", "o");
    start.execution_timeout_seconds = Some(7);
    world.start(start);
    let began = Instant::now();
    let messages = receive(&node, &url, 20).await;
    assert!(messages[0].body().unwrap().ends_with(r#""status":"TIMED_OUT"}"#));
    assert_eq!(began.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_wakes_for_a_message_that_becomes_visible() {
    let (world, node, url) = setting();
    world.send(&url, "letter");
    let began = Instant::now();
    assert_eq!(receive(&node, &url, 0).await.len(), 1);
    assert_eq!(receive(&node, &url, 20).await.len(), 0);
    assert_eq!(receive(&node, &url, 20).await.len(), 1);
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_left_flight_keeps_its_visibility() {
    let (world, node, url) = setting();
    world.send(&url, "letter");
    let message = receive(&node, &url, 0).await.remove(0);
    let change = || {
        let request = node.sqs().change_message_visibility().queue_url(&url).visibility_timeout(60);
        request.set_receipt_handle(message.receipt_handle.clone()).send()
    };
    change().await.unwrap();
    sleep(Duration::from_secs(59)).await;
    assert!(!world.messages(&url)[0].is_visible);
    sleep(Duration::from_secs(2)).await;
    assert!(change().await.unwrap_err().into_service_error().is_message_not_inflight());
}

#[tokio::test(start_paused = true)]
async fn a_message_comes_again_when_a_test_says_so() {
    let (world, node, url) = setting();
    world.send(&url, "letter");
    let first = receive(&node, &url, 0).await.remove(0);
    assert!(world.redeliver(&url, first.message_id().unwrap()) && !world.redeliver(&url, "none"));
    assert_eq!(receive(&node, &url, 0).await.remove(0).body, first.body);
}
