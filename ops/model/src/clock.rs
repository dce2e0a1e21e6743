//! The world's wall clock: tokio's clock, which tests pause, with a fixed start date.

use std::time::Duration;

use tokio::time::Instant;

/// The time at which every world begins: 2026-11-22T00:00:00Z, in milliseconds since the epoch.
pub const EPOCH_MS: u64 = 1_795_305_600_000;

/// The world's wall time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
    start_ms: u64,
}

impl Clock {
    /// A clock that shows a wall time now.
    pub(super) fn start(start_ms: u64) -> Clock {
        Clock { start: Instant::now(), start_ms }
    }

    /// Milliseconds since the epoch.
    pub(super) fn now_ms(self) -> u64 {
        self.start_ms.saturating_add(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The instant at a wall time, for sleeping until then.
    pub(super) fn instant(self, wall_ms: u64) -> Instant {
        self.start + Duration::from_millis(wall_ms.saturating_sub(self.start_ms))
    }
}

/// Seconds since the epoch as AWS JSON writes them, with milliseconds.
pub(super) fn epoch_seconds(wall_ms: u64) -> serde_json::Value {
    let text = format!("{}.{:03}", wall_ms / 1_000, wall_ms % 1_000);
    serde_json::from_str(&text).expect("a decimal number is JSON")
}

/// RFC 3339 in UTC with milliseconds.
///
/// # Panics
///
/// After the year 9999, which no test reaches.
pub fn rfc3339(wall_ms: u64) -> String {
    let millis = i64::try_from(wall_ms).expect("virtual time stays before the year 9999");
    let text = jiff::Timestamp::from_millisecond(millis).expect("virtual time stays before the year 9999");
    format!("{text:.3}")
}
