//! Whole workers over the model of AWS, where what the stream answers, or the work in hand, makes trouble.

mod leaving;
mod numbers;

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use jiff::Timestamp;
use model::{
    Door, Fault, IndexSchema, KeySchema, Kind, Matcher, Options, Projection, Rule, Service, ServiceError,
    TableSchema, World, credentials,
};
use rules::Ruleset;
use statemachine::message::Message;
use statemachine::task::{ReceivedAt, Task};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::aws::clients::Clients;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::active_rules::ActiveRules;
use crate::control::table::ControlTable;
use crate::fleet::member::Member;
use crate::fleet::parts::Parts;
use crate::lease::plan::{Lease, Position, Subject};
use crate::lease::table::LeaseTable;
use crate::metrics::{Metrics, registry};
use crate::traces::Traces;

pub(crate) const TASKS: &str = "countersign-tasks";
pub(crate) const CONTROL: &str = "countersign-control";

/// The tables as they are deployed.
pub(crate) fn world() -> World {
    let world = World::new(7, Options::default());
    let index =
        |name: &str, key| IndexSchema { name: name.to_owned(), key, projection: Projection::KeysOnly };
    world.create_table(TableSchema {
        name: TASKS.to_owned(),
        key: KeySchema::hash(("taskId", Kind::S)),
        indexes: vec![index("worklist", KeySchema::hash_and_range(("list", Kind::S), ("listAt", Kind::N)))],
        has_stream: true,
    });
    world.create_table(TableSchema {
        name: CONTROL.to_owned(),
        key: KeySchema::hash_and_range(("pk", Kind::S), ("sk", Kind::S)),
        indexes: vec![],
        has_stream: false,
    });
    world
}

fn clock(world: &World) -> Clock {
    let world = world.clone();
    Clock::from_fn(move || Timestamp::from_millisecond(world.now_ms().cast_signed()).unwrap())
}

/// A worker at its work, and what makes it leave.
fn start(world: &World, node: &str) -> (JoinSet<anyhow::Result<()>>, CancellationToken) {
    start_counted(world, node, Metrics::register(&mut registry()))
}

fn start_counted(
    world: &World,
    node: &str,
    metrics: Metrics,
) -> (JoinSet<anyhow::Result<()>>, CancellationToken) {
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials()))
        .http_client(world.client_for(node))
        .build();
    let mut config = Config::load(None, &[]).unwrap();
    config.worker.id = Some(node.to_owned());
    let rules = ActiveRules::new(Ruleset::load("../rules/scripts".as_ref()).unwrap());
    let parts = Parts::new(&config, Clients::new(&shared), clock(world), rules, metrics, Traces::default());
    let member = Member::new(&config, parts);
    let leave = CancellationToken::new();
    let (mut run, left) = (JoinSet::new(), leave.clone());
    run.spawn(async move { member.run(left).await });
    (run, leave)
}

/// The shards' leases.
async fn shards(world: &World) -> Vec<Lease> {
    let control = ControlTable::new(world.client_for("test").dynamodb(), CONTROL);
    let mut leases = LeaseTable::new(control, "test").list().await.unwrap();
    leases.retain(|lease| matches!(lease.subject, Subject::Shard { .. }));
    leases
}

fn gaps(world: &World) -> usize {
    world.items(CONTROL).iter().filter(|item| item["pk"].as_text() == Some("gap")).count()
}

async fn put_task(world: &World, number: u32) {
    let body = format!(
        r#"{{"transactionId":"arn:aws:states:us-east-1:1:execution:shop:e","taskToken":"token-of-task-{number:04}","startTime":"t","orderId":"o-1","order":{{}}}}"#
    );
    let now = clock(world).now();
    let received_at = ReceivedAt { text: crate::clock::text(now), epoch_seconds: now.as_second() };
    let task = Task::new(Message::parse(&body).unwrap(), received_at, None);
    let aws_sdk_dynamodb::types::AttributeValue::M(item) = crate::tasks::item::to_map(&task.to_item()) else {
        panic!("a map")
    };
    let request = world.client_for("ingest").dynamodb().put_item().table_name(TASKS).set_item(Some(item));
    request.send().await.unwrap();
}

fn refuse(world: &World, matcher: Matcher, service: Service, code: &str) {
    world.inject(Rule::new(matcher, Fault::Refused(ServiceError::new(service, code, "told"))));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_replaces_another_leaves_one_gap_record_and_is_read() {
    let world = world();
    let _workers = [start(&world, "a"), start(&world, "b")];
    sleep(Duration::from_secs(5)).await;
    let first = world.stream_arn(TASKS).unwrap();
    world.disable_stream(TASKS);
    put_task(&world, 1).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(gaps(&world), 0, "a stream that is off may be all there is");
    let second = world.enable_stream(TASKS);
    sleep(Duration::from_secs(150)).await;
    let items = world.items(CONTROL);
    let noted: Vec<_> = items.iter().filter(|item| item["pk"].as_text() == Some("gap")).collect();
    assert_eq!(noted.len(), 1, "once, though two listings followed");
    let text = |name: &str| noted[0][name].as_text();
    assert_eq!((text("stream"), text("after")), (Some(&*second), Some(&*first)));
    assert_eq!(text("cause"), Some("stream replaced"));
    let of_second =
        |lease: &Lease| matches!(&lease.subject, Subject::Shard { stream, .. } if *stream == second);
    assert!(shards(&world).await.iter().any(|lease| of_second(lease) && lease.owner.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_the_table_still_has_is_not_gone_whatever_its_calls_say() {
    let world = world();
    let _worker = start(&world, "a");
    sleep(Duration::from_secs(5)).await;
    refuse(&world, Matcher::service(Service::Streams), Service::Streams, "ResourceNotFoundException");
    sleep(Duration::from_secs(300)).await;
    world.calm();
    sleep(Duration::from_secs(15)).await;
    assert_eq!(gaps(&world), 0);
    let shards = shards(&world).await;
    assert!(
        shards.iter().all(|lease| lease.position != Position::End && lease.owner.is_some()),
        "{shards:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_no_listing_shows_is_gone_after_a_minute_with_one_gap() {
    let world = world();
    let stream = world.stream_arn(TASKS).unwrap();
    let open = world.split_shard(&stream, &world.shards(&stream)[0].id.clone(), 2);
    let _worker = start(&world, "a");
    sleep(Duration::from_secs(20)).await;
    world.forget_shard(&stream, &open[0], false);
    sleep(Duration::from_secs(55)).await;
    assert_eq!(gaps(&world), 0);
    sleep(Duration::from_secs(15)).await;
    assert_eq!(gaps(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_calls_everything_trimmed_gets_one_gap_record() {
    let world = world();
    let _worker = start(&world, "a");
    sleep(Duration::from_secs(5)).await;
    put_task(&world, 1).await;
    sleep(Duration::from_secs(5)).await;
    let reads = Matcher::operation("GetRecords");
    refuse(&world, reads, Service::Streams, "TrimmedDataAccessException");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(gaps(&world), 1);
    let items = world.items(CONTROL);
    let gap = items.iter().find(|item| item["pk"].as_text() == Some("gap")).unwrap();
    assert_ne!(gap["after"].as_text(), Some("TRIM_HORIZON"), "a record was read before it");
}

#[tokio::test(start_paused = true)]
async fn children_that_a_reader_did_not_see_are_listed_soon_by_whoever_lists() {
    let world = world();
    let stream = world.stream_arn(TASKS).unwrap();
    let _reader = start(&world, "b");
    sleep(Duration::from_secs(10)).await;
    let _lister = start(&world, "a");
    sleep(Duration::from_secs(5)).await;
    let sees_none = Fault::altered(|answer| answer["StreamDescription"]["Shards"] = serde_json::json!([]));
    world.inject(Rule::new(Matcher::operation("DescribeStream").from("b"), sees_none));
    world.roll_all(&stream);
    sleep(Duration::from_secs(15)).await;
    let shards = shards(&world).await;
    assert!(shards.iter().any(|lease| lease.parent.is_some() && lease.owner.is_some()), "{shards:?}");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_listed_twice_is_one_child() {
    let world = world();
    let stream = world.stream_arn(TASKS).unwrap();
    let _worker = start(&world, "a");
    sleep(Duration::from_secs(10)).await;
    let twice = Fault::altered(|answer| {
        let shards = answer["StreamDescription"]["Shards"].as_array_mut().unwrap();
        shards.extend(shards.clone());
    });
    world.inject(Rule::new(Matcher::operation("DescribeStream"), twice));
    world.roll_all(&stream);
    sleep(Duration::from_secs(15)).await;
    let shards = shards(&world).await;
    assert!(shards.iter().any(|lease| lease.position == Position::End), "{shards:?}");
    assert!(shards.iter().any(|lease| lease.parent.is_some() && lease.owner.is_some()), "{shards:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_hand_goes_on_while_a_gap_is_asked_about_and_noted() {
    let world = world();
    let _worker = start(&world, "a");
    sleep(Duration::from_secs(5)).await;
    let writes = Matcher::operation("UpdateItem").on_table(TASKS);
    let throttled = Fault::Refused(ServiceError::new(Service::DynamoDb, "ThrottlingException", "told"));
    let throttled = world.inject(Rule::new(writes, throttled));
    put_task(&world, 1).await;
    sleep(Duration::from_millis(1_500)).await;
    let notes = Matcher::operation("PutItem").on_table(CONTROL);
    let note = world.hold(notes.when(|call| call.body["Item"]["pk"]["S"] == "gap"), 1, Door::BeforeApply);
    refuse(&world, Matcher::operation("GetRecords"), Service::Streams, "TrimmedDataAccessException");
    note.reached().await;
    let is_decided = || world.items(TASKS).iter().all(|item| item["status"].as_text() != Some("PENDING"));
    assert!(!is_decided());
    world.end(throttled);
    sleep(Duration::from_secs(4)).await;
    assert!(note.is_holding() && is_decided());
}
