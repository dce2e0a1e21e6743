//! The actors around the fleet: workflows that start, and the production Lambda function that stores their messages.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use ingest::hints::Hints;
use ingest::store::Store;
use jiff::Timestamp;
use model::{Start, World};
use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::time::{sleep, timeout};

use crate::scene::{Queues, TASKS};

/// Starts executions within a period, some at the same time and some apart.
pub(crate) async fn produce(world: World, queues: Queues, mut rng: SmallRng, count: u32, within_ms: u64) {
    for number in 0..count {
        let longest_ms = 2 * within_ms / u64::from(count);
        let pause_ms = if rng.random_bool(0.3) { 0 } else { rng.random_range(0..=longest_ms) };
        sleep(Duration::from_millis(pause_ms)).await;
        let mut start = order(&queues, &mut rng, &format!("e{number:04}"));
        if rng.random_bool(0.3) {
            start.timeout_seconds = Some(rng.random_range(5..200));
            start.tells_timeout = rng.random_bool(0.8);
            start.retries = rng.random_range(0..=2);
        }
        if rng.random_bool(0.05) {
            start.execution_timeout_seconds = Some(rng.random_range(5..200));
        }
        world.start(start);
    }
}

/// Starts executions without timeouts, all at the same time.
pub(crate) fn produce_at_once(world: &World, queues: &Queues, mut rng: SmallRng, name: &str, count: u32) {
    for number in 0..count {
        world.start(order(queues, &mut rng, &format!("{name}{number:04}")));
    }
}

fn order(queues: &Queues, rng: &mut SmallRng, name: &str) -> Start {
    let mut start = Start::new(name, &format!("order-{name}"));
    start.queue_url = Some(queues.tasks.clone());
    start.order = rng.random_bool(0.9).then(|| {
        let number = rng.random_range(0..1_000);
        // So long that it is stored compressed.
        let note = if number % 8 == 0 { "n".repeat(5_000) } else { String::new() };
        match number % 7 {
            requester @ 0..3 => format!(r#"{{"n":{number},"by":"Person-{requester}","note":"{note}"}}"#),
            _ => format!(r#"{{"n":{number},"note":"{note}"}}"#),
        }
    });
    start
}

/// The longest time for a receive call or an invocation.
const LAMBDA_TIME: Duration = Duration::from_secs(25);

/// The Lambda function: receives batches, stores each message separately, and deletes the stored ones.
pub(crate) async fn ingest(world: World, queues: Queues, node: String) {
    let node = world.client_for(&node);
    let (sqs, store) = (node.sqs(), Store::new(node.dynamodb(), TASKS));
    loop {
        let request = sqs
            .receive_message()
            .queue_url(&queues.tasks)
            .max_number_of_messages(10)
            .wait_time_seconds(20)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let Ok(Ok(answer)) = timeout(LAMBDA_TIME, request.send()).await else {
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let messages = answer.messages.unwrap_or_default();
        let mut event = SqsEvent::default();
        event.records = messages.iter().map(to_lambda).collect();
        // A function that takes too long is stopped, and SQS delivers its messages again.
        let Ok(handled) =
            timeout(LAMBDA_TIME, ingest::handler::handle(event, &store, || Timestamp::UNIX_EPOCH)).await
        else {
            continue;
        };
        if let Some(url) = &queues.hints {
            timeout(LAMBDA_TIME, Hints::new(sqs.config(), url).send(&handled.stored)).await.ok();
        }
        let failures = handled.response.batch_item_failures;
        for message in messages {
            let id = message.message_id().unwrap_or_default();
            if failures.iter().all(|failure| failure.item_identifier != id) {
                let handle = message.receipt_handle().unwrap_or_default();
                let request = sqs.delete_message().queue_url(&queues.tasks).receipt_handle(handle);
                // SQS delivers a message again that was not deleted; it is then found stored.
                timeout(LAMBDA_TIME, request.send()).await.ok();
            }
        }
    }
}

fn to_lambda(message: &Message) -> SqsMessage {
    let mut lambda = SqsMessage::default();
    lambda.message_id = message.message_id().map(str::to_owned);
    lambda.body = message.body().map(str::to_owned);
    for (name, value) in message.attributes().into_iter().flatten() {
        lambda.attributes.insert(name.as_str().to_owned(), value.clone());
    }
    lambda
}
