//! Wall-clock time as an argument: the system's in production, the simulation's in tests.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// Tells the wall-clock time. Only for what is shown or stored: expiry of leases, pacing and deadlines of work run
/// on tokio's monotonic clock.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Clock {
        Clock(Arc::new(Timestamp::now))
    }

    /// Any other clock, such as one that follows tokio's paused time.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }

    /// The time as it is stored: RFC 3339 in UTC, to the millisecond.
    pub fn now_text(&self) -> String {
        text(self.now())
    }

    /// A new ULID: sorted by time, its 80 random bits from `fastrand`, which the simulation seeds.
    pub fn ulid(&self) -> String {
        let millisecond = u64::try_from(self.now().as_millisecond()).unwrap_or(0);
        ulid::Ulid::from_parts(millisecond, fastrand::u128(..)).to_string()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// By more than this many seconds no machine's clock may be wrong: its worker ends.
pub(crate) const MOST_WRONG_SECONDS: u16 = 300;

/// RFC 3339 in UTC, to the millisecond.
pub fn text(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Milliseconds since the epoch as RFC 3339 in UTC; none beyond the calendar's end.
pub(crate) fn ms_text(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms).ok().map(text)
}

/// Seconds since the epoch as RFC 3339 in UTC; none beyond the calendar's end.
pub(crate) fn second_text(second: i64) -> Option<String> {
    Timestamp::from_second(second).ok().map(|time| time.to_string())
}

/// The day of a time in UTC, `2026-11-22`.
pub fn day(time: Timestamp) -> String {
    let mut text = text(time);
    text.truncate(10);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_documented() {
        let time: Timestamp = "2026-11-22T10:00:00.1239Z".parse().unwrap();
        assert_eq!(text(time), "2026-11-22T10:00:00.123Z");
        assert_eq!(day(time), "2026-11-22");
        let clock = Clock::from_fn(move || time);
        assert_eq!(clock.ulid().len(), 26);
        assert_eq!(&clock.ulid()[..10], &clock.ulid()[..10]);
        assert_ne!(clock.ulid(), clock.ulid());
    }
}
