//! Several workers: one that leaves or dies is followed at once, and nothing is lost or decided twice.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use ops::orders::{Story, sample};
use ops::worker::Worker;
use ops::world::{WorkerOptions, World, eventually};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::journey::{
    SOON, all_ended, assert_one_decision_each, in_world, logged_after, orders_of, patient, quick, start,
    stored, task_that, through,
};
use ops::proxy::{Proxy, Step, Way};

/// A drain's longest time here.
const GRACE: Duration = Duration::from_secs(30);
/// The longest from a worker's SIGTERM to its heir's first look at the shard, in seconds.
const HANDOFF_S: f64 = 2.0;
/// The longest from the end of a dead worker's lease to its heir's first look, in seconds.
const TAKEOVER_S: f64 = 2.0;
/// Long enough that a test which waits for it to expire fails.
const LONG_LEASE: Duration = Duration::from_secs(20);

fn send(worker: &Worker, signal: Signal) {
    let pid = i32::try_from(worker.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, signal).unwrap();
}

/// The worker that holds the shard's lease, by the name it was started with.
async fn reader(world: &World) -> Result<Option<String>> {
    let items = world.clients.dynamodb.scan().table_name(&world.stack.control_table).into_paginator().items();
    let items: Vec<_> = items.send().collect::<Result<Vec<_>, _>>().await?;
    let text = |item: &std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>, name| {
        item.get(name).and_then(|value| value.as_s().ok()).cloned()
    };
    let owner = items.iter().find_map(|item| {
        text(item, "sk").filter(|key| key.starts_with("shard|")).and_then(|_| text(item, "owner"))
    });
    Ok(owner.and_then(|owner| owner.rsplit_once('-').map(|(name, _)| name.to_owned())))
}

/// Waits until one of these workers starts to read the shard, after a time; gives the seconds to it.
async fn taken_over(logs: &[PathBuf], after: Timestamp) -> f64 {
    let at = eventually(SOON, "another worker reads the shard", async || {
        Ok(logs.iter().filter_map(|log| logged_after(log, after, ": reading")).min())
    });
    at.await.unwrap().duration_since(after).as_secs_f64()
}

/// How many decisions a worker has stored.
async fn decided(world: &World, worker: &Worker) -> Result<u64> {
    let metrics = world.get(worker, "/metrics").await?.body;
    let lines = metrics.lines().filter(|line| line.starts_with("countersign_decisions_total"));
    Ok(lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum())
}

/// A quick worker of a name that its leases show.
fn named(name: &str, lease: Duration) -> WorkerOptions {
    let mut options = quick();
    options.variables.push(("COUNTERSIGN_WORKER__ID".to_owned(), name.to_owned()));
    options.variables.push(("COUNTERSIGN_WORKER__LEASE_MS".to_owned(), lease.as_millis().to_string()));
    options
}

/// A worker that reads the shard, and one that does not.
async fn reader_and_heir(world: &World, lease: Duration) -> [Worker; 2] {
    let first = world.start_worker("first", named("first", lease)).await.unwrap();
    eventually(SOON, "the first reads", async || Ok(reader(world).await?.filter(|name| name == "first")))
        .await
        .unwrap();
    [first, world.start_worker("second", named("second", lease)).await.unwrap()]
}

#[tokio::test]
async fn a_drained_worker_ends_with_0_and_its_heir_reads_on_at_once() {
    in_world(patient(), async |world| {
        let [first, second] = reader_and_heir(world, LONG_LEASE).await;
        let orders = sample(120, 5);
        let (before, after) = orders.split_at(60);
        start(world, before).await;
        let asked = Timestamp::now();
        let (status, _) = futures::future::join(first.drain(GRACE), start(world, after)).await;
        assert_eq!(status.unwrap().and_then(|status| status.code()), Some(0));

        let took = taken_over(std::slice::from_ref(&second.log), asked).await;
        let released = logged_after(&world.dir().join("first.log"), asked, "lease shard|").unwrap();
        println!(
            "SIGTERM to the heir's first look at the shard: {took:.2} s, of which the drain took {:.2} s",
            released.duration_since(asked).as_secs_f64()
        );
        assert!(took <= HANDOFF_S, "{took} s");
        let tasks = all_ended(world, orders.len(), SOON).await;
        assert_one_decision_each(world, &tasks).await;
        second
    })
    .await;
}

#[tokio::test]
async fn a_second_sigterm_ends_a_drain_at_once() {
    in_world(patient(), async |world| {
        let orders = orders_of(Story::SmallKnown, 1);
        start(world, &orders).await;
        let task = stored(world, &orders).await.remove(0);
        let proxy = Proxy::start(&world.emulator).await.unwrap();
        // A callback that is never answered: the drain has something to wait for.
        let mut trap = proxy.hold(Step::CallBack, Way::There, &task.id);
        let mut worker = world.start_worker("worker", through(&proxy.url)).await.unwrap();
        tokio::time::timeout(SOON, trap.sprung()).await.unwrap();

        send(&worker, Signal::TERM);
        eventually(SOON, "it drains", async || {
            Ok((world.get(&worker, "/readyz").await?.status == 503).then_some(()))
        })
        .await
        .unwrap();
        assert!(worker.exited().unwrap().is_none(), "it waits for the callback");
        let again = Instant::now();
        send(&worker, Signal::TERM);
        let status = eventually(SOON, "it ends", async || Ok(worker.exited()?)).await.unwrap();
        println!("ended {:.2} s after the second SIGTERM", again.elapsed().as_secs_f64());
        assert_eq!((status.code(), status.signal()), (Some(143), None));
        assert!(again.elapsed() < Duration::from_secs(5));

        drop(trap);
        let heir = world.start_worker("heir", quick()).await.unwrap();
        let task = task_that(world, &orders[0].id, "settled", |task| task.status.is_final()).await;
        assert_one_decision_each(world, &[task]).await;
        heir
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_stood_still_for_longer_than_its_lease_goes_on_and_doubles_nothing() {
    in_world(patient(), async |world| {
        let [first, second] = reader_and_heir(world, FLEET_LEASE).await;
        let orders = sample(200, 6);
        let (before, after) = orders.split_at(180);
        let load = start(world, before);
        let freeze = async {
            eventually(SOON, "the first has decided", async || {
                Ok((decided(world, &first).await? > 0).then_some(()))
            })
            .await
            .unwrap();
            send(&first, Signal::STOP);
            let (stopped, since) = (Timestamp::now(), Instant::now());
            let took = taken_over(std::slice::from_ref(&second.log), stopped).await;
            println!("from SIGSTOP to the heir's first look, lease {FLEET_LEASE:?}: {took:.2} s");
            tokio::time::sleep_until(since + FLEET_LEASE + Duration::from_secs(3)).await;
            send(&first, Signal::CONT);
        };
        futures::future::join(load, freeze).await;
        all_ended(world, before.len(), SOON * 2).await;
        // Alone again, it does all there is.
        second.drain(GRACE).await.unwrap();
        start(world, after).await;
        let tasks = all_ended(world, orders.len(), SOON).await;
        assert_one_decision_each(world, &tasks).await;
        first
    })
    .await;
}

const ORDERS: usize = 2_000;
/// Started together; the emulator keeps a thread for each execution that waits.
const WAVE: usize = 250;
const FLEET: usize = 3;
/// The emulator is one process: under load it answers a heartbeat late.
const FLEET_LEASE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn three_workers_settle_2000_orders_while_the_reader_dies_every_few_seconds() {
    in_world(patient(), async |world| {
        let name = |number: usize| format!("w{number:02}");
        let mut fleet = Vec::new();
        for number in 0..FLEET {
            fleet.push((
                name(number),
                world.start_worker(&name(number), named(&name(number), FLEET_LEASE)).await.unwrap(),
            ));
        }
        let orders = sample(ORDERS, 2);
        let begun = Instant::now();
        let (mut killed, mut drained) = (Vec::new(), Vec::new());
        for (wave, orders) in orders.chunks(WAVE).enumerate() {
            start(world, orders).await;
            let victim = eventually(SOON, "one of the fleet reads", async || {
                Ok(reader(world).await?.and_then(|name| fleet.iter().position(|(known, _)| *known == name)))
            })
            .await
            .unwrap();
            let (_, victim) = fleet.swap_remove(victim);
            let logs: Vec<PathBuf> = fleet.iter().map(|(_, worker)| worker.log.clone()).collect();
            let gone = Timestamp::now();
            // One in four leaves, the others die.
            if wave % 4 == 3 {
                assert_eq!(victim.drain(GRACE).await.unwrap().and_then(|status| status.code()), Some(0));
                drained.push(taken_over(&logs, gone).await);
            } else {
                victim.kill();
                killed.push(taken_over(&logs, gone).await);
            }
            let name = name(FLEET + wave);
            fleet.push((name.clone(), world.start_worker(&name, named(&name, FLEET_LEASE)).await.unwrap()));
        }
        let tasks = all_ended(world, ORDERS, SOON * 4).await;
        println!("{ORDERS} orders in waves of {WAVE}: {:.0} s", begun.elapsed().as_secs_f64());
        println!("from kill -9 to the heir's first look, lease {FLEET_LEASE:?}: {killed:.2?} s");
        println!("from SIGTERM to the heir's first look: {drained:.2?} s");
        let longest = FLEET_LEASE.as_secs_f64() + TAKEOVER_S;
        assert!(killed.iter().all(|took| *took <= longest), "{killed:.2?} s");
        assert!(drained.iter().all(|took| *took <= HANDOFF_S), "{drained:.2?} s");
        assert_one_decision_each(world, &tasks).await;
        fleet
    })
    .await;
}
