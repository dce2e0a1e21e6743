//! The log: one JSON object a line on standard output.

use std::io::IsTerminal as _;

use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::config::{Log, LogFormat};

/// A filter that tracing-subscriber cannot read.
#[derive(Debug, thiserror::Error)]
#[error("log.level = {level:?}: {reason}; try \"info\" or \"info,worker=debug\"")]
pub struct InvalidLevel {
    level: String,
    reason: String,
}

/// The crates whose details may be logged: ours. The AWS SDK's and the HTTP stack's hold whole requests and answers
/// (`aws_smithy_runtime::client::orchestrator` prints them at `trace`), so task tokens, orders and signatures.
const OURS: [&str; 4] = ["countersign", "rules", "statemachine", "worker"];

/// Sets the process's log up, once.
///
/// # Errors
///
/// [`InvalidLevel`] when `log.level` is no filter.
pub fn start(config: &Log) -> Result<(), InvalidLevel> {
    let filter = filter(&config.level)?;
    let lines = fmt::layer();
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
    Ok(())
}

/// What `level` lets through, and of others' crates nothing below `info`, whatever it asks for.
fn filter<S: Subscriber + for<'a> LookupSpan<'a>>(
    level: &str,
) -> Result<impl Filter<S> + use<S>, InvalidLevel> {
    let wanted = EnvFilter::try_new(level)
        .map_err(|error| InvalidLevel { level: level.to_owned(), reason: error.to_string() })?;
    Ok(wanted.and(filter_fn(may_be_logged)))
}

fn may_be_logged(line: &Metadata<'_>) -> bool {
    let of = line.target().split("::").next().unwrap_or_default();
    *line.level() <= LevelFilter::INFO || OURS.contains(&of)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

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
        let log = tracing_subscriber::registry().with(lines.with_filter(filter(level).unwrap()));
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
    fn a_level_that_is_no_filter_is_refused() {
        assert!(filter::<tracing_subscriber::Registry>("worker=loud").is_err());
    }
}
