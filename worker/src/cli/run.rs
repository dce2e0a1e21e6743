//! `countersign run`: runs the worker until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use tracing_appender::non_blocking::WorkerGuard;

use super::fail;
use crate::config::{Config, Setting};
use crate::telemetry;

/// The exit code that shells give a process ended by SIGINT or SIGTERM: 128 plus the signal's number.
const INTERRUPTED: u8 = 130;
const TERMINATED: u8 = 143;

/// Run the worker: tail the table's stream, decide, call back, serve the API.
///
/// On SIGTERM or SIGINT it drains: it stops reading, finishes the work in flight and releases its leases. A second
/// signal ends it at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign run --config /etc/countersign.toml
  COUNTERSIGN_TABLES__TASKS=approvals countersign run --rules ./rules --log-format text

Settings are read in this order, each overriding the one before: the defaults (countersign config --defaults), the file,
the variables COUNTERSIGN_<TABLE>__<KEY>, the flags.")]
pub(super) struct Args {
    /// A file with settings, in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address that the API listens on [setting: api.listen]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The folder with the ruleset [setting: rules.dir]
    #[arg(long, value_name = "DIR")]
    rules: Option<String>,
    /// This worker's name [setting: worker.id]
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    /// json or text [setting: log.format]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

pub(super) async fn run(args: Args) -> ExitCode {
    let flags = [
        ("--listen", "api.listen", args.listen),
        ("--rules", "rules.dir", args.rules),
        ("--id", "worker.id", args.id),
        ("--log-format", "log.format", args.log_format),
    ];
    let flags = flags.into_iter().filter_map(|(place, key, text)| {
        Some(Setting { place: place.to_owned(), key: key.to_owned(), text: text? })
    });
    let flags: Vec<Setting> = flags.collect();
    let started = start(args.config, &flags);
    let Started { config, log, interrupt, terminate } = match started {
        Ok(started) => started,
        Err(error) => return fail(&error.into()),
    };
    let code = supervise(config, interrupt, terminate).await;
    // Writes the buffered log lines.
    drop(log);
    code
}

struct Started {
    config: Config,
    log: WorkerGuard,
    interrupt: Signal,
    terminate: Signal,
}

fn start(file: Option<PathBuf>, flags: &[Setting]) -> anyhow::Result<Started> {
    let config = Config::load(file.as_deref(), flags)?;
    let log = telemetry::start(&config.log)?;
    let interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?;
    let terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
    Ok(Started { config, log, interrupt, terminate })
}

async fn supervise(config: Config, mut interrupt: Signal, mut terminate: Signal) -> ExitCode {
    let stop = CancellationToken::new();
    let mut work = Box::pin(crate::run::run(config, stop.clone().cancelled_owned()));
    loop {
        let code = tokio::select! {
            // A signal is seen however busy the work is; the end of the work is seen in the next turn.
            biased;
            _ = interrupt.recv() => INTERRUPTED,
            _ = terminate.recv() => TERMINATED,
            ended = &mut work => return match ended {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    error!(error = format!("{error:#}"), "the worker ended: {error:#}");
                    ExitCode::FAILURE
                }
            },
        };
        if stop.is_cancelled() {
            warn!("a second signal; ending at once");
            return ExitCode::from(code);
        }
        info!("asked to stop; a second signal ends at once");
        stop.cancel();
    }
}
