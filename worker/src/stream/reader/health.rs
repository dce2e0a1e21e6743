//! Whether a shard is read, as metrics and log show it: a stall must not look like an idle shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodbstreams::types::Record;
use tokio::time::Instant;
use tracing::{error, warn};

use crate::aws::{Class, Fault};
use crate::metrics::Service;
use crate::stream::reader::Reader;

/// Empty pages in a row before a shard counts as read to its tip: one may stand before records.
const EMPTY_PAGES: u32 = 4;
/// For how long reads may fail before that counts as a fault of the stream.
const TOO_LONG: Duration = Duration::from_secs(30);

/// How far reading is behind.
#[derive(Debug)]
pub(super) struct Health {
    /// Age of the newest record read in seconds, and the time since a read succeeded.
    lag: Arc<AtomicI64>,
    /// `lag` when a read last succeeded, and when that was.
    last_read: (i64, Instant),
    empty_pages: u32,
}

impl Health {
    pub(super) fn new(lag: Arc<AtomicI64>) -> Health {
        Health { lag, last_read: (0, Instant::now()), empty_pages: 0 }
    }

    /// A page came, at `now` (epoch seconds).
    pub(super) fn read(&mut self, records: &[Record], now: i64) {
        let newest = records
            .iter()
            .filter_map(|record| record.dynamodb()?.approximate_creation_date_time())
            .map(aws_smithy_types::DateTime::secs)
            .max();
        self.empty_pages = if newest.is_some() { 0 } else { self.empty_pages.saturating_add(1) };
        let lag = match newest {
            Some(newest) => (now - newest).max(0),
            None if self.empty_pages < EMPTY_PAGES => self.last_read.0,
            None => 0,
        };
        self.last_read = (lag, Instant::now());
        self.lag.store(lag, Ordering::Relaxed);
    }

    /// A read failed; tells for how long reads have.
    fn failed(&self) -> Duration {
        let (lag, since) = self.last_read;
        let seconds = i64::try_from(since.elapsed().as_secs()).unwrap_or(i64::MAX);
        self.lag.store(lag.saturating_add(seconds), Ordering::Relaxed);
        since.elapsed()
    }
}

impl Reader {
    pub(super) fn failed(&self, fault: &Fault) {
        let (shard, metrics) = (&self.shard, &self.parts.pipeline.metrics);
        let unread = self.health.failed();
        match fault.class {
            Class::Systemic | Class::Refused => {
                metrics.systemic_fault(Service::Stream);
                error!(shard, error = %fault, "shard {shard}: {fault}; reading pauses");
            }
            Class::Throttled | Class::Transient if unread > TOO_LONG => {
                metrics.systemic_fault(Service::Stream);
                error!(shard, error = %fault, "shard {shard}: {fault}; nothing read for {} s", unread.as_secs());
            }
            Class::Throttled | Class::Transient => {
                warn!(shard, error = %fault, "shard {shard}: {fault}; again")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodbstreams::types::StreamRecord;

    use super::*;

    fn record(second: i64) -> Record {
        let at = aws_smithy_types::DateTime::from_secs(second);
        let change = StreamRecord::builder().approximate_creation_date_time(at).build();
        Record::builder().dynamodb(change).build()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_grows_and_an_idle_shard_does_not() {
        let lag = Arc::new(AtomicI64::new(0));
        let mut health = Health::new(Arc::clone(&lag));
        health.read(&[record(70), record(90)], 100);
        assert_eq!(lag.load(Ordering::Relaxed), 10);
        for seen in [10, 10, 10, 0, 0] {
            health.read(&[], 100);
            assert_eq!(lag.load(Ordering::Relaxed), seen);
        }
        health.read(&[record(95)], 100);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!((health.failed().as_secs(), lag.load(Ordering::Relaxed)), (60, 65));
        health.read(&[record(160)], 161);
        assert_eq!(lag.load(Ordering::Relaxed), 1);
    }
}
