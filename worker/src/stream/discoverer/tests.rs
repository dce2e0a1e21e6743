//! Runs a discoverer on the model of AWS, with a wall clock that the test sets.

use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use model::{Fault as Injected, Matcher, Rule, Service, ServiceError, World};

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::*;
use crate::lease::lineage::TOMBSTONE_SECONDS;
use crate::lease::plan::Position;
use crate::metrics::registry;
use crate::stream::tests::{CONTROL, TASKS, world};

/// How long the discoverer may act.
const LEASE: Duration = Duration::from_secs(90);

fn lister(world: &World, now: &Arc<AtomicI64>) -> Discoverer {
    let (client, now) = (world.client_for("a"), Arc::clone(now));
    let control = ControlTable::new(client.dynamodb(), CONTROL);
    let (_, is_me) = watch::channel(true);
    Discoverer {
        discovery: Discovery::new(client.dynamodb(), client.streams(), TASKS, 100),
        leases: LeaseTable::new(control.clone(), "a"),
        control_table: control,
        clock: Clock::from_fn(move || Timestamp::from_second(now.load(Ordering::Relaxed)).unwrap()),
        metrics: Metrics::register(&mut registry()),
        is_me,
        validity: Validity::until(Instant::now() + LEASE),
        wake: Arc::default(),
        made: Arc::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_not_act_lists_nothing() {
    let (world, now) = (world(), Arc::new(AtomicI64::new(1_000_000)));
    let (turn, is_me) = watch::channel(true);
    let lister = Discoverer { is_me, ..lister(&world, &now) };
    let validity = lister.validity.clone();
    let calls = Arc::new(AtomicI64::new(0));
    let counted = Arc::clone(&calls);
    world.listen(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let of_a_minute = async || {
        calls.store(0, Ordering::Relaxed);
        sleep(Duration::from_secs(60)).await;
        calls.load(Ordering::Relaxed)
    };
    let mut run = JoinSet::new();
    run.spawn(lister.run());
    assert!(of_a_minute().await > 0);
    sleep(LEASE).await;
    assert_eq!(
        of_a_minute().await,
        0,
        "its time is over, although the coordinator still says that it is its turn"
    );
    validity.extend(Instant::now() + LEASE);
    assert!(of_a_minute().await > 0, "its time was extended");
    drop(turn);
    assert!(run.join_next().await.unwrap().is_ok(), "it ends when its coordinator ends");
}

async fn of(lister: &Discoverer, stream: &str) -> Vec<Lease> {
    let leases = lister.leases.list().await.unwrap();
    leases.into_iter().filter(|lease| lease.subject.stream() == Some(stream)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_tombstones_of_a_former_stream_go_long_after_it() {
    let (world, now) = (world(), Arc::new(AtomicI64::new(1_000_000)));
    let (lister, mut noted) = (lister(&world, &now), None);
    lister.discover(&mut noted).await.unwrap();
    let first = world.stream_arn(TASKS).unwrap();
    world.disable_stream(TASKS);
    for lease in of(&lister, &first).await {
        let mut held = lister.leases.take(&lease).await.unwrap();
        lister.leases.end(&mut held, &[]).await.unwrap();
    }
    let second = world.enable_stream(TASKS);
    let former = first.clone();
    let of_first = Matcher::operation("DescribeStream")
        .when(move |call| call.text("StreamArn").is_some_and(|stream| *stream == former));
    lister.discover(&mut noted).await.unwrap();
    let is_marked = |lease: &Lease| lease.missing_since.is_some();
    assert!(!of(&lister, &first).await.iter().any(is_marked), "the stream is disabled but still exists");
    let gone = ServiceError::new(Service::Streams, "ResourceNotFoundException", "told");
    world.inject(Rule::new(of_first, Injected::Refused(gone)));
    lister.discover(&mut noted).await.unwrap();
    assert!(of(&lister, &first).await.iter().all(is_marked));
    now.fetch_add(TOMBSTONE_SECONDS - 1, Ordering::Relaxed);
    lister.discover(&mut noted).await.unwrap();
    assert!(!of(&lister, &first).await.is_empty());
    now.fetch_add(1, Ordering::Relaxed);
    lister.discover(&mut noted).await.unwrap();
    assert_eq!(of(&lister, &first).await, []);
    assert!(of(&lister, &second).await.iter().all(|lease| lease.position != Position::End));
    lister.discover(&mut noted).await.unwrap();
    assert_eq!(lister.metrics.gaps.get(), 1, "the replacement is not reported again");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_read_is_made_anew() {
    let (world, now) = (world(), Arc::new(AtomicI64::new(1_000_000)));
    let (lister, mut noted) = (lister(&world, &now), None);
    lister.discover(&mut noted).await.unwrap();
    let whole = lister.leases.list().await.unwrap();
    let client = world.client_for("operator").dynamodb();
    let garbled = [
        ("position", AttributeValue::N("7".to_owned())),
        ("counter", AttributeValue::S("one".to_owned())),
        ("epoch", AttributeValue::N("1.5".to_owned())),
    ];
    // Buckets sort after shards, so this includes one of each kind.
    let edited = [&whole[0], &whole[whole.len() - 2], &whole[whole.len() - 1]];
    assert!(edited[0].subject.stream().is_some() && edited[2].subject.stream().is_none());
    for (lease, (name, value)) in edited.iter().zip(garbled) {
        let edit = client.update_item().table_name(CONTROL);
        let edit = edit.key("pk", AttributeValue::S("lease".to_owned()));
        let edit = edit.key("sk", AttributeValue::S(lease.subject.key()));
        let edit = edit.update_expression("SET #name = :value").expression_attribute_names("#name", name);
        edit.expression_attribute_values(":value", value).send().await.unwrap();
    }
    let is_whole =
        |leases: &[Lease]| edited.iter().all(|lost| leases.iter().any(|lease| lease.subject == lost.subject));
    assert!(!is_whole(&lister.leases.list().await.unwrap()));
    lister.discover(&mut noted).await.unwrap();
    let anew = lister.leases.list().await.unwrap();
    assert!(is_whole(&anew) && anew.len() == whole.len());
}
