//! A worker that leaves finishes the records in flight, writes its checkpoints, releases its leases and then removes
//! its heartbeat, in this order, and sends nothing afterwards.

use std::sync::{Arc, Mutex};

use model::{Call, Fault, Matcher, Options, Rule, Service};

use statemachine::status::Delivery;
use statemachine::task::Task;

use crate::invariants::shard_of;
use crate::run::Sim;
use crate::scene::{CONTROL, TASKS};
use crate::stage::{BY_STREAM_MS, Stage, replay};

/// The time of a write, there and back, so that the records in flight take seconds.
const SLOW_MS: u64 = 700;
const LEAVE_MS: u64 = 15_000;

/// The lease that a write changes.
fn lease(call: &Call) -> Option<&str> {
    let is_write = call.operation == "UpdateItem" && call.is_on_table(CONTROL);
    call.body["Key"]["sk"]["S"].as_str().filter(|_| is_write)
}

fn is_checkpoint(call: &Call, sk: &str) -> bool {
    lease(call) == Some(sk) && !call.body["ExpressionAttributeValues"][":position"].is_null()
}

fn is_release(call: &Call) -> bool {
    let update = call.text("UpdateExpression").unwrap_or_default();
    lease(call).is_some() && update.contains("REMOVE #owner")
}

fn is_answer(call: &Call) -> bool {
    call.service == Service::StepFunctions && call.operation.starts_with("SendTask")
}

/// The calls of one node that were applied after it was told to leave, in order; and all calls that it sent until long
/// after.
async fn calls_of_leaving(stage: &mut Stage, node: &str) -> Result<(Vec<Call>, Vec<Call>), String> {
    let (applied, sent) = (Arc::<Mutex<Vec<Call>>>::default(), Arc::<Mutex<Vec<Call>>>::default());
    let (seen, heard) = (Arc::clone(&applied), Arc::clone(&sent));
    let (of, from) = (node.to_owned(), node.to_owned());
    stage.sim.world.observe(move |event| {
        if let Some(call) = event.call.as_ref().filter(|call| *call.node == of && event.answer.is_ok()) {
            seen.lock().expect("no thread panics while it holds the lock").push(call.clone());
        }
    });
    stage.sim.world.listen(move |call| {
        if *call.node == from {
            heard.lock().expect("no thread panics while it holds the lock").push(call.clone());
        }
    });
    stage.sim.fleet[node].leave.cancel();
    let end_ms = stage.sim.world.now_ms() + LEAVE_MS;
    while !stage.sim.fleet.get_mut(node).is_none_or(|process| process.is_over()) {
        stage.sim.pass(20).await?;
        if stage.sim.world.now_ms() > end_ms {
            return Err(format!("{node}: did not leave in {LEAVE_MS} ms"));
        }
    }
    // The task has ended but was not dropped: anything that it left running would continue.
    stage.sim.pass(2 * LEAVE_MS).await?;
    let calls = |calls: &Mutex<Vec<Call>>| {
        std::mem::take(&mut *calls.lock().expect("no thread panics while it holds the lock"))
    };
    let both = (calls(&applied), calls(&sent));
    stage.sim.fleet.remove(node);
    Ok(both)
}

#[test]
fn who_leaves_finishes_writes_it_down_releases_and_then_goes() {
    replay(async || {
        let mut stage = Stage::new(Options { shards: 3, ..Options::default() });
        let node = stage.sim.start_worker();
        stage.sim.pass(5_000).await?;
        let writes = Matcher::operation("UpdateItem").on_table(TASKS);
        let slow = Fault::Delayed { there_ms: SLOW_MS, back_ms: SLOW_MS };
        let slow = stage.sim.world.inject(Rule::new(writes, slow));
        stage.store(24).await?;
        let is_due = |task: &Task| task.delivery == Some(Delivery::Due);
        let is_in_hand = |sim: &Sim| sim.watch.state().tasks.all().iter().any(is_due);
        stage.until(BY_STREAM_MS, "decided", is_in_hand).await?;
        let told_ms = stage.sim.world.now_ms();
        let (applied, sent) = calls_of_leaving(&mut stage, &node).await?;
        let at = |what: &dyn Fn(&Call) -> bool| applied.iter().rposition(what);

        let late = sent.iter().find(|call| call.operation == "GetRecords" && call.sent_ms > told_ms);
        assert!(late.is_none(), "it is still reading: {late:?}");
        let released = at(&is_release).expect("its leases are released");
        let answered = at(&is_answer).expect("the records in flight are finished");
        assert!(answered < released, "an answer after the last release");
        let mut written_down = 0;
        for (key, position) in stage.leases("position") {
            let given_up = at(&|call| is_release(call) && lease(call) == Some(&key));
            let Some(checkpoint) = at(&|call| is_checkpoint(call, &key)) else { continue };
            assert!(
                given_up.is_some_and(|given_up| checkpoint < given_up),
                "{key}: released before its position was written"
            );
            let (stream, shard) = shard_of(&key).expect("a shard's lease");
            let views = stage.sim.world.shards(stream);
            let view = views.iter().find(|view| view.id == shard).expect("the shard is there");
            let mut after = view.sequences.iter().skip_while(|sequence| position.as_text() != Some(sequence));
            assert!(after.next().is_some(), "{key}: {position:?}");
            let state = stage.sim.watch.state();
            assert!(
                !after.any(|sequence| state.records.is_read(stream, shard, sequence)),
                "{key}: the position does not cover all records that were read"
            );
            written_down += 1;
        }
        assert!(written_down > 0, "no position was written");
        let last = sent.last().expect("it sent something");
        assert_eq!(last.operation, "DeleteItem", "nothing is sent after the heartbeat is gone");
        assert_eq!(last.body["Key"]["pk"]["S"], "worker");
        let gone = applied.iter().position(|call| call.operation == "DeleteItem");
        assert!(
            released < gone.expect("its heartbeat is removed"),
            "its heartbeat was removed before its leases were released"
        );
        stage.sim.world.end(slow);
        stage.end().await
    });
}
