//! Measures the release programs against the bare AWS calls, on the model of AWS over loopback HTTP.
//!
//! `cargo ops bench` builds everything in release and starts this program. Two of its commands are processes of a
//! measurement: the model, and the floor beside the worker.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints what it measured")]

mod cases;
mod floor;
mod ledger;
mod orders;
mod process;
mod puts;
mod schema;
mod service;
mod stage;
mod table;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::cases::Case;
use crate::stage::Setup;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure.
    Run(Run),
    /// Serve the model of AWS.
    Model(service::Arguments),
    /// Make the bare calls.
    Floor(floor::Arguments),
    /// Make bare puts.
    Puts(puts::Arguments),
}

#[derive(clap::Args)]
struct Run {
    /// Measure this case alone; may be given several times
    #[arg(long)]
    case: Vec<Case>,
    /// Also write the rows to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Tasks in each case, instead of its own number
    #[arg(long)]
    tasks: Option<u64>,
    /// How often to measure what is noisy; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The worker's program
    #[arg(long)]
    countersign: PathBuf,
    /// The Lambda function's program
    #[arg(long)]
    ingest: PathBuf,
    /// The benchmark of the rules
    #[arg(long)]
    rules: PathBuf,
    /// The checkout
    #[arg(long)]
    root: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Run(run) => measure(run).await,
        Command::Model(arguments) => service::serve(arguments).await,
        Command::Floor(arguments) => floor::run(arguments).await,
        Command::Puts(arguments) => puts::run(arguments).await,
    }
}

async fn measure(run: Run) -> Result<()> {
    let Run { case, json, tasks, rounds, countersign, ingest, rules, root } = run;
    let setup = Setup { countersign, ingest, rules, root, tasks, rounds: rounds.max(1) };
    let cases = if case.is_empty() { Case::ALL.to_vec() } else { case };
    let mut rows = vec![];
    for case in cases {
        eprintln!("measuring: {case:?}");
        rows.extend(case.run(&setup).await?);
    }
    print!("{}", table::markdown(&rows));
    if let Some(file) = json {
        std::fs::write(file, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}
