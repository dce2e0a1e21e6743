//! Messages that come again, on the model's table and queue: a redelivery is a success whatever happened to the task,
//! another task under the same token is none, and an outage of minutes makes no dead letter.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::types::MessageSystemAttributeName;
use ingest::handler;
use ingest::store::Store;
use jiff::Timestamp;
use model::{Fault, Item, Matcher, QueueSettings, Rule, Service, Start, World};
use rules::FourEyes;
use statemachine::message::Message;
use statemachine::task::Escalation;
use tokio::time::{Instant, sleep};
use worker::tasks::table::{Notes, Taken};

use crate::office::{self, Office, TABLE};

/// The defaults of QueueVisibilitySeconds and QueueMaxReceiveCount in ops/template.yaml.
const VISIBILITY_SECONDS: u64 = 60;
const MAX_RECEIVES: u32 = 240;

/// Delivers one message to the function; whether it was stored, or found stored.
async fn deliver(office: &Office, body: &str) -> bool {
    let mut message = SqsMessage::default();
    (message.message_id, message.body) = (Some("m".to_owned()), Some(body.to_owned()));
    let sent = office.now().as_millisecond().to_string();
    message.attributes.insert("SentTimestamp".to_owned(), sent);
    let mut event = SqsEvent::default();
    event.records = vec![message];
    let store = Store::new(office.world.client_for("ingest").dynamodb(), TABLE);
    handler::handle(event, &store, || Timestamp::UNIX_EPOCH).await.response.batch_item_failures.is_empty()
}

fn items(office: &Office) -> Vec<Arc<Item>> {
    office.world.items(TABLE)
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_changes_nothing_wherever_its_task_is() {
    let office = Office::open();
    let started = office.world.start(Start::new("e", "o-1"));
    assert!(deliver(&office, &started.body).await);
    assert!(deliver(&office, &started.body).await);
    let id = Message::parse(&started.body).expect("the model's message").task_token.task_id();
    let task = office.state.tasks.get(&id).await.expect("the model answers").expect("it is stored");

    let escalation = Escalation {
        code: "high-amount".to_owned(),
        reason: "above the limit".to_owned(),
        rule: None,
        ruleset: None,
        at: worker::clock::text(office.now()),
    };
    let tasks = &office.state.tasks;
    tasks
        .escalate(&task, &escalation, &FourEyes::default(), Notes::default(), office.now())
        .await
        .expect("the model answers");
    let left_to_people = items(&office);
    assert!(deliver(&office, &started.body).await);
    assert_eq!(items(&office), left_to_people);

    tasks
        .expire(&id, Taken { since: office.now(), at: office.now(), how: None })
        .await
        .expect("the model answers");
    let expired = items(&office);
    assert_ne!(expired, left_to_people);
    assert!(deliver(&office, &started.body).await);
    assert_eq!(items(&office), expired);
}

#[tokio::test(start_paused = true)]
async fn a_second_workflow_with_the_same_token_is_not_taken_for_a_redelivery() {
    let office = Office::open();
    let first = office.world.start(Start::new("e-1", "o-1"));
    let second = office.world.start(Start::new("e-2", "o-1"));
    assert!(deliver(&office, &first.body).await);
    let stored = items(&office);
    assert!(!deliver(&office, &second.body.replace(&second.token, &first.token)).await);
    assert_eq!(items(&office), stored);
    assert!(deliver(&office, &second.body).await);
    assert_eq!(items(&office).len(), 2);
}

/// Receives what is visible and stores it, as the mapping of the function does; how many messages were stored.
async fn poll(world: &World, queue: &str) -> usize {
    let node = world.client_for("ingest");
    let (sqs, store) = (node.sqs(), Store::new(node.dynamodb(), TABLE));
    let received = sqs
        .receive_message()
        .queue_url(queue)
        .max_number_of_messages(10)
        .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
        .send();
    let messages = received.await.expect("the model answers").messages.unwrap_or_default();
    let mut stored = 0;
    for message in messages {
        let mut lambda = SqsMessage::default();
        (lambda.message_id, lambda.body) = (message.message_id.clone(), message.body.clone());
        for (name, value) in message.attributes.clone().into_iter().flatten() {
            lambda.attributes.insert(name.as_str().to_owned(), value);
        }
        let mut event = SqsEvent::default();
        event.records = vec![lambda];
        if handler::handle(event, &store, || Timestamp::UNIX_EPOCH)
            .await
            .response
            .batch_item_failures
            .is_empty()
        {
            let handle = message.receipt_handle.expect("a received message has one");
            sqs.delete_message()
                .queue_url(queue)
                .receipt_handle(handle)
                .send()
                .await
                .expect("the model answers");
            stored += 1;
        }
    }
    stored
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_of_refused_puts_dead_letter_nothing() {
    let world = office::world();
    let dead = world.create_queue("dead", QueueSettings::default());
    let redrive = Some((MAX_RECEIVES, dead.clone()));
    let queue =
        world.create_queue("tasks", QueueSettings { visibility_seconds: VISIBILITY_SECONDS, redrive });
    let denied = Fault::Refused(Service::DynamoDb.access_denied());
    world.inject(Rule::new(Matcher::operation("PutItem"), denied).until(world.now_ms() + 600_000));
    for number in 0..20 {
        let mut start = Start::new(&format!("e-{number}"), &format!("o-{number}"));
        start.queue_url = Some(queue.clone());
        world.start(start);
    }
    let (began, mut stored) = (Instant::now(), 0);
    while stored < 20 && began.elapsed() < Duration::from_secs(900) {
        stored += poll(&world, &queue).await;
        sleep(Duration::from_secs(1)).await;
    }
    assert!(began.elapsed() > Duration::from_secs(600), "the puts were refused");
    assert_eq!((stored, world.items(TABLE).len()), (20, 20));
    assert!(world.messages(&queue).is_empty() && world.messages(&dead).is_empty());
}
