//! `cargo ops trial rolling`: three workers under load are replaced one after the other, as CloudFormation does it: the
//! new one is ready before the next old one stops.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_sfn::types::HistoryEventType;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use ops::orders::{Story, sample};
use ops::world::{Options, WorkerOptions, World, eventually};
use statemachine::status::Status;
use statemachine::task::Task;
use tokio::time::{Instant, interval};

const FLEET: usize = 3;
/// A worker's own drain takes up to 35 seconds.
const GRACE: Duration = Duration::from_secs(40);
const READ_AT_ONCE: usize = 8;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The `countersign` program to update from; this checkout's by default
    #[arg(long, value_name = "PROGRAM")]
    from: Option<PathBuf>,
    /// The program to update to; this checkout's by default
    #[arg(long, value_name = "PROGRAM")]
    to: Option<PathBuf>,
    /// Orders started each second
    #[arg(long, default_value_t = 5)]
    rate: u64,
    /// Seconds between two replacements
    #[arg(long, default_value_t = 5)]
    between: u64,
}

/// Replaces the fleet, and prints what became of the orders.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let options = Options { ingest_timeout_seconds: 10, visibility_seconds: 60, ..Options::default() };
    let world = World::start(options).await?;
    println!("emulator         {}", world.emulator.endpoint_url);
    let version =
        |program: &Option<PathBuf>| WorkerOptions { program: program.clone(), ..WorkerOptions::default() };
    let mut fleet = vec![];
    for number in 0..FLEET {
        fleet.push(world.start_worker(&format!("old-{number}"), version(&arguments.from)).await?);
    }
    let begun = Instant::now();
    let rolling = async {
        let between = Duration::from_secs(arguments.between);
        let mut new = vec![];
        tokio::time::sleep(between).await;
        for (number, old) in fleet.into_iter().enumerate() {
            new.push(world.start_worker(&format!("new-{number}"), version(&arguments.to)).await?);
            let stopping = Instant::now();
            let status = old.drain(GRACE).await?;
            ensure!(status.is_some_and(|status| status.success()), "an old worker ended with {status:?}");
            println!(
                "replaced         {} of {FLEET}, drained in {:.1} s",
                number + 1,
                stopping.elapsed().as_secs_f64()
            );
            tokio::time::sleep(between).await;
        }
        Ok::<_, anyhow::Error>(new)
    };
    let (started, new) = load(&world, arguments.rate, rolling).await?;
    println!("load             {} orders in {:.0} s", started.len(), begun.elapsed().as_secs_f64());
    let tasks = eventually(Duration::from_secs(120), "every order is settled or escalated", async || {
        let tasks = world.tasks().await?;
        let is_open = |task: &Task| !task.status.is_final() && task.status != Status::Escalated;
        Ok((tasks.len() == started.len() && !tasks.iter().any(is_open)).then_some(tasks))
    })
    .await?;
    drop(new);
    report(&world, &started, &tasks).await
}

/// Starts orders that a rule decides, at this rate, until the other work is done.
async fn load<T>(
    world: &World,
    rate: u64,
    work: impl Future<Output = Result<T>>,
) -> Result<(HashSet<String>, T)> {
    let orders = sample(20_000, 3)
        .into_iter()
        .filter(|order| matches!(order.story, Story::SmallKnown | Story::Sanctioned));
    let mut ticks = interval(Duration::from_millis(1_000 / rate.clamp(1, 1_000)));
    let mut started = HashSet::new();
    let starts = async {
        for order in orders {
            ticks.tick().await;
            started.insert(world.start_execution(&order.input).await?);
        }
        Ok::<_, anyhow::Error>(())
    };
    let mut work = std::pin::pin!(work);
    let done = tokio::select! {
        biased;
        done = &mut work => done?,
        starts = starts => {
            starts?;
            work.await?
        }
    };
    Ok((started, done))
}

async fn report(world: &World, started: &HashSet<String>, tasks: &[Task]) -> Result<ExitCode> {
    let executions: HashSet<&String> = tasks.iter().map(|task| &task.transaction_id).collect();
    let lost = started.iter().filter(|arn| !executions.contains(arn)).count();
    let ends = futures::stream::iter(started).map(|arn| answers(world, arn)).buffer_unordered(READ_AT_ONCE);
    let ends: HashMap<String, usize> = ends.try_collect().await?;
    let unanswered = ends.values().filter(|answers| **answers == 0).count();
    let twice = ends.values().filter(|answers| **answers > 1).count();
    let mut waits: Vec<f64> = tasks.iter().map(waited).collect::<Result<_>>()?;
    waits.sort_by(f64::total_cmp);
    let mut decided: Vec<Timestamp> =
        tasks.iter().map(|task| Ok(decided_at(task)?.parse()?)).collect::<Result<_>>()?;
    decided.sort();
    let pauses = decided
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).total(jiff::Unit::Second))
        .collect::<Result<Vec<_>, _>>()?;
    let longest = pauses.into_iter().fold(0.0, f64::max);
    println!(
        "tasks            {}, {lost} lost, {unanswered} without an answer, {twice} answered twice",
        tasks.len()
    );
    println!(
        "from stored to decided: half within {:.2} s, 99 % within {:.2} s, all within {:.2} s",
        at(&waits, 50),
        at(&waits, 99),
        at(&waits, 100)
    );
    println!("longest time without a decision: {longest:.2} s");
    Ok(if lost + unanswered + twice == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many answers an execution received.
async fn answers(world: &World, arn: &str) -> Result<(String, usize)> {
    let events = world.history(arn).await?;
    let is_answer = |kind: &HistoryEventType| {
        matches!(kind, HistoryEventType::TaskSucceeded | HistoryEventType::TaskFailed)
    };
    Ok((arn.to_owned(), events.iter().filter(|event| is_answer(&event.r#type)).count()))
}

fn decided_at(task: &Task) -> Result<&str> {
    let decision = task.decision.as_ref();
    Ok(&decision.with_context(|| format!("order {} has no decision", task.order_id))?.decided_at)
}

/// Seconds from SQS's receipt of the message to the decision.
fn waited(task: &Task) -> Result<f64> {
    let (received, decided): (Timestamp, Timestamp) = (task.received_at.parse()?, decided_at(task)?.parse()?);
    Ok((decided - received).total(jiff::Unit::Second)?)
}

fn at(sorted: &[f64], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}
