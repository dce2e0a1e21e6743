//! A holder whose answers are lost, over the tables' model.

use model::{Failure, Matcher, Rule, World};

use super::item::key;
use super::*;
use crate::aws::date::ServerDate;
use crate::control::table::{Beat, Heartbeat};
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
    let fault = model::Fault::AnswerLost(Failure::Timeout);
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

/// Sets an attribute of the bucket's lease by hand.
async fn edit(world: &World, name: &str, value: AttributeValue) {
    let client = world.client_for("operator").dynamodb();
    let edited = client
        .update_item()
        .table_name(CONTROL)
        .set_key(Some(key(&Subject::Sweep(1))))
        .update_expression("SET #name = :value")
        .expression_attribute_names("#name", name)
        .expression_attribute_values(":value", value);
    edited.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_made_anew_outlives_a_second_deletion_of_what_could_not_be_read() {
    let world = world();
    let (leases, _) = taken(&world).await;
    edit(&world, "counter", text("two")).await;
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
async fn a_lease_whose_numbers_are_out_of_range_is_created_anew_and_taken() {
    for name in ["epoch", "counter"] {
        for edited in ["9223372036854775807", "4611686018427387904", "-1", "99999999999999999999", "1.5"] {
            let world = world();
            let (leases, mut held) = taken(&world).await;
            edit(&world, name, AttributeValue::N(edited.to_owned())).await;
            let (readable, unreadable) = leases.list_whole().await.unwrap();
            assert_eq!((readable.len(), unreadable.len()), (0, 1), "{name} = {edited}");
            assert_eq!(leases.release(&mut held, None).await, Err(LeaseError::Lost));
            leases.remove(&Subject::Sweep(1), &unreadable[0]).await.unwrap();
            leases.create_sweep(1).await.unwrap();
            leases.take(&leases.list().await.unwrap()[0]).await.unwrap();
        }
    }
}

/// An older worker must neither take a lease that it misreads nor recreate it.
#[tokio::test(start_paused = true)]
async fn a_lease_of_a_newer_version_is_named_and_left_as_it_is() {
    let world = world();
    let (leases, _) = taken(&world).await;
    edit(&world, "format", number(2)).await;
    let before = world.items(CONTROL);
    let (readable, unreadable) = leases.list_whole().await.unwrap();
    assert!(readable.is_empty() && leases.mine().await.unwrap().is_empty());
    let newer = unreadable[0].newer().expect("it is of a newer version").to_string();
    assert!(newer.contains("format 2") && newer.contains("update this one"), "{newer}");
    leases.remove(&Subject::Sweep(1), &unreadable[0]).await.unwrap();
    leases.create_sweep(1).await.unwrap();
    assert_eq!(world.items(CONTROL), before);
}

#[tokio::test(start_paused = true)]
async fn the_largest_numbers_that_are_read_are_counted_on() {
    let world = world();
    let (leases, _) = taken(&world).await;
    for name in ["epoch", "counter"] {
        edit(&world, name, AttributeValue::N((i64::MAX / 2).to_string())).await;
    }
    leases.take(&leases.list().await.unwrap()[0]).await.unwrap();
    assert_eq!(leases.list_whole().await.unwrap().1.len(), 1, "and not read any more");
}

fn beat(counter: i64) -> Heartbeat {
    Heartbeat {
        worker: "a".to_owned(),
        counter,
        leaving: false,
        ruleset: "rules@1".to_owned(),
        version: "0.1.0".to_owned(),
        uptime: Some(std::time::Duration::from_millis(1_500)),
        report: Some(crate::metrics::report::Report { lag_seconds: 3, ..Default::default() }),
    }
}

async fn written(
    control: &ControlTable,
    counter: i64,
    edited: Option<&AttributeValue>,
) -> Result<Beat, Fault> {
    control.beat(&beat(counter), jiff::Timestamp::UNIX_EPOCH, edited, &ServerDate::default()).await
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_arrives_late_hides_no_later_one() {
    let world = world();
    let control = ControlTable::new(world.client_for("a").dynamodb(), CONTROL);
    for counter in [1, 2, 2] {
        assert_eq!(written(&control, counter, None).await, Ok(Beat::Written));
    }
    let refused = written(&control, 1, None).await;
    assert_eq!(refused, Ok(Beat::Edited(number(2))), "its sender is gone");
    assert_eq!(control.heartbeats().await.unwrap(), [beat(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_is_written_over_whatever_an_edit_by_hand_left() {
    let world = world();
    let control = ControlTable::new(world.client_for("a").dynamodb(), CONTROL);
    written(&control, 1, None).await.unwrap();
    for edited in ["9223372036854775807", "77", "99999999999999999999999", "-5", "no number"] {
        let value =
            edited.parse::<f64>().map_or_else(|_| text(edited), |_| AttributeValue::N(edited.to_owned()));
        let client = world.client_for("operator").dynamodb();
        let edit = client.update_item().table_name(CONTROL).key("pk", text("worker")).key("sk", text("a"));
        let edit =
            edit.update_expression("SET #counter = :value").expression_attribute_names("#counter", "counter");
        edit.expression_attribute_values(":value", value).send().await.unwrap();
        assert_eq!(control.heartbeats().await.unwrap().len(), 1, "{edited}: the worker is there");
        let mut answer = written(&control, 2, None).await;
        if let Ok(Beat::Edited(seen)) = &answer {
            answer = written(&control, 3, Some(seen)).await;
        }
        assert_eq!(answer, Ok(Beat::Written), "{edited}");
    }
}
