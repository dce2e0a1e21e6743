//! The log: one JSON object per line on standard output, through a buffer, so that a slow reader delays no decision.

mod level;

use std::io::{IsTerminal as _, Write};
use std::sync::OnceLock;

use tracing::Metadata;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

pub use self::level::{Change, LogLevel, MAX_MINUTES};
use crate::config::{Log, LogFormat};

/// A filter that tracing-subscriber cannot read.
#[derive(Debug, thiserror::Error)]
#[error("log.level = {level:?}: {reason}; try \"info\" or \"info,worker=debug\"")]
pub struct InvalidLevel {
    level: String,
    reason: String,
}

/// The crates whose details may be logged: ours. Those of the AWS SDK and the HTTP stack contain whole requests and
/// responses (`aws_smithy_runtime::client::orchestrator` prints them at `trace`), with tokens, orders and signatures.
const OURS: [&str; 4] = ["countersign", "rules", "statemachine", "worker"];

/// How many lines may wait to be written; further lines are dropped and counted. This is a few megabytes, enough for a
/// burst of decisions.
const BUFFERED_LINES: usize = 16_384;

/// The number of dropped log lines. It is global to the process, like the log.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();
/// The log's level, also global to the process.
static LEVEL: OnceLock<LogLevel> = OnceLock::new();

/// Sets up the process's log, once. When the guard is dropped, it writes the buffered lines for up to a second.
///
/// # Errors
///
/// [`InvalidLevel`] when `log.level` is not a filter.
pub fn start(config: &Log) -> Result<WorkerGuard, InvalidLevel> {
    let (filter, level) = filter(&config.level)?;
    let (out, guard) = buffered(std::io::stdout());
    DROPPED.get_or_init(|| out.error_counter());
    LEVEL.get_or_init(|| level);
    let lines = fmt::layer().with_writer(out);
    match config.format {
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            tracing_subscriber::registry().with(lines.with_filter(filter)).init();
        }
        LogFormat::Text => {
            let lines = lines.with_ansi(std::io::stdout().is_terminal());
            tracing_subscriber::registry().with(lines.with_filter(filter)).init();
        }
    }
    Ok(guard)
}

/// The level of this process's log; none before [`start`].
pub fn level() -> Option<LogLevel> {
    LEVEL.get().cloned()
}

/// How many lines were dropped because the log's reader was too slow, or had stopped.
pub fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |dropped| u64::try_from(dropped.dropped_lines()).unwrap_or(u64::MAX))
}

/// A separate thread writes to `out`; nothing else ever waits for it.
fn buffered(out: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(BUFFERED_LINES)
        .thread_name("log")
        .finish(out)
}

/// What `level` lets through, but nothing below `info` from other crates; and how to change the level.
///
/// # Errors
///
/// [`InvalidLevel`] when `level` is not a filter.
pub fn filter(level: &str) -> Result<(impl Filter<Registry> + use<>, LogLevel), InvalidLevel> {
    let (wanted, handle) = reload::Layer::new(parse(level)?);
    Ok((wanted.and(filter_fn(may_be_logged)), LogLevel::new(level, handle)))
}

fn parse(level: &str) -> Result<EnvFilter, InvalidLevel> {
    EnvFilter::try_new(level)
        .map_err(|error| InvalidLevel { level: level.to_owned(), reason: error.to_string() })
}

fn may_be_logged(line: &Metadata<'_>) -> bool {
    let of = line.target().split("::").next().unwrap_or_default();
    *line.level() <= LevelFilter::INFO || OURS.contains(&of)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::{Arc, Mutex, mpsc};
    use std::time::Duration;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written of one line of each level by each of these targets.
    fn written(level: &str) -> String {
        let written = Written::default();
        let writer = written.clone();
        let lines = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let log = tracing_subscriber::registry().with(lines.with_filter(filter(level).unwrap().0));
        tracing::subscriber::with_default(log, || {
            macro_rules! lines {
                ($($target:literal),*) => {$(
                    tracing::trace!(target: $target, "trace of {}", $target);
                    tracing::debug!(target: $target, "debug of {}", $target);
                    tracing::info!(target: $target, "info of {}", $target);
                )*};
            }
            lines!(
                "worker::steps::pipeline",
                "aws_smithy_runtime::client::orchestrator",
                "aws_sdk_sfn::operation",
                "aws_sigv4::http_request::sign",
                "hyper_util::client",
                "rustls::conn"
            );
        });
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn no_level_shows_what_is_sent_to_aws() {
        let others =
            "aws_smithy_runtime=trace,aws_sdk_sfn=trace,aws_sigv4=trace,hyper_util=trace,rustls=trace";
        for level in ["trace", "debug", others, &format!("trace,{others}")] {
            let written = written(level);
            let below_info: Vec<&str> = written
                .lines()
                .filter(|line| {
                    (line.contains("trace of") || line.contains("debug of")) && !line.contains("of worker")
                })
                .collect();
            assert_eq!(below_info, [""; 0], "{level}");
            assert!(written.contains("info of aws_smithy_runtime"), "{level}");
        }
        assert!(written("trace").contains("trace of worker::steps::pipeline"), "ours is shown");
    }

    #[test]
    fn a_reader_that_stands_still_holds_nobody_up() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let (out, guard) = buffered(writer);
        let dropped = out.error_counter();
        let (done, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let log = tracing_subscriber::registry().with(fmt::layer().with_ansi(false).with_writer(out));
            tracing::subscriber::with_default(log, || {
                // More than the pipe and the buffer hold.
                for line in 0..2 * BUFFERED_LINES {
                    tracing::info!("line {line}.");
                }
            });
            done.send(()).unwrap();
        });
        ended.recv_timeout(Duration::from_secs(60)).expect("a writer of the log waits for its reader");
        let lost = dropped.dropped_lines();
        assert!(lost > 0 && lost < 2 * BUFFERED_LINES, "{lost} lines were dropped");

        let read = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        drop(guard);
        let text = read.join().unwrap();
        assert!(text.contains("line 0.") && text.ends_with(".\n"), "what was buffered is written at the end");
        assert_eq!(text.lines().count(), 2 * BUFFERED_LINES - lost, "whole lines, and none twice");
    }

    #[test]
    fn a_level_that_is_no_filter_is_refused() {
        assert!(filter("worker=loud").is_err());
    }
}
