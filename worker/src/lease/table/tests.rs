//! A holder whose answers are lost, over the tables' model.

use ops::model::{Failure, Fault, Matcher, Rule, World};

use super::*;
use crate::lease::lineage::Change;
use crate::stream::tests::{CONTROL, world};

/// A table of leases without the SDK's retries, and one lease in its hands.
async fn taken(world: &World) -> (LeaseTable, Held) {
    let control = ControlTable::new(world.client_for("a").dynamodb(), CONTROL);
    let leases = LeaseTable::new(control, "a");
    leases.create_sweep(1).await.unwrap();
    let held = leases.take(&leases.list().await.unwrap()[0]).await.unwrap();
    (leases, held)
}

fn lose_the_next_answer(world: &World) {
    let fault = Fault::AnswerLost(Failure::Timeout);
    world.inject(Rule::new(Matcher::operation("UpdateItem"), fault).times(1));
}

fn at(record: &str) -> SequenceNumber {
    SequenceNumber(record.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_release_after_a_checkpoint_whose_answer_was_lost_is_written() {
    let world = world();
    let (leases, mut held) = taken(&world).await;
    lose_the_next_answer(&world);
    leases.checkpoint(&mut held, &at("1")).await.unwrap_err();
    leases.release(&mut held, Some("b")).await.unwrap();
    let released = &leases.list().await.unwrap()[0];
    assert_eq!((&released.owner, released.target.as_deref()), (&None, Some("b")));
    assert_eq!(released.position, Position::After(at("1")));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_after_another_whose_answer_was_lost_is_written() {
    let world = world();
    let (leases, mut held) = taken(&world).await;
    lose_the_next_answer(&world);
    leases.checkpoint(&mut held, &at("1")).await.unwrap_err();
    leases.checkpoint(&mut held, &at("2")).await.unwrap();
    assert_eq!(leases.list().await.unwrap()[0].position, Position::After(at("2")));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_repeated_after_its_answer_was_lost_is_one_write() {
    let world = world();
    let (leases, mut held) = taken(&world).await;
    for _ in 0..2 {
        lose_the_next_answer(&world);
        leases.checkpoint(&mut held, &at("1")).await.unwrap_err();
        leases.checkpoint(&mut held, &at("1")).await.unwrap();
    }
    lose_the_next_answer(&world);
    leases.release(&mut held, None).await.unwrap_err();
    leases.release(&mut held, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_another_has_taken_is_lost() {
    let world = world();
    let (leases, mut held) = taken(&world).await;
    let other = LeaseTable::new(ControlTable::new(world.client_for("b").dynamodb(), CONTROL), "b");
    other.take(&other.list().await.unwrap()[0]).await.unwrap();
    assert_eq!(leases.checkpoint(&mut held, &at("1")).await, Err(LeaseError::Lost));
    assert_eq!(leases.release(&mut held, None).await, Err(LeaseError::Lost));
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_that_is_gone_already_is_forgotten() {
    let world = world();
    let (leases, _) = taken(&world).await;
    let listed = Listed { shard: "a".to_owned(), parent: None };
    let subject = subject_of("arn", &listed);
    leases.apply("arn", &Change::Create { listed, parent_missing: false }, 0).await.unwrap();
    leases.apply("arn", &Change::Forget(subject.clone()), 0).await.unwrap();
    let open = leases.list().await.unwrap().into_iter().find(|lease| lease.subject == subject);
    let mut held = leases.take(&open.expect("one that is not ended stays")).await.unwrap();
    leases.end(&mut held, &[]).await.unwrap();
    for _ in 0..2 {
        leases.apply("arn", &Change::Forget(subject.clone()), 0).await.unwrap();
    }
    assert!(leases.list().await.unwrap().iter().all(|lease| lease.subject != subject));
}

#[tokio::test(start_paused = true)]
async fn what_was_made_anew_outlives_a_second_deletion_of_what_could_not_be_read() {
    let world = world();
    let (leases, _) = taken(&world).await;
    let client = world.client_for("operator").dynamodb();
    let garbled = client
        .update_item()
        .table_name(CONTROL)
        .set_key(Some(key(&Subject::Sweep(1))))
        .update_expression("SET #counter = :text")
        .expression_attribute_names("#counter", "counter")
        .expression_attribute_values(":text", text("two"));
    garbled.send().await.unwrap();
    let (readable, unreadable) = leases.list_whole().await.unwrap();
    assert_eq!((readable.len(), unreadable.len()), (0, 1));
    leases.remove(&Subject::Sweep(1), &unreadable[0]).await.unwrap();
    leases.create_sweep(1).await.unwrap();
    let anew = leases.list().await.unwrap();
    leases.remove(&Subject::Sweep(1), &unreadable[0]).await.unwrap();
    assert_eq!(leases.list().await.unwrap(), anew);
    assert_eq!(anew.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_arrives_late_hides_no_later_one() {
    let world = world();
    let control = ControlTable::new(world.client_for("a").dynamodb(), CONTROL);
    let beat = |counter| crate::control::table::Heartbeat {
        worker: "a".to_owned(),
        counter,
        leaving: false,
        ruleset: "rules@1".to_owned(),
    };
    for counter in [1, 2, 2] {
        control.beat(&beat(counter), jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    }
    control.beat(&beat(1), jiff::Timestamp::UNIX_EPOCH).await.unwrap_err();
    assert_eq!(control.heartbeats().await.unwrap(), [beat(2)]);
}
