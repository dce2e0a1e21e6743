//! Tests the world as a whole: determinism, faults, holds, links.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use tokio::time::{Instant, timeout};

use super::*;

fn world() -> World {
    let world = World::new(7, Options::default());
    world.create_table(TableSchema {
        name: "t".to_owned(),
        key: KeySchema::hash(("id", Kind::S)),
        indexes: Vec::new(),
        has_stream: true,
    });
    world
}

async fn put(node: &Node, id: &str) -> Result<(), aws_sdk_dynamodb::Error> {
    let id = AttributeValue::S(id.to_owned());
    node.dynamodb().put_item().table_name("t").item("id", id).send().await?;
    Ok(())
}

fn ids(world: &World) -> Vec<String> {
    world.items("t").iter().map(|item| item["id"].as_text().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_trace() {
    async fn trace(seed: u64) -> u64 {
        fastrand::seed(seed);
        let world = World::new(seed, Options { latency_ms: (1, 50), ..Options::default() });
        world.create_table(TableSchema {
            name: "t".to_owned(),
            key: KeySchema::hash(("id", Kind::S)),
            indexes: Vec::new(),
            has_stream: true,
        });
        world.inject(Rule::new(Matcher::any(), Fault::Lost(Failure::Timeout)).percent(30.0));
        let node = world.client_for("a");
        futures::future::join_all((0..20).map(|number| {
            let node = node.clone();
            async move { put(&node, &format!("i{number}")).await.ok() }
        }))
        .await;
        world.trace_hash()
    }
    assert_eq!(trace(1).await, trace(1).await);
    assert_ne!(trace(1).await, trace(2).await);
}

#[tokio::test(start_paused = true)]
async fn each_fault_is_applied_or_not_as_it_says() {
    let server_error = Service::DynamoDb.internal();
    let cases = [
        (Fault::Lost(Failure::Connection), false, false),
        (Fault::AnswerLost(Failure::Timeout), false, true),
        (Fault::Refused(Service::DynamoDb.throttled()), false, false),
        (Fault::AppliedButRefused(server_error), false, true),
        (Fault::Forged("{}".to_owned()), true, false),
        (Fault::Delayed { there_ms: 50, back_ms: 50 }, true, true),
        (Fault::AppliedLate { failure: Failure::Timeout, after_ms: 500 }, false, false),
    ];
    for (fault, succeeds, is_applied) in cases {
        let world = world();
        let rule =
            world.inject(Rule::new(Matcher::operation("PutItem").on_table("t"), fault.clone()).times(1));
        let answer = put(&world.client_for("a"), "x").await;
        assert_eq!(answer.is_ok(), succeeds, "{fault:?}");
        assert_eq!(ids(&world).len() == 1, is_applied, "{fault:?}");
        assert_eq!(world.hits(rule), 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let late = matches!(fault, Fault::AppliedLate { .. });
        assert_eq!(ids(&world).len() == 1, is_applied || late, "{fault:?}");
        put(&world.client_for("a"), "x").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_altered_answer_arrives_changed() {
    let world = world();
    let node = world.client_for("a");
    let arn = world.stream_arn("t").unwrap();
    let no_shards = Fault::altered(|answer| answer["StreamDescription"]["Shards"] = serde_json::json!([]));
    world.inject(Rule::new(Matcher::service(Service::Streams).on_table("t"), no_shards).times(1));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let answer = node.streams().describe_stream().stream_arn(&arn).send().await.unwrap();
        seen.push(answer.stream_description().unwrap().shards().len());
    }
    assert_eq!(seen, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_call_ends_by_the_callers_deadline_only() {
    let world = world();
    world.inject(Rule::new(Matcher::any(), Fault::Lost(Failure::Silence)));
    let node = world.client_for("a");
    assert!(timeout(Duration::from_secs(600), put(&node, "x")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_held_call_waits_at_its_door() {
    let world = world();
    let node = world.client_for("a");
    for (door, is_applied) in [(Door::BeforeApply, false), (Door::AfterApply, true)] {
        let hold = world.hold(Matcher::operation("PutItem"), 2, door);
        put(&node, "first").await.unwrap();
        let id = format!("{door:?}");
        let (answer, ()) = tokio::join!(put(&node, &id), async {
            assert_eq!(hold.reached().await.operation, "PutItem");
            assert_eq!(ids(&world).contains(&id), is_applied);
            hold.fail(Failure::Connection);
        });
        assert!(answer.is_err());
        assert_eq!(ids(&world).contains(&id), is_applied);
    }
    let hold = world.hold(Matcher::any(), 1, Door::BeforeApply);
    let (answer, ()) = tokio::join!(put(&node, "dropped"), async {
        hold.reached().await;
        drop(hold);
    });
    answer.unwrap();
}

#[tokio::test(start_paused = true)]
async fn links_freeze_cut_and_mend() {
    let world = world();
    let node = world.client_for("a");
    world.set_link("a", Link::Cut);
    put(&node, "x").await.unwrap_err();
    put(&world.client_for("b"), "y").await.unwrap();
    world.set_link("a", Link::Frozen);
    let start = Instant::now();
    let (answer, ()) = tokio::join!(put(&node, "z"), async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(ids(&world), ["y"]);
        world.calm();
    });
    answer.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(30));
    assert_eq!(ids(&world), ["y", "z"]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the model of DynamoDB does not support ListTables")]
async fn an_unknown_operation_panics_by_name() {
    world().client_for("a").dynamodb().list_tables().send().await.ok();
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "ReturnConsumedCapacity")]
async fn an_unknown_parameter_panics_by_name() {
    let capacity = aws_sdk_dynamodb::types::ReturnConsumedCapacity::Total;
    let request = world().client_for("a").dynamodb().put_item().table_name("t");
    request
        .item("id", AttributeValue::S("x".to_owned()))
        .return_consumed_capacity(capacity)
        .send()
        .await
        .ok();
}

#[tokio::test(start_paused = true)]
async fn observers_see_each_call_once_and_in_order() {
    let world = world();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (to, looks) = (seen.clone(), world.clone());
    world.observe(move |event| {
        to.lock().unwrap().push((event.number, event.changes.len(), looks.items("t").len()));
    });
    let node = world.client_for("a");
    put(&node, "x").await.unwrap();
    put(&node, "x").await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, 1, 1), (2, 0, 1)]);
    assert_eq!(world.events().len(), 2);
}
