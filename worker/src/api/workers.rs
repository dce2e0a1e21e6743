//! The fleet in `GET /v1/status`: its workers and their leases.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::lease::fleet_view::{Look, Worker};
use crate::metrics::arrivals::Stored;
use crate::metrics::counts::Counts;
use crate::metrics::report::Report;

/// The fleet as the responding worker last saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Fleet)]
#[serde(rename_all = "camelCase")]
pub struct WorkersView {
    /// The worker that responds.
    pub answering: String,
    /// How long ago it read the fleet, in seconds. More than about 1 means that the table does not respond.
    pub seen_seconds_ago: u64,
    /// The time of this response, in epoch seconds: what the times of the counts are to be compared with.
    #[serde(default)]
    pub now: i64,
    /// What waits and what was done today, over the fleet: the counts of all workers that work.
    #[serde(default)]
    pub counts: Counts,
    /// Whether new tasks come from the stream, as the worker says that lists it; none if no worker says so.
    #[serde(default)]
    pub stream_on: Option<bool>,
    /// The tasks that ingest stored in the last hour, by the stream's records; none if no worker says so.
    #[serde(default)]
    pub stored: Option<Stored>,
    /// Undecided tasks that were found expired, by what they waited for and why, since these workers started.
    #[serde(default)]
    pub expired: BTreeMap<String, u64>,
    /// The shards of the stream that can be read.
    #[serde(default)]
    pub shards: Vec<ShardView>,
    /// Every worker that has a heartbeat in the control table, by name.
    pub workers: Vec<WorkerView>,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Worker)]
#[serde(rename_all = "camelCase")]
pub struct WorkerView {
    /// Its name.
    pub worker: String,
    /// Whether it works.
    pub state: WorkerState,
    /// How long ago its last heartbeat was seen, in seconds.
    pub heard_seconds_ago: u64,
    /// Its uptime at that time, in seconds; none if it does not report it.
    pub up_seconds: Option<u64>,
    /// Shards that it holds.
    pub shards: usize,
    /// Buckets of the worklists that it holds.
    pub buckets: usize,
    /// Its active ruleset.
    pub ruleset: String,
    /// What it told of itself with its last heartbeat; none from an older version.
    #[serde(default)]
    pub report: Option<Report>,
}

/// One shard of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Shard)]
#[serde(rename_all = "camelCase")]
pub struct ShardView {
    /// Its id.
    pub shard: String,
    /// The worker that holds it, dead or alive; none if it is free.
    pub worker: Option<String>,
    /// How old the newest record is that its worker has read, in seconds; none if that is not known. A worker tells
    /// this of its shards that are furthest behind; the others are at most as far behind as it says of itself.
    pub behind_seconds: Option<i64>,
}

/// Whether a worker works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum WorkerState {
    /// It works.
    Live,
    /// Up for less than a lease's time: while there are established workers it takes no lease yet.
    New,
    /// It drains.
    Leaving,
    /// Its heartbeat has stopped: its leases are taken over.
    Dead,
}

impl WorkersView {
    /// The response for one reading of the fleet, at `now`, which is `wall` in epoch seconds.
    pub fn of(look: Look, now: Instant, wall: i64) -> WorkersView {
        let mut view = WorkersView {
            answering: look.me,
            seen_seconds_ago: (now - look.at).as_secs(),
            now: wall,
            counts: Counts::default(),
            stream_on: None,
            stored: None,
            expired: BTreeMap::new(),
            shards: vec![],
            workers: vec![],
        };
        // Judged at the time of the reading: what was known then is still told if nothing can be read since.
        let works = |worker: &&Worker| look.at.saturating_duration_since(worker.moved) < look.lease;
        let told = look.workers.iter().filter(works);
        told.filter_map(|worker| worker.beat.report.as_ref()).for_each(|report| view.add(report));
        let shards = look.shards.into_iter();
        view.shards = shards.map(|(shard, worker)| shard_view(shard, worker, &look.workers)).collect();
        view.workers = look.workers.into_iter().map(|worker| self::view(worker, look.lease, now)).collect();
        view
    }

    fn add(&mut self, report: &Report) {
        self.counts.add(&report.counts);
        self.stream_on = self.stream_on.or(report.stream_on);
        if let Some(stored) = &report.stored {
            self.stored.get_or_insert_default().add(stored);
        }
        for (why, count) in &report.expired {
            *self.expired.entry(why.clone()).or_default() += count;
        }
    }
}

fn shard_view(shard: String, worker: Option<String>, workers: &[Worker]) -> ShardView {
    let holder = workers.iter().find(|of| Some(&of.beat.worker) == worker.as_ref());
    let report = holder.and_then(|of| of.beat.report.as_ref());
    let behind_seconds = report.and_then(|report| report.shards_behind.get(&shard).copied());
    ShardView { shard, worker, behind_seconds }
}

fn view(worker: Worker, lease: Duration, now: Instant) -> WorkerView {
    let Worker { beat, moved, shards, buckets } = worker;
    let heard = now - moved;
    let state = if heard >= lease {
        WorkerState::Dead
    } else if beat.leaving {
        WorkerState::Leaving
    } else if beat.uptime.is_some_and(|uptime| uptime < lease) {
        WorkerState::New
    } else {
        WorkerState::Live
    };
    WorkerView {
        worker: beat.worker,
        state,
        heard_seconds_ago: heard.as_secs(),
        up_seconds: beat.uptime.map(|uptime| uptime.as_secs()),
        shards,
        buckets,
        ruleset: beat.ruleset,
        report: beat.report,
    }
}
