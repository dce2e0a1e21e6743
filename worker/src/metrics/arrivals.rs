//! When tasks were stored, and how long after they were sent, by the stream's records: what a worker knows of ingest.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// From a second to the four hours for which SQS delivers a message again.
const BUCKETS: [f64; 7] = [1.0, 5.0, 15.0, 60.0, 600.0, 3_600.0, 14_400.0];
const MINUTES_REMEMBERED: i64 = 60;

/// The delays of all stored tasks, and those of the last hour by minute. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Arrivals {
    delays: Histogram,
    minutes: Arc<Mutex<BTreeMap<i64, Stored>>>,
}

/// The tasks that were stored in some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Stored {
    /// How many.
    pub tasks: u64,
    /// When the last of them was stored, in epoch seconds.
    pub last: Option<i64>,
    /// The longest time from sending a message to storing its task, in seconds.
    pub slowest_seconds: i64,
}

impl Stored {
    /// Adds other tasks.
    pub fn add(&mut self, other: &Stored) {
        self.tasks = self.tasks.saturating_add(other.tasks);
        self.last = self.last.max(other.last);
        self.slowest_seconds = self.slowest_seconds.max(other.slowest_seconds);
    }
}

impl Default for Arrivals {
    fn default() -> Arrivals {
        Arrivals { delays: Histogram::new(BUCKETS), minutes: Arc::default() }
    }
}

impl Arrivals {
    /// Notes a task whose message was `sent`, and which was `stored` (both in epoch seconds).
    #[expect(clippy::cast_precision_loss, reason = "exact for 285 million years")]
    pub(super) fn note(&self, sent: i64, stored: i64) {
        let delay = stored.saturating_sub(sent).max(0);
        self.delays.observe(delay as f64);
        let mut minutes = self.minutes.lock().expect("no holder of the minutes panics");
        let one = Stored { tasks: 1, last: Some(stored), slowest_seconds: delay };
        minutes.entry(stored.div_euclid(60)).or_default().add(&one);
        while minutes.len() > usize::try_from(MINUTES_REMEMBERED).unwrap_or(usize::MAX) {
            minutes.pop_first();
        }
    }

    /// The tasks that were stored within the hour before `now`, to the minute.
    pub(super) fn last_hour(&self, now: i64) -> Stored {
        let mut all = Stored::default();
        let minutes = self.minutes.lock().expect("no holder of the minutes panics");
        let first = now.div_euclid(60) - MINUTES_REMEMBERED + 1;
        minutes.range(first..).for_each(|(_, stored)| all.add(stored));
        all
    }
}

impl EncodeMetric for Arrivals {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.delays.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hour_is_remembered_and_no_more() {
        let arrivals = Arrivals::default();
        assert_eq!(arrivals.last_hour(0), Stored::default());
        for minute in 0..200 {
            arrivals.note(minute * 60, minute * 60 + minute % 7);
            arrivals.note(minute * 60, minute * 60);
        }
        let now = 199 * 60 + 30;
        let expected = Stored { tasks: 120, last: Some(199 * 60 + 3), slowest_seconds: 6 };
        assert_eq!(arrivals.last_hour(now), expected);
        assert_eq!(arrivals.last_hour(now + 59 * 60).tasks, 2);
        assert_eq!(arrivals.last_hour(now + 3_600), Stored::default());
        assert!(arrivals.minutes.lock().unwrap().len() <= 60);
    }

    #[test]
    fn a_clock_that_is_ahead_of_the_stream_s_is_no_delay() {
        let arrivals = Arrivals::default();
        arrivals.note(101, 100);
        assert_eq!(arrivals.last_hour(100), Stored { tasks: 1, last: Some(100), slowest_seconds: 0 });
    }
}
