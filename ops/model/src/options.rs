//! How this world behaves where AWS promises nothing: lags, pages, limits. The defaults are mild; a seed can make them
//! wild.

use rand::Rng as _;
use rand::rngs::SmallRng;

use super::bucket::Rate;

/// Settings of a world.
#[derive(Debug, Clone)]
pub struct Options {
    /// The shortest and the longest time of a request, from sending to the response, in milliseconds.
    pub latency_ms: (u64, u64),
    /// The most by which an eventually consistent read lags behind its table, in milliseconds.
    pub read_lag_ms: u64,
    /// The most by which an index lags behind its table, in milliseconds.
    pub index_lag_ms: u64,
    /// The longest time until a stream record becomes visible, in milliseconds.
    pub stream_lag_ms: u64,
    /// The longest time until a child shard is listed, in milliseconds.
    pub listing_lag_ms: u64,
    /// The longest time for which a closed shard still looks open, in milliseconds.
    pub close_lag_ms: u64,
    /// The number of shards of a new stream.
    pub shards: u32,
    /// The most shards in a page of DescribeStream; never more than 100.
    pub describe_page: usize,
    /// How often a page is empty although more records follow, in percent.
    pub empty_page_percent: u8,
    /// How often an extra empty page follows the last records of a closed shard, in percent.
    pub empty_last_page_percent: u8,
    /// Whether shards that are gone stay in the listings.
    pub lists_dead_shards: bool,
    /// The most simultaneous readers of a shard.
    pub readers_per_shard: usize,
    /// The rate of GetRecords, for each shard.
    pub get_records: Rate,
    /// The rate of DescribeStream, for the account.
    pub describe_stream: Rate,
    /// The rates of SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat, for each of them.
    pub send_task: Rate,
    /// The rate of DescribeExecution.
    pub describe_execution: Rate,
    /// The rate of GetExecutionHistory.
    pub get_execution_history: Rate,
    /// The shortest that a token is, in characters.
    pub token_chars: usize,
    /// The most by which DescribeExecution and GetExecutionHistory lag behind, in milliseconds.
    pub execution_lag_ms: u64,
    /// How often the response for a closed token is TaskDoesNotExist instead of TaskTimedOut, in percent.
    pub task_does_not_exist_percent: u8,
    /// The longest time from the end of an execution until its event is in the queue, in milliseconds.
    pub event_lag_ms: u64,
    /// How often such an event is delivered twice, in percent.
    pub duplicate_event_percent: u8,
    /// Whether the world keeps all events for [`super::World::events`].
    pub keeps_events: bool,
}

impl Default for Options {
    /// A fast and consistent world with the quotas of a large region.
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
            token_chars: 0,
            execution_lag_ms: 0,
            task_does_not_exist_percent: 0,
            event_lag_ms: 0,
            duplicate_event_percent: 0,
            keeps_events: true,
        }
    }
}

impl Options {
    /// A world that uses every freedom that AWS has; the seed determines how much of each.
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
