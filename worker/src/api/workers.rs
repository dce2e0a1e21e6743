//! The fleet in `GET /v1/status`: who is heard of, and who holds what.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::lease::fleet_view::{Look, Worker};

/// The fleet as the answering worker last saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkersView {
    /// The worker that answers.
    pub answering: String,
    /// How long ago it looked, in seconds. It looks once a second: more shows that the control table does not answer.
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
    /// How long it had been up by then, in seconds; none if it does not tell.
    pub up_seconds: Option<u64>,
    /// Shards that it holds.
    pub shards: usize,
    /// Buckets of the worklists that it holds.
    pub buckets: usize,
    /// The ruleset it decides with.
    pub ruleset: String,
}

/// Whether a worker works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WorkerState {
    /// It works.
    Live,
    /// Up for less than a lease's time: beside established workers it takes nothing yet.
    New,
    /// It drains.
    Leaving,
    /// Its heartbeat stands still: what it holds is taken over.
    Dead,
}

impl WorkersView {
    /// What a look shows at `now`.
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
