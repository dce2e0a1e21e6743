//! Messages that come again, on the model's table: a redelivery is a success whatever happened to the task, and another
//! task under the same token is none.

use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use ingest::handler;
use ingest::store::Store;
use model::{Item, Start};
use statemachine::message::Message;
use statemachine::task::Escalation;
use worker::tasks::table::Notes;

use crate::office::{Office, TABLE};

/// Delivers one message to the function; whether it was stored, or found stored.
async fn deliver(office: &Office, body: &str) -> bool {
    let mut message = SqsMessage::default();
    (message.message_id, message.body) = (Some("m".to_owned()), Some(body.to_owned()));
    let sent = office.now().as_millisecond().to_string();
    message.attributes.insert("SentTimestamp".to_owned(), sent);
    let mut event = SqsEvent::default();
    event.records = vec![message];
    let store = Store::new(office.world.client_for("ingest").dynamodb(), TABLE);
    handler::handle(event, &store).await.batch_item_failures.is_empty()
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
    tasks.escalate(&task, &escalation, Notes::default(), office.now()).await.expect("the model answers");
    let left_to_people = items(&office);
    assert!(deliver(&office, &started.body).await);
    assert_eq!(items(&office), left_to_people);

    tasks.expire(&id, office.now()).await.expect("the model answers");
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
