//! Workers that leave, or give leases up, while their work does not end.

use super::*;

#[tokio::test(start_paused = true)]
async fn who_leaves_with_held_work_has_released_everything_within_its_drain() {
    let world = world();
    let (mut run, leave) = start(&world, "a");
    sleep(Duration::from_secs(5)).await;
    let writes = Matcher::operation("UpdateItem").on_table(TASKS);
    refuse(&world, writes, Service::DynamoDb, "AccessDeniedException");
    put_task(&world, 1).await;
    sleep(Duration::from_secs(5)).await;
    leave.cancel();
    let asked = Instant::now();
    timeout(Duration::from_secs(20), run.join_next()).await.expect("it leaves in time");
    assert!(asked.elapsed() > Duration::from_secs(9), "the work was held: {:?}", asked.elapsed());
    let shards = shards(&world).await;
    assert!(!shards.is_empty() && shards.iter().all(|lease| lease.owner.is_none()), "{shards:?}");
    assert!(shards.iter().all(|lease| lease.position == Position::TrimHorizon), "nothing is passed over");
}

#[tokio::test(start_paused = true)]
async fn held_work_does_not_keep_a_lease_from_whom_it_was_given_to() {
    let world = world();
    let stream = world.stream_arn(TASKS).unwrap();
    world.split_shard(&stream, &world.shards(&stream)[0].id.clone(), 2);
    let _a = start(&world, "a");
    sleep(Duration::from_secs(10)).await;
    let writes = Matcher::operation("UpdateItem").on_table(TASKS).from("a");
    refuse(&world, writes, Service::DynamoDb, "AccessDeniedException");
    for number in 0..16 {
        put_task(&world, number).await;
    }
    sleep(Duration::from_secs(5)).await;
    let _b = start(&world, "b");
    // A lease's time as a newcomer, and a drain.
    sleep(Duration::from_secs(10 + 17)).await;
    let owners: Vec<_> = shards(&world).await.into_iter().filter_map(|lease| lease.owner).collect();
    assert_eq!(owners.iter().filter(|owner| owner.starts_with("b-")).count(), 1, "{owners:?}");
    assert_eq!(owners.len(), 2, "{owners:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_leave_during_a_round_leaves_though_no_other_round_is_answered() {
    let world = world();
    let (mut run, leave) = start(&world, "a");
    sleep(Duration::from_secs(5)).await;
    let looks = || Matcher::operation("Query").on_table(CONTROL).from("a");
    let hold = world.hold(looks(), 1, Door::BeforeApply);
    hold.reached().await;
    leave.cancel();
    sleep(Duration::from_millis(100)).await;
    refuse(&world, looks(), Service::DynamoDb, "AccessDeniedException");
    drop(hold);
    timeout(Duration::from_secs(10), run.join_next()).await.expect("it leaves");
}
