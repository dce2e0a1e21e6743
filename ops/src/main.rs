//! `cargo ops`: the local world and the tests, one command each.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks")]

mod checks;
mod report;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(name = "cargo ops", about = "Countersign's local world and tests")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts everything on this machine: emulator, template, Lambda, worker, sample orders. Ctrl-C ends it.
    Up(up::Arguments),
    /// Formats, lints, documents and tests, as CI does.
    Test,
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let work = async {
        match command {
            Command::Up(arguments) => up::run(arguments).await,
            Command::Test => tokio::task::spawn_blocking(checks::run).await?,
        }
    };
    let answer = tokio::select! {
        // A signal first: whoever presses Ctrl-C wants the end, and dropping the work ends its processes.
        biased;
        () = interrupted() => return ExitCode::from(130),
        answer = work => answer,
    };
    match answer {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Resolves on SIGINT, SIGTERM or SIGHUP.
async fn interrupted() {
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let mut streams: Vec<_> =
        signals.into_iter().map(|kind| signal(kind).expect("these signals can be handled")).collect();
    let mut waits: Vec<_> = streams.iter_mut().map(|stream| Box::pin(stream.recv())).collect();
    futures::future::select_all(waits.drain(..)).await;
}
