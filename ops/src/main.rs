//! `cargo ops`: the local world, the tests, the release and its deployment, with one command each.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]

mod bench;
mod checks;
mod deploy;
mod instructions;
mod package;
mod report;
mod smoke;
mod trial;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(name = "cargo ops", about = "Run, test, measure, package and deploy Countersign")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything on this machine: emulator, template, Lambda function, worker and sample orders. Press Ctrl-C to
    /// stop it.
    Up(up::Arguments),
    /// Measure what takes too long for every change. Each trial prints a table or draws a picture.
    #[command(subcommand)]
    Trial(trial::Trial),
    /// Measure the release programs against the bare AWS calls, and print a table with the targets.
    Bench(bench::Arguments),
    /// Build the release: the Lambda function's zip, and the worker as a tarball, a Debian package and an RPM.
    Package(package::Arguments),
    /// Deploy a release to AWS: build, upload, show what would change, and change it once you agree.
    Deploy(deploy::Arguments),
    /// Ask a deployed stack whether AWS answers as the programs assume.
    Smoke(smoke::Arguments),
    /// Check formatting, lints and documentation, and run the tests, as CI does.
    Test,
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    if ops::binaries::checkout().is_none() {
        eprintln!(
            "error: this is not a checkout of Countersign: change to its folder and run `cargo ops` there"
        );
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(command));
    // After a signal, a build or a check may still be running on another thread: it ends with this process.
    runtime.shutdown_background();
    code
}

async fn run(command: Command) -> ExitCode {
    let work = async {
        match command {
            Command::Up(arguments) => up::run(arguments).await,
            Command::Trial(trial) => trial::run(trial).await,
            Command::Bench(arguments) => tokio::task::spawn_blocking(move || bench::run(&arguments)).await?,
            Command::Package(arguments) => {
                tokio::task::spawn_blocking(move || package::run(&arguments)).await?
            }
            Command::Deploy(arguments) => deploy::run(arguments).await,
            Command::Smoke(arguments) => smoke::run(arguments).await,
            Command::Test => tokio::task::spawn_blocking(checks::run).await?,
        }
    };
    let answer = tokio::select! {
        // Signals come first: a person who presses Ctrl-C wants the program to stop, and dropping the work ends its
        // processes.
        biased;
        code = interrupted() => return ExitCode::from(code),
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

/// Completes on SIGINT, SIGTERM or SIGHUP, with the exit code that a shell uses for it.
async fn interrupted() -> u8 {
    let signals =
        [(SignalKind::interrupt(), 130), (SignalKind::terminate(), 143), (SignalKind::hangup(), 129)];
    let waits = signals.map(|(kind, code)| {
        let mut stream = signal(kind).expect("these signals can be handled");
        Box::pin(async move {
            stream.recv().await;
            code
        })
    });
    futures::future::select_all(waits).await.0
}
