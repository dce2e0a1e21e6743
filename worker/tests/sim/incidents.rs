//! Replays ten failures of other stream readers: what went wrong there must work here.

use std::time::Duration;

use model::{Door, Failure, Fault, Matcher, Options, Rule, Service, ServiceError, ShardView};

use crate::liveness;
use crate::scene::{CONTROL, TASKS};
use crate::stage::{BY_STREAM_MS, Stage, replay};

fn listing() -> Matcher {
    Matcher::operation("DescribeStream")
}

/// Whether every record that the shard had at the time of `shard` was read.
fn is_read(stage: &Stage, shard: &ShardView) -> bool {
    let (stream, state) = (stage.stream(), stage.sim.watch.state());
    shard.sequences.iter().all(|sequence| state.records.is_read(&stream, &shard.id, sequence))
}

/// redpanda-data/connect#4737: the failure of one shard discarded a whole listing, and nothing was read for days.
#[test]
fn redpanda_4737_a_page_that_fails_hides_no_other_shard() {
    replay(async || {
        let mut stage = Stage::new(Options { shards: 8, describe_page: 2, ..Options::default() });
        let second_page = listing().when(|call| call.text("ExclusiveStartShardId").is_some());
        let fails = Rule::new(second_page, Fault::Refused(Service::Streams.internal()));
        let rule = stage.sim.world.inject(fails);
        stage.sim.start_worker();
        stage
            .until(10_000, "reading the first page's shards", |sim| liveness::owned_shards(sim) == 2)
            .await?;
        stage.sim.world.end(rule);
        stage.until(70_000, "reading every shard", |sim| liveness::owned_shards(sim) == 8).await?;
        stage.end().await
    });
}

/// apache/camel#24861: records were lost at a rotation, shards after the first page were not seen, and an expired
/// iterator was fatal.
#[test]
fn camel_24861_rotation_paging_and_expiry_together_lose_nothing() {
    replay(async || {
        let mut stage = Stage::new(Options { shards: 3, describe_page: 1, ..Options::default() });
        let expired = ServiceError::new(Service::Streams, "ExpiredIteratorException", "replay");
        let rule = Rule::new(Matcher::operation("GetRecords"), Fault::Refused(expired)).percent(30.0);
        stage.sim.world.inject(rule);
        stage.sim.start_worker();
        for _ in 0..4 {
            stage.store(6).await?;
            stage.sim.world.roll_all(&stage.stream());
            stage.store(3).await?;
            stage.sim.pass(2_000).await?;
        }
        stage.until_handled().await?;
        stage.end().await
    });
}

/// redpanda-data/connect#4510: the checkpoint moved past unfinished messages.
#[test]
fn redpanda_4510_a_position_waits_for_the_slowest_record() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        let first = stage.sim.start_worker();
        stage.sim.pass(3_000).await?;
        let decides = Matcher::operation("UpdateItem").on_table(TASKS);
        let hold = stage.sim.world.hold(decides, 1, Door::BeforeApply);
        stage.store(8).await?;
        stage.sim.pass(4_000).await?;
        if !hold.is_holding() {
            return Err("no decision was held".to_owned());
        }
        // The watch would have reported a position that passed it.
        stage.sim.crash(&first);
        hold.fail(Failure::Connection);
        stage.sim.start_worker();
        stage
            .until(BY_STREAM_MS + 12_000, "handled after the crash", |sim| {
                sim.watch.state().tasks.all_have_outcomes()
            })
            .await?;
        stage.end().await
    });
}

/// awslabs/amazon-kinesis-client#1743: after a handoff, the shard had an owner but nobody read it.
#[test]
fn kcl_1743_a_lease_handed_to_a_worker_that_dies_finds_another() {
    replay(async || {
        let mut stage = Stage::new(Options { shards: 4, ..Options::default() });
        stage.sim.start_worker();
        stage.sim.pass(5_000).await?;
        let joined = stage.sim.start_worker();
        stage
            .until(10_000, "handing over", |sim| {
                sim.watch.state().leases.rows().values().any(|row| row.contains_key("target"))
            })
            .await?;
        stage.sim.crash(&joined);
        stage.until(12_000 + 2_000, "reading again", |sim| liveness::unbalanced(sim).is_ok()).await?;
        stage.store(8).await?;
        stage.until_handled().await?;
        stage.end().await
    });
}

/// awslabs/amazon-kinesis-client PR#777: a lost response to a write cost a lease that was still held.
#[test]
fn kcl_777_a_lost_answer_costs_no_lease() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        stage.sim.start_worker();
        stage.sim.pass(5_000).await?;
        let before = stage.leases("epoch");
        let checkpoints = Matcher::operation("UpdateItem").on_table(CONTROL);
        let lost = Rule::new(checkpoints, Fault::AnswerLost(Failure::Timeout)).percent(70.0);
        let rule = stage.sim.world.inject(lost);
        for _ in 0..5 {
            stage.store(4).await?;
            stage.sim.pass(3_000).await?;
        }
        stage.until_handled().await?;
        if stage.sim.world.hits(rule) < 3 || before.is_empty() {
            return Err("no checkpoint's answer was lost".to_owned());
        }
        stage.sim.world.end(rule);
        if stage.leases("epoch") != before {
            return Err("a lease changed hands".to_owned());
        }
        stage.end().await
    });
}

/// awslabs/dynamodb-streams-kinesis-adapter#20: a worker stayed idle for ever after the end of a shard.
#[test]
fn adapter_20_children_that_stay_unseen_are_found_later() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        stage.sim.start_worker();
        stage.store(2).await?;
        stage.sim.pass(3_000).await?;
        let asks_for_children = listing().when(|call| !call.body["ShardFilter"].is_null());
        let empty = r#"{"StreamDescription":{"StreamStatus":"ENABLED","Shards":[]}}"#.to_owned();
        stage.sim.world.inject(Rule::new(asks_for_children, Fault::Forged(empty)));
        stage.sim.world.roll_all(&stage.stream());
        stage.store(4).await?;
        stage.until(30_000, "handled", |sim| sim.watch.state().tasks.all_have_outcomes()).await?;
        stage.until(1_000, "balanced", |sim| liveness::unbalanced(sim).is_ok()).await?;
        stage.end().await
    });
}

/// A reader that opened the children at LATEST lost the records written before it started.
#[test]
fn latest_child_what_was_written_before_the_reader_came_is_read() {
    replay(async || {
        let mut stage = Stage::new(Options { shards: 2, ..Options::default() });
        let first = stage.sim.start_worker();
        stage.sim.pass(3_000).await?;
        stage.sim.crash(&first);
        stage.sim.world.roll_all(&stage.stream());
        stage.store(10).await?;
        stage.sim.start_worker();
        stage.sim.pass(12_000).await?;
        stage.until_handled().await?;
        stage.end().await
    });
}

/// estuary/connectors#3418: several generations of shards closed while nobody was reading.
#[test]
fn estuary_3418_closed_generations_are_read_in_order() {
    replay(async || {
        let mut stage = Stage::new(Options { shards: 2, ..Options::default() });
        for _ in 0..4 {
            stage.store(5).await?;
            stage.sim.world.roll_all(&stage.stream());
        }
        stage.store(5).await?;
        stage.sim.start_worker();
        stage.until_handled().await?;
        stage.until(2_000, "balanced", |sim| liveness::unbalanced(sim).is_ok()).await?;
        let closed = stage.sim.world.shards(&stage.stream()).into_iter().filter(|shard| !shard.is_open);
        let unread = closed.filter(|shard| !is_read(&stage, shard)).collect::<Vec<_>>();
        assert!(unread.is_empty(), "closed but not read to the end: {unread:?}");
        stage.end().await
    });
}

/// GoogleCloudPlatform/spanner-migration-tool#347: a child waited for ever for a parent that was gone.
#[test]
fn spanner_347_a_child_does_not_wait_for_a_parent_that_is_gone() {
    // If no listing shows the parent, the second listing proves that it is gone; a listed parent is retried until it
    // counts as gone.
    for (stays_listed, gaps, within_ms) in [(false, 0, 25_000), (true, 1, 75_000)] {
        replay(async move || {
            let mut stage = Stage::new(Options::default());
            stage.store(3).await?;
            let stream = stage.stream();
            let parent = stage.sim.world.shards(&stream)[0].id.clone();
            stage.sim.world.roll_all(&stream);
            stage.sim.world.forget_shard(&stream, &parent, stays_listed);
            stage.store(3).await?;
            let child = stage.sim.world.shards(&stream).into_iter().find(|shard| shard.is_open);
            let child = child.expect("it has a child");
            let node = stage.sim.start_worker();
            stage.until(within_ms, "reading the child", |_| is_read(&stage, &child)).await?;
            assert_eq!(stage.sim.fleet[&node].counted("stream_gaps_total"), gaps, "each gap is counted");
            stage.until(2_000, "balanced", |sim| liveness::unbalanced(sim).is_ok()).await?;
            stage.end().await
        });
    }
}

/// aws-powertools/powertools-lambda-python#1387: a claim left by a dead run blocked the next run, or expired and caused
/// a second side effect. Here, the decision itself is stored.
#[test]
fn powertools_1387_a_dead_senders_decision_is_sent_by_the_next() {
    for door in [Door::BeforeApply, Door::AfterApply] {
        replay(async move || {
            let mut stage = Stage::new(Options::default());
            let first = stage.sim.start_worker();
            stage.sim.pass(3_000).await?;
            let answers = Matcher::service(Service::StepFunctions)
                .when(|call| matches!(call.operation.as_str(), "SendTaskSuccess" | "SendTaskFailure"));
            let hold = stage.sim.world.hold(answers, 1, door);
            stage.store(10).await?;
            stage.until(BY_STREAM_MS, "sending", |_| hold.is_holding()).await?;
            stage.sim.crash(&first);
            hold.fail(Failure::Connection);
            stage.sim.start_worker();
            stage.until(40_000, "handled", |sim| sim.watch.state().tasks.all_have_outcomes()).await?;
            stage.end().await
        });
    }
}

/// A retry hidden in the SDK would make an accepted callback look like an unexplained closed token, and would exceed
/// the rate limit.
#[test]
fn every_callback_is_the_workers_own() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        let node = stage.sim.start_worker();
        let answers = Matcher::service(Service::StepFunctions)
            .when(|call| matches!(call.operation.as_str(), "SendTaskSuccess" | "SendTaskFailure"));
        let broken = Fault::AppliedButRefused(Service::StepFunctions.internal());
        stage.sim.world.inject(Rule::new(answers, broken).times(5));
        stage.store(10).await?;
        stage.until_handled().await?;
        tokio::time::sleep(Duration::from_secs(20)).await;
        let counted = stage.sim.fleet[&node].counted("callbacks_total{");
        let sent = stage.sim.watch.state().tasks.callbacks();
        if counted != sent || sent < 6 {
            return Err(format!("{sent} callbacks arrived, but the worker counted {counted}"));
        }
        stage.end().await
    });
}
