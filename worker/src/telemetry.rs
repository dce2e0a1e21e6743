//! The log: one JSON object a line on standard output.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// A filter that tracing-subscriber cannot read.
#[derive(Debug, thiserror::Error)]
#[error("log.level = {level:?}: {reason}; try \"info\" or \"info,worker=debug\"")]
pub struct InvalidLevel {
    level: String,
    reason: String,
}

/// Sets the process's log up, once.
///
/// # Errors
///
/// [`InvalidLevel`] when `log.level` is no filter.
pub fn start(config: &Log) -> Result<(), InvalidLevel> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|error| InvalidLevel { level: config.level.clone(), reason: error.to_string() })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    match config.format {
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).init()
        }
        LogFormat::Text => log.with_ansi(std::io::stdout().is_terminal()).init(),
    }
    Ok(())
}
