//! `cargo ops trial refused-puts`: the tasks table rejects every put of ingest for ten minutes while orders arrive, with
//! the template's own visibility timeout and number of receives.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use ops::orders::{Story, sample};
use ops::world::{Options, WorkerOptions, World, eventually};
use tokio::time::{Instant, interval};

/// The template's default.
const VISIBILITY_SECONDS: u32 = 60;
const RECEIVES: u32 = 240;
/// Every message is visible again after one timeout; the rest is room for a busy machine.
const PATIENCE: Duration = Duration::from_secs(5 * VISIBILITY_SECONDS as u64);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Seconds for which puts are rejected
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Seconds between two orders
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    between: u64,
}

/// Rejects the puts, allows them again, and prints what became of the orders.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let world = World::start(Options {
        ingest_timeout_seconds: 10,
        visibility_seconds: VISIBILITY_SECONDS,
        max_receive_count: RECEIVES,
        ..Options::default()
    });
    let world = world.await?;
    let _worker = world.start_worker("worker", WorkerOptions::default()).await?;
    world.set_puts_of_ingest("Deny").await?;
    println!("rejecting every put for {} s", arguments.seconds);
    let orders = sample(20_000, 3).into_iter().filter(|order| order.story == Story::SmallKnown);
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut ticks = interval(Duration::from_secs(arguments.between));
    let mut started = 0;
    for order in orders {
        ticks.tick().await;
        if Instant::now() >= end {
            break;
        }
        world.start_execution(&order.input).await?;
        started += 1;
    }
    let rejected = world.emulator_log()?.matches(r#""outcome":"retry""#).count();
    let stored_before = world.tasks().await?.len();
    let letters = async || world.messages(&world.stack.task_dead_letter_queue_url).await;
    println!("rejected         {rejected} puts of {started} orders; {stored_before} stored");
    println!("dead letters     {} at the end of the outage", letters().await?);

    world.set_puts_of_ingest("Allow").await?;
    let allowed = Instant::now();
    let settled = eventually(PATIENCE, "every order is stored and settled", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let tasks = world.tasks().await?;
        let is_settled = tasks.len() == started && tasks.iter().all(|task| task.status.is_final());
        Ok(is_settled.then_some(tasks.len()))
    });
    let settled = settled.await?;
    let dead = letters().await?;
    println!(
        "settled          {settled} of {started}, the last {:.0} s after the outage",
        allowed.elapsed().as_secs_f64()
    );
    println!("dead letters     {dead}");
    Ok(if dead == 0 && stored_before == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
