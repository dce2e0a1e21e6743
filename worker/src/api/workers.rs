//! The fleet in `GET /v1/status`: its workers and their leases.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::lease::fleet_view::{Look, Worker};

/// The fleet as the responding worker last saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkersView {
    /// The worker that responds.
    pub answering: String,
    /// How long ago it read the fleet, in seconds. More than about 1 means that the table does not respond.
    pub seen_seconds_ago: u64,
    /// Every worker that has a heartbeat in the control table, by name.
    pub workers: Vec<WorkerView>,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// Whether a worker works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The response for one reading of the fleet, at `now`.
    pub fn of(look: Look, now: Instant) -> WorkersView {
        let workers = look.workers.into_iter().map(|worker| view(worker, look.lease, now)).collect();
        WorkersView { answering: look.me, seen_seconds_ago: (now - look.at).as_secs(), workers }
    }
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
    }
}
