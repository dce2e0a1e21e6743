//! The fleet as this worker last saw it, for the API.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::control::table::Heartbeat;
use crate::metrics::report::Report;

/// The fleet as this worker's coordinator last saw it, and what this worker tells the others. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct FleetView {
    look: Arc<Mutex<Option<Look>>>,
    report: Arc<Mutex<Option<Report>>>,
}

/// One reading of the heartbeats and the leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When it was read.
    pub at: Instant,
    /// The worker that read it.
    pub me: String,
    /// How long a heartbeat may stand still.
    pub lease: Duration,
    /// Every worker that has a heartbeat, moving or not, by name.
    pub workers: Vec<Worker>,
    /// The shards that can be read, each with the worker that holds it.
    pub shards: Vec<(String, Option<String>)>,
}

/// One worker of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its last heartbeat.
    pub beat: Heartbeat,
    /// When that was first seen.
    pub moved: Instant,
    /// Shards that it holds.
    pub shards: usize,
    /// Buckets of the worklists that it holds.
    pub buckets: usize,
}

impl FleetView {
    /// The last reading; none before the first.
    ///
    /// # Panics
    ///
    /// Never: no holder of the look panics.
    pub fn last(&self) -> Option<Look> {
        self.look.lock().expect("no holder of the look panics").clone()
    }

    /// Replaces the last reading.
    pub(crate) fn see(&self, look: Look) {
        *self.look.lock().expect("no holder of the look panics") = Some(look);
    }

    /// What this worker tells with its next heartbeat; none before its first look.
    pub(crate) fn report(&self) -> Option<Report> {
        self.report.lock().expect("no holder of the report panics").clone()
    }

    /// Replaces what this worker tells.
    pub(crate) fn tell(&self, report: Report) {
        *self.report.lock().expect("no holder of the report panics") = Some(report);
    }
}
