//! How this world behaves where AWS promises nothing: lags, pages, limits. The defaults are quiet; a seed makes them wild.

use rand::Rng as _;
use rand::rngs::SmallRng;

use super::bucket::Rate;

/// Settings of a world.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a request takes from sending to answer at least and at most, in milliseconds.
    pub latency_ms: (u64, u64),
    /// The longest that an eventually consistent read of a table stays behind, in milliseconds.
    pub read_lag_ms: u64,
    /// The longest that an index stays behind its table, in milliseconds.
    pub index_lag_ms: u64,
    /// The longest that a stream record stays unseen, in milliseconds.
    pub stream_lag_ms: u64,
    /// The longest that a child shard stays unlisted, in milliseconds.
    pub listing_lag_ms: u64,
    /// The longest that a closed shard still looks open, in milliseconds.
    pub close_lag_ms: u64,
    /// The shards a stream begins with.
    pub shards: u32,
    /// The most shards of a page of DescribeStream; never more than 100.
    pub describe_page: usize,
    /// How often a page of records is empty although records follow, in percent.
    pub empty_page_percent: u8,
    /// How often the end of a closed shard comes with an empty page after the last records, in percent.
    pub empty_last_page_percent: u8,
    /// Whether a shard that is gone stays in the listings.
    pub lists_dead_shards: bool,
    /// The most readers of a shard at the same time.
    pub readers_per_shard: usize,
    /// GetRecords, for each shard.
    pub get_records: Rate,
    /// DescribeStream, for the account.
    pub describe_stream: Rate,
    /// SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat, for each of them.
    pub send_task: Rate,
    /// DescribeExecution.
    pub describe_execution: Rate,
    /// GetExecutionHistory.
    pub get_execution_history: Rate,
    /// The longest that DescribeExecution and GetExecutionHistory stay behind, in milliseconds.
    pub execution_lag_ms: u64,
    /// How often a closed token is answered TaskDoesNotExist instead of TaskTimedOut, in percent.
    pub task_does_not_exist_percent: u8,
    /// The longest from an execution's end to its event on the queue, in milliseconds.
    pub event_lag_ms: u64,
    /// How often such an event comes twice, in percent.
    pub duplicate_event_percent: u8,
    /// Whether the world keeps every event for [`super::World::events`].
    pub keeps_events: bool,
}

impl Default for Options {
    /// A prompt and consistent world under the quotas of a big region.
    fn default() -> Options {
        Options {
            latency_ms: (2, 2),
            read_lag_ms: 0,
            index_lag_ms: 0,
            stream_lag_ms: 0,
            listing_lag_ms: 0,
            close_lag_ms: 0,
            shards: 1,
            describe_page: 100,
            empty_page_percent: 0,
            empty_last_page_percent: 0,
            lists_dead_shards: false,
            readers_per_shard: 2,
            get_records: Rate { burst: 10, per_second: 10 },
            describe_stream: Rate { burst: 10, per_second: 10 },
            send_task: Rate { burst: 3_000, per_second: 500 },
            describe_execution: Rate { burst: 300, per_second: 15 },
            get_execution_history: Rate { burst: 400, per_second: 20 },
            execution_lag_ms: 0,
            task_does_not_exist_percent: 0,
            event_lag_ms: 0,
            duplicate_event_percent: 0,
            keeps_events: true,
        }
    }
}

impl Options {
    /// A world that uses every freedom AWS has, each to a seeded degree.
    pub fn wild(rng: &mut SmallRng) -> Options {
        Options {
            latency_ms: (1, rng.random_range(2..=60)),
            read_lag_ms: rng.random_range(0..=2_000),
            index_lag_ms: rng.random_range(0..=10_000),
            stream_lag_ms: rng.random_range(0..=1_500),
            listing_lag_ms: rng.random_range(0..=5_000),
            close_lag_ms: rng.random_range(0..=5_000),
            shards: rng.random_range(1..=4),
            describe_page: rng.random_range(1..=5),
            empty_page_percent: rng.random_range(0..=40),
            empty_last_page_percent: rng.random_range(0..=100),
            lists_dead_shards: rng.random_bool(0.5),
            execution_lag_ms: rng.random_range(0..=3_000),
            task_does_not_exist_percent: if rng.random_bool(0.2) { 50 } else { 0 },
            event_lag_ms: rng.random_range(0..=3_000),
            duplicate_event_percent: rng.random_range(0..=20),
            ..Options::default()
        }
    }
}
