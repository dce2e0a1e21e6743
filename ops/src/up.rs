//! `cargo ops up`: a world that stays, with sample orders flowing through it.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use ops::binaries::root;
use ops::clients::ROOT_KEY;
use ops::orders::{self, SampleOrder};
use ops::worker::Worker;
use ops::world::{Options, WorkerOptions, World, sample_rules};
use serde_json::json;
use tokio::time::Instant;

use crate::report::{Report, Row};

/// Where people expect an emulator, the API and the metrics; others are taken when these are busy.
const USUAL_EMULATOR_PORT: u16 = 4566;
const USUAL_API_PORT: u16 = 8420;
const USUAL_METRICS_PORT: u16 = 9420;
const STARTS_AT_ONCE: usize = 16;
const POLL: Duration = Duration::from_millis(200);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many sample orders to start
    #[arg(long, default_value_t = 20)]
    orders: usize,
    /// Stop once every order is settled or escalated; exit code 0 only if each ended as expected
    #[arg(long)]
    exit: bool,
    /// The seed of the sample orders; another one gives other orders
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder of the ruleset; rules/scripts by default
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Publish the ruleset, and let the workers follow the published one
    #[arg(long)]
    published: bool,
    /// The emulator's port; by default 4566, or a free one if that is in use
    #[arg(long)]
    port: Option<u16>,
    /// The port of the first worker's API; by default 8420, or a free one if that is in use
    #[arg(long)]
    api_port: Option<u16>,
    /// How many workers to start; only the first has the port above
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    workers: u8,
    /// The folder for the world's files; target/local by default. Worlds in different folders run side by side
    #[arg(long)]
    dir: Option<PathBuf>,
    /// With --exit, how many seconds to wait for the last order
    #[arg(long, default_value_t = 120)]
    patience: u64,
}

/// Starts the world, its orders, and waits.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let begun = Instant::now();
    let local = arguments.dir.clone().unwrap_or_else(|| root().join("target/local"));
    let local = std::path::absolute(&local).with_context(|| local.display().to_string())?;
    let _lock = lock(&local)?;
    let world = start_world(&arguments, &local).await?;
    let publishing = if arguments.published { Some(publish(&arguments, &world).await?) } else { None };
    let workers = start_workers(&arguments, &world).await?;
    println!("ready after {:.1} s", begun.elapsed().as_secs_f64());
    write_description(&local.join("world.json"), &arguments, &world, &workers)?;

    let orders = orders::sample(arguments.orders, arguments.seed);
    let arns = start_orders(&world, &orders).await?;
    let deadline = Instant::now() + Duration::from_secs(arguments.patience);
    let report = watch(&world, &orders, &arns, arguments.exit.then_some(deadline)).await?;
    println!("{report}");
    print_addresses(&world, &workers);
    if let Some(publishing) = &publishing {
        print_publishing(&world, &rules_dir(&arguments)?, publishing);
    }
    if arguments.exit {
        return Ok(if report.as_expected() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    println!(
        "Ctrl-C ends it. What else ends is started again: `kill PID` restarts a worker, or the emulator."
    );
    stay(&arguments, world, workers, &local.join("world.json")).await
}

/// Held while the world lives: two of them would write the same files.
fn lock(local: &Path) -> Result<File> {
    std::fs::create_dir_all(local).with_context(|| format!("folder {}", local.display()))?;
    let lock = File::create(local.join("lock"))?;
    let busy = || format!("another local world runs in this folder: {}", local.join("world.json").display());
    lock.try_lock().with_context(busy)?;
    Ok(lock)
}

async fn start_world(arguments: &Arguments, local: &Path) -> Result<World> {
    let dir = local.join("world");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)
            .with_context(|| format!("the last world's files in {}", dir.display()))?;
    }
    println!("building, and starting the emulator …");
    let options = Options {
        dir: Some(dir),
        port: arguments.port.or_else(|| usual(USUAL_EMULATOR_PORT)),
        ingest_timeout_seconds: 2,
        visibility_seconds: 12,
        max_receive_count: 3,
        // Whatever state machine somebody creates here may wait for an answer.
        other_state_machines: "*".to_owned(),
        ..Options::default()
    };
    World::start(options).await
}

async fn start_workers(arguments: &Arguments, world: &World) -> Result<Vec<Worker>> {
    let mut workers = Vec::new();
    for number in 1..=arguments.workers {
        let first = || arguments.api_port.or_else(|| usual(USUAL_API_PORT));
        let port = if number == 1 { first().unwrap_or(0) } else { 0 };
        let metrics_port = usual(USUAL_METRICS_PORT).filter(|_| number == 1);
        let listen = format!("127.0.0.1:{port}");
        let metrics_listen = metrics_port.map(|port| format!("127.0.0.1:{port}"));
        let options = worker_options(arguments, listen, metrics_listen)?;
        workers.push(world.start_worker(&worker_name(usize::from(number)), options).await?);
    }
    Ok(workers)
}

fn worker_name(number: usize) -> String {
    format!("worker-{number}")
}

fn worker_options(
    arguments: &Arguments,
    listen: String,
    metrics_listen: Option<String>,
) -> Result<WorkerOptions> {
    let source = if arguments.published { "published" } else { "directory" };
    Ok(WorkerOptions {
        rules_dir: Some(rules_dir(arguments)?),
        listen: Some(listen),
        metrics_listen,
        variables: vec![("COUNTERSIGN_RULES__SOURCE".to_owned(), source.to_owned())],
        ..WorkerOptions::default()
    })
}

fn rules_dir(arguments: &Arguments) -> Result<PathBuf> {
    let dir = arguments.rules.clone().unwrap_or_else(sample_rules);
    std::path::absolute(&dir).with_context(|| dir.display().to_string())
}

/// Publishes the ruleset; gives the file of settings with which the command line finds this world's tables.
async fn publish(arguments: &Arguments, world: &World) -> Result<String> {
    let (config, dir) = (world.command_line_config()?, rules_dir(arguments)?);
    let (config, dir) = (config.to_string_lossy(), dir.to_string_lossy());
    let output = world
        .countersign(&[
            "rules",
            "publish",
            &dir,
            "--message",
            "the first of this world",
            "--yes",
            "--config",
            &config,
        ])
        .await?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    Ok(config.into_owned())
}

/// The commands that change what decides in this world, with all they need.
fn print_publishing(world: &World, dir: &Path, config: &str) {
    let program = world.binaries().countersign.display();
    let keys = format!("AWS_ACCESS_KEY_ID={ROOT_KEY} AWS_SECRET_ACCESS_KEY={ROOT_KEY}");
    let rules = format!("{keys} {program} rules");
    println!("publish          {rules} publish {} --config {config} --message \"why\"", dir.display());
    println!("roll back        {rules} rollback --config {config} --message \"why\"");
}

/// The port, unless someone listens on it.
fn usual(port: u16) -> Option<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(port)
}

/// `world.json`: what other programs need to find the world.
fn write_description(path: &Path, arguments: &Arguments, world: &World, workers: &[Worker]) -> Result<()> {
    let stack = &world.stack;
    let each = workers.iter().map(|worker| json!({"api_url": worker.url, "pid": worker.id()}));
    let worker = workers.first().context("start at least one worker")?;
    let description = json!({
        "endpoint_url": world.emulator.endpoint_url,
        "emulator_pid": world.emulator.id(),
        "api_url": worker.url,
        "metrics_url": worker.metrics_url,
        "state_machine_arn": stack.state_machine_arn,
        "state_machine_role_arn": stack.state_machine_role_arn,
        "tasks_table": stack.tasks_table,
        "control_table": stack.control_table,
        "stream_arn": stack.tasks_stream_arn,
        "queue_url": stack.task_queue_url,
        "dead_letter_queue_url": stack.task_dead_letter_queue_url,
        "closed_executions_queue_url": stack.closed_executions_queue_url,
        "rules_dir": arguments.rules.clone().unwrap_or_else(sample_rules),
        "workers": each.collect::<Vec<_>>(),
        "worker_pid": worker.id(),
        "worker_config": worker.config,
    });
    std::fs::write(path, format!("{description:#}\n")).with_context(|| path.display().to_string())
}

async fn start_orders(world: &World, orders: &[SampleOrder]) -> Result<Vec<String>> {
    let starts = orders.iter().map(|order| world.start_execution(&order.input));
    futures::stream::iter(starts).buffered(STARTS_AT_ONCE).try_collect().await
}

/// Follows the orders until each is settled or escalated, or the deadline.
async fn watch(
    world: &World,
    orders: &[SampleOrder],
    arns: &[String],
    deadline: Option<Instant>,
) -> Result<Report> {
    let terminal = std::io::stdout().is_terminal();
    let mut shown = None;
    loop {
        let tasks = world.tasks().await?;
        let mut rows = Vec::new();
        for (order, arn) in orders.iter().zip(arns) {
            rows.push(Row::new(order, tasks.iter().find(|task| task.transaction_id == *arn)));
        }
        let ended = rows.iter().filter(|row| row.has_ended()).count();
        if shown != Some(ended) {
            shown = Some(ended);
            let (start, end) = if terminal { ("\r", "") } else { ("", "\n") };
            print!("{start}{ended} of {} orders settled or escalated{end}", orders.len());
            std::io::stdout().flush()?;
        }
        if ended == orders.len() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            if terminal {
                println!();
            }
            let executions = futures::stream::iter(arns.iter().map(|arn| world.execution(arn)));
            let executions = executions.buffered(STARTS_AT_ONCE).try_collect::<Vec<_>>().await?;
            return Ok(Report::new(rows, &executions));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn print_addresses(world: &World, workers: &[Worker]) {
    for worker in workers {
        println!("worker           process {}", worker.id());
        println!("console          {}/console", worker.url);
        println!("API              {}", worker.url);
        println!("metrics          {}/metrics", worker.metrics_url);
    }
    println!("emulator         {}, process {}", world.emulator.endpoint_url, world.emulator.id());
    println!("logs             {}", world.dir().display());
    let program = world.binaries().countersign.display();
    if let Some(worker) = workers.first() {
        println!("command line     {program} tasks --url {} list", worker.url);
    }
}

/// Until Ctrl-C, which drops us. A worker that ends is started again at the same addresses, while emulator and tables stay
/// as they are: to run a program that you have just built, stop the old one. An emulator that is terminated is started again with
/// the state that it stored, and all workers with it. What cannot be started ends the world.
async fn stay(
    arguments: &Arguments,
    mut world: World,
    mut workers: Vec<Worker>,
    description: &Path,
) -> Result<ExitCode> {
    loop {
        let mut changed = false;
        if let Some(status) = world.emulator.exited()? {
            println!("the emulator ended ({status}): starting it again, and the workers");
            world.restart_emulator().await?;
            println!("the emulator is ready as process {}", world.emulator.id());
            for worker in &mut workers {
                worker.stop();
            }
        }
        for (index, worker) in workers.iter_mut().enumerate() {
            let Some(status) = worker.exited()? else { continue };
            let name = worker_name(index + 1);
            println!("{name} ended ({status}; its log is {}): starting it again", worker.log.display());
            let address = |url: &str| url.trim_start_matches("http://").to_owned();
            let options =
                worker_options(arguments, address(&worker.url), Some(address(&worker.metrics_url)))?;
            *worker = world.start_worker(&name, options).await?;
            println!("{name} is ready as process {}", worker.id());
            changed = true;
        }
        if changed {
            write_description(description, arguments, &world, &workers)?;
        }
        tokio::time::sleep(POLL).await;
    }
}
