//! A panic in one task's steps is that task's alone: it goes to a person, or is kept if it cannot.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::types::{Record, ShardIteratorType};
use rules::{Files, Ruleset};
use statemachine::status::{Delivery, Status};
use statemachine::task::Task;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use worker::clock::Clock;
use worker::control::gate::{self, ControlItem};
use worker::lease::guard::{Guard, Validity};
use worker::tasks::handled::Handled;

use crate::office::Office;

/// An office whose rules approve all, and whose clock fails the next so many times that it is asked.
fn with_a_broken_clock(failures: u32) -> Office {
    let left = Arc::new(AtomicU32::new(0));
    let office = Office::open_with(|right| {
        let left = Arc::clone(&left);
        Clock::from_fn(move || {
            let fails = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            assert!(fails.is_err(), "the clock is broken");
            right.now()
        })
    });
    let files = Files::from([("rules/all.rhai".to_owned(), b"approve(\"all\");".to_vec())]);
    let state = &office.state;
    state.automation.rules.activate(Ruleset::from_files(files).expect("a ruleset"));
    let followed = watch::Sender::new(ControlItem::default());
    let (table, gate, metrics) =
        (state.control_table.clone(), state.automation.gate.clone(), state.metrics.clone());
    state.tracker.spawn(gate::follow(table, gate, metrics, followed));
    left.store(failures, Ordering::Relaxed);
    office
}

/// Every record of the tasks table's stream.
async fn records(office: &Office) -> Vec<Record> {
    let streams = office.world.client_for("reader").streams();
    let arn = office.world.stream_arn("tasks").expect("the table has a stream");
    let described = streams.describe_stream().stream_arn(&arn).send().await.expect("the model answers");
    let mut records = vec![];
    for shard in described.stream_description().expect("a stream").shards() {
        let request = streams.get_shard_iterator().stream_arn(&arn).set_shard_id(shard.shard_id.clone());
        let start = request
            .shard_iterator_type(ShardIteratorType::TrimHorizon)
            .send()
            .await
            .expect("the model answers");
        let page = streams
            .get_records()
            .set_shard_iterator(start.shard_iterator)
            .send()
            .await
            .expect("the model answers");
        records.extend(page.records.unwrap_or_default());
    }
    records
}

/// Takes a task's record through the pipeline, as a shard's reader does.
async fn handle(office: &Office, order_id: &str) -> (Handled, Task) {
    let (_, task) = office.receive(order_id, None).await;
    let is_of_task = |record: &&Record| {
        let id = record.dynamodb().and_then(|change| change.keys()?.get("taskId")?.as_s().ok());
        id.is_some_and(|id| id == task.id.as_str())
    };
    let records = records(office).await;
    let record = records.iter().find(is_of_task).expect("the write left a record");
    let guard =
        Guard::new(Validity::until(Instant::now() + Duration::from_secs(60)), CancellationToken::new());
    let handled = office.state.pipeline.handle(record, &guard).await;
    let stored = office.state.tasks.get(&task.id).await.expect("the model answers").expect("it is stored");
    (handled, stored)
}

#[tokio::test(start_paused = true)]
async fn a_panic_sends_its_task_to_a_person_and_the_next_is_decided() {
    let office = with_a_broken_clock(1);
    let (handled, task) = handle(&office, "o-1").await;
    assert_eq!((handled, task.status), (Handled::Escalated, Status::Escalated));
    assert_eq!(task.escalation.map(|escalation| escalation.code).as_deref(), Some("worker-panic"));
    assert_eq!(task.decision, None);
    let (handled, task) = handle(&office, "o-2").await;
    assert_eq!((handled, task.delivery), (Handled::Delivered, Some(Delivery::Delivered)));
}

#[tokio::test(start_paused = true)]
async fn a_second_panic_on_the_way_to_a_person_keeps_the_task() {
    let office = with_a_broken_clock(2);
    let (handled, task) = handle(&office, "o-1").await;
    assert_eq!((handled, task.status, task.decision), (Handled::Poison, Status::Pending, None));
    let control = office.world.client_for("operator").dynamodb();
    let kept = control.query().table_name("control").key_condition_expression("pk = :p");
    let kept = kept.expression_attribute_values(":p", AttributeValue::S("poison".into()));
    let kept = kept.send().await.unwrap().items.unwrap_or_default();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["sk"].as_s().unwrap(), task.id.as_str());
    assert_eq!(*kept[0]["ruleset"].as_s().unwrap(), office.state.automation.rules.pin().label());
}
