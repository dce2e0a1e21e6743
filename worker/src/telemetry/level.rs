//! `log.level`, changed while the process runs, for a time.

use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::{InvalidLevel, parse};

/// The longest time that another level may be in effect: a forgotten `debug` must not fill a disk.
pub const MAX_MINUTES: u32 = 240;

/// The log's level: the configured one, or another until its time is over.
#[derive(Clone)]
pub struct LogLevel(Arc<Shared>);

struct Shared {
    configured: String,
    filter: Mutex<reload::Handle<EnvFilter, Registry>>,
    change: watch::Sender<Option<Change>>,
}

/// Another level than the configured one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// In the form of `log.level`.
    pub level: String,
    /// Who set it.
    pub by: String,
    /// When the configured level is in effect again.
    pub until: Timestamp,
    /// The same on the clock that timers follow.
    ends: Instant,
}

impl LogLevel {
    /// The level of a filter that can be replaced.
    pub(super) fn new(configured: &str, filter: reload::Handle<EnvFilter, Registry>) -> LogLevel {
        let (configured, filter) = (configured.to_owned(), Mutex::new(filter));
        LogLevel(Arc::new(Shared { configured, filter, change: watch::Sender::new(None) }))
    }

    /// The level of `log.level`.
    pub fn configured(&self) -> &str {
        &self.0.configured
    }

    /// The other level that is in effect; none while the configured one is.
    pub fn changed(&self) -> Option<Change> {
        self.0.change.borrow().clone()
    }

    /// Sets another level for a time.
    ///
    /// # Errors
    ///
    /// [`InvalidLevel`] when `level` is not a filter; nothing is changed.
    pub fn set(&self, level: &str, time: Duration, by: &str, now: Timestamp) -> Result<(), InvalidLevel> {
        let filter = parse(level)?;
        let until = now + jiff::SignedDuration::try_from(time).unwrap_or_default();
        // Before the change: the new level may hide the line.
        warn!(
            by,
            before = self.in_effect(),
            log_level = level,
            "the log's level is {level} until {until:.0}, by {by}"
        );
        self.apply(filter);
        let ends = Instant::now() + time;
        self.0.change.send_replace(Some(Change { level: level.to_owned(), by: by.to_owned(), until, ends }));
        Ok(())
    }

    /// Returns to the configured level.
    pub fn reset(&self, by: &str) {
        let before = self.in_effect();
        // The configured level could be read when the process started.
        if let Ok(filter) = parse(&self.0.configured) {
            self.apply(filter);
        }
        self.0.change.send_replace(None);
        let level = self.configured();
        warn!(by, before, "the log's level is {level} again, as configured, by {by}");
    }

    fn in_effect(&self) -> String {
        self.changed().map_or_else(|| self.0.configured.clone(), |change| change.level)
    }

    fn apply(&self, filter: EnvFilter) {
        // It fails only when the log is gone.
        let _ = self.0.filter.lock().expect("no holder panics").reload(filter);
    }

    /// Returns to the configured level whenever another's time is over, until `stop`.
    pub async fn fall_back(self, stop: CancellationToken) {
        let mut change = self.0.change.subscribe();
        loop {
            let ends = change.borrow_and_update().as_ref().map(|change| change.ends);
            let over = async {
                match ends {
                    Some(ends) => sleep_until(ends).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                // A new change counts before the end of the last.
                biased;
                () = stop.cancelled() => return,
                // The sender is this value's own.
                _ = change.changed() => {}
                () = over => self.reset("the end of its time"),
            }
        }
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLevel").field("in_effect", &self.in_effect()).finish_non_exhaustive()
    }
}
