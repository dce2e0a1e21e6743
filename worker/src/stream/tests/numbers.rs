//! What the metrics say of a worker whose stream or control table makes trouble.

use model::Failure;
use prometheus_client::registry::Registry;

use super::*;
use crate::metrics;

/// A worker at its work, and its metrics as they are shown.
struct Counted {
    run: (JoinSet<anyhow::Result<()>>, CancellationToken),
    registry: Registry,
}

impl Counted {
    async fn start(world: &World) -> Counted {
        let mut registry = registry();
        let metrics = Metrics::register(&mut registry);
        let run = start_counted(world, "a", metrics);
        sleep(Duration::from_secs(10)).await;
        Counted { run, registry }
    }

    /// The value of one line.
    fn shown(&self, line: &str) -> u64 {
        let text = metrics::text(&self.registry).unwrap();
        let line = format!("countersign_{line} ");
        text.lines().find_map(|shown| shown.strip_prefix(&line)?.parse().ok()).expect("it is shown")
    }

    fn faults(&self, service: &str) -> u64 {
        self.shown(&format!("systemic_faults_total{{service=\"{service}\"}}"))
    }

    fn left_to_the_next(&self) -> u64 {
        self.shown("stream_records_total{result=\"lease_lost\"}")
    }
}

fn on_control(operation: &str) -> Matcher {
    Matcher::operation(operation).on_table(CONTROL)
}

fn deny_on_tasks(world: &World, operation: &str) {
    let calls = Matcher::operation(operation).on_table(TASKS);
    refuse(world, calls, Service::DynamoDb, "AccessDeniedException");
}

#[tokio::test(start_paused = true)]
async fn who_lost_the_right_to_act_shows_no_leases_and_no_work() {
    let world = world();
    let worker = Counted::start(&world).await;
    deny_on_tasks(&world, "UpdateItem");
    put_task(&world, 1).await;
    sleep(Duration::from_secs(5)).await;
    assert!(worker.shown("leases_held") > 0 && worker.shown("in_flight_records") > 0);
    for operation in ["PutItem", "Query"] {
        refuse(&world, on_control(operation), Service::DynamoDb, "AccessDeniedException");
    }
    sleep(Duration::from_secs(60)).await;
    let gauges = ["leases_held", "in_flight_records", "in_flight_bytes"];
    assert_eq!(gauges.map(|gauge| worker.shown(gauge)), [0; 3]);
}

/// A minute of silence, of the control table alone and of all of AWS.
#[tokio::test(start_paused = true)]
async fn a_worker_that_is_cut_off_does_not_look_well() {
    for silent in [on_any_control, Matcher::any] {
        let world = world();
        let refused = ServiceError::new(Service::DynamoDb, "AccessDeniedException", "told");
        let of_one_bucket = on_control("UpdateItem").when(|call| is_take(call) && is_of_bucket(call, 3));
        let denied = world.inject(Rule::new(of_one_bucket, Fault::Refused(refused)));
        let worker = Counted::start(&world).await;
        let gauges = || {
            let overdue = ["PENDING", "ESCALATED", "DUE", "VERIFY"]
                .map(|list| worker.shown(&format!("worklist_overdue_seconds{{list=\"{list}\"}}")));
            (worker.shown("stream_lag_seconds"), overdue, worker.shown("leases_unowned"))
        };
        let (lag, _, unowned) = gauges();
        assert!(lag < 5 && unowned == 1, "{lag} s behind, {unowned} unowned");
        let silence = world.inject(Rule::new(silent(), Fault::Lost(Failure::Silence)));
        let mut before = gauges();
        for second in 0..100 {
            sleep(Duration::from_secs(1)).await;
            let now = gauges();
            let fell = now.1.iter().zip(&before.1).any(|(now, before)| now < before);
            // Before its right to act ends, the worker goes on with what does answer.
            let is_held = worker.shown("leases_held") > 0;
            assert!(now.2 == 1 && (is_held || (now.0 >= before.0 && !fell)), "{second}: {before:?}, {now:?}");
            before = now;
        }
        assert_eq!(worker.shown("leases_held"), 0, "it has lost its right to act");
        assert!(before.0 >= 60 && before.1.iter().all(|overdue| *overdue >= 60), "{before:?}");
        world.end(silence);
        world.end(denied);
        sleep(Duration::from_secs(70)).await;
        let (lag, overdue, unowned) = gauges();
        assert!(lag < 5 && overdue.iter().all(|overdue| *overdue <= 60), "{lag} s behind, {overdue:?}");
        assert_eq!(unowned, 0);
    }
}

fn on_any_control() -> Matcher {
    Matcher::any().on_table(CONTROL)
}

fn is_of_bucket(call: &model::Call, bucket: u8) -> bool {
    let key = call.body["Key"]["sk"]["S"].as_str();
    key.is_some_and(|key| key == format!("sweep|{bucket:02}"))
}

#[tokio::test(start_paused = true)]
async fn leases_that_nobody_takes_are_shown() {
    let world = world();
    let refused = ServiceError::new(Service::DynamoDb, "AccessDeniedException", "told");
    let denied = world.inject(Rule::new(on_control("UpdateItem").when(is_take), Fault::Refused(refused)));
    let worker = Counted::start(&world).await;
    let (unowned, held) = (worker.shown("leases_unowned"), worker.shown("leases_held"));
    assert!(unowned > 16 && held == 0, "{unowned} unowned, {held} held");
    world.end(denied);
    sleep(Duration::from_secs(10)).await;
    assert_eq!((worker.shown("leases_unowned"), worker.shown("leases_held")), (0, unowned));
}

fn is_take(call: &model::Call) -> bool {
    call.text("UpdateExpression").is_some_and(|update| update.contains("#owner = :me"))
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_counted() {
    let world = world();
    let worker = Counted::start(&world).await;
    refuse(&world, Matcher::operation("GetRecords"), Service::Streams, "TrimmedDataAccessException");
    sleep(Duration::from_secs(60)).await;
    let shards = world.shards(&world.stream_arn(TASKS).unwrap()).len();
    assert_eq!(worker.shown("stream_gaps_total"), u64::try_from(shards).unwrap());
}

#[tokio::test(start_paused = true)]
async fn records_that_are_dropped_with_their_lease_are_counted() {
    let world = world();
    let mut worker = Counted::start(&world).await;
    deny_on_tasks(&world, "UpdateItem");
    for number in 0..3 {
        put_task(&world, number).await;
    }
    sleep(Duration::from_secs(5)).await;
    assert_eq!(worker.left_to_the_next(), 0);
    // What does not end in time is dropped.
    worker.run.1.cancel();
    worker.run.0.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(worker.left_to_the_next(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_replaces_another_is_one_gap_however_often_it_is_found() {
    let world = world();
    let worker = Counted::start(&world).await;
    world.disable_stream(TASKS);
    sleep(Duration::from_secs(30)).await;
    let second = world.enable_stream(TASKS);
    let lists = Matcher::operation("DescribeStream")
        .when(move |call| call.text("StreamArn").is_some_and(|stream| *stream == second));
    refuse(&world, lists, Service::Streams, "AccessDeniedException");
    sleep(Duration::from_secs(300)).await;
    assert_eq!((worker.shown("stream_gaps_total"), gaps(&world)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_former_stream_that_is_deleted_is_nobodys_fault() {
    let world = world();
    let worker = Counted::start(&world).await;
    let first = world.stream_arn(TASKS).unwrap();
    world.disable_stream(TASKS);
    world.enable_stream(TASKS);
    let of_first = Matcher::service(Service::Streams).when(move |call| {
        let names_it = |name| call.text(name).is_some_and(|text| text.contains(&first));
        names_it("StreamArn") || names_it("ShardIterator")
    });
    refuse(&world, of_first, Service::Streams, "ResourceNotFoundException");
    sleep(Duration::from_secs(150)).await;
    assert_eq!(worker.faults("stream"), 0);
    assert!(shards(&world).await.iter().any(|lease| lease.position == Position::End));
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_counted_where_it_showed() {
    let world = world();
    let worker = Counted::start(&world).await;
    refuse(&world, on_control("TransactWriteItems"), Service::DynamoDb, "AccessDeniedException");
    world.roll_all(&world.stream_arn(TASKS).unwrap());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(worker.faults("stream"), 0);
    assert!(worker.faults("control") > 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_takes_no_write_is_counted() {
    let world = world();
    let worker = Counted::start(&world).await;
    refuse(&world, on_control("UpdateItem"), Service::DynamoDb, "AccessDeniedException");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(worker.faults("control"), 0, "nothing is to be written");
    put_task(&world, 1).await;
    sleep(Duration::from_secs(10)).await;
    assert!(worker.faults("control") > 0, "no checkpoint is");
}

#[tokio::test(start_paused = true)]
async fn a_worklist_that_is_refused_to_everybody_is_counted() {
    let world = world();
    let worker = Counted::start(&world).await;
    let walks = Matcher::operation("Query").on_table(TASKS);
    refuse(&world, walks, Service::DynamoDb, "ValidationException");
    sleep(Duration::from_secs(60)).await;
    assert!(worker.faults("table") > 0, "no such index");
}

#[tokio::test(start_paused = true)]
async fn a_control_table_that_is_slow_for_a_moment_is_no_systemic_fault() {
    let world = world();
    let worker = Counted::start(&world).await;
    let throttle = || {
        for operation in ["GetItem", "PutItem", "Query"] {
            refuse(&world, on_control(operation), Service::DynamoDb, "ThrottlingException");
        }
    };
    throttle();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(worker.faults("control"), 0);
    world.calm();
    sleep(Duration::from_secs(20)).await;
    throttle();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(worker.faults("control"), 0, "a response starts the count again");
    sleep(Duration::from_secs(20)).await;
    assert!(worker.faults("control") > 0);
}

#[tokio::test(start_paused = true)]
async fn an_iterator_that_expires_for_ever_is_no_empty_page() {
    let world = world();
    let worker = Counted::start(&world).await;
    refuse(&world, Matcher::operation("GetRecords"), Service::Streams, "ExpiredIteratorException");
    sleep(Duration::from_secs(60)).await;
    let lag = worker.shown("stream_lag_seconds");
    assert!((55..=65).contains(&lag) && worker.faults("stream") > 0, "{lag} s behind");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_does_not_settle_is_shown_by_its_age() {
    let world = world();
    let worker = Counted::start(&world).await;
    deny_on_tasks(&world, "UpdateItem");
    put_task(&world, 1).await;
    sleep(Duration::from_secs(60)).await;
    let (unsettled, lag) = (worker.shown("stream_unsettled_seconds"), worker.shown("stream_lag_seconds"));
    assert!((55..=65).contains(&unsettled) && lag < 5, "{unsettled} s in flight, {lag} s behind");
    world.calm();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(worker.shown("stream_unsettled_seconds"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_overdue_by_its_first_entry_and_by_the_last_walk() {
    let world = world();
    let worker = Counted::start(&world).await;
    let overdue = |list| worker.shown(&format!("worklist_overdue_seconds{{list=\"{list}\"}}"));
    refuse(&world, Matcher::service(Service::Streams), Service::Streams, "AccessDeniedException");
    deny_on_tasks(&world, "UpdateItem");
    put_task(&world, 1).await;
    sleep(Duration::from_secs(150)).await;
    let (pending, due) = (overdue("PENDING"), overdue("DUE"));
    assert!(
        (85..=95).contains(&pending) && due <= 60,
        "due after 60 s, walked each 60: {pending} and {due} s"
    );
    world.calm();
    sleep(Duration::from_secs(80)).await;
    assert!(overdue("PENDING") <= 60);
    deny_on_tasks(&world, "Query");
    sleep(Duration::from_secs(200)).await;
    let overdue = ["PENDING", "ESCALATED", "DUE", "VERIFY"].map(overdue);
    assert!(overdue.iter().all(|overdue| (200..=260).contains(overdue)), "{overdue:?}");
}
