//! One worker's heartbeat.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::clock::Clock;
use crate::control::active_rules::ActiveRules;
use crate::control::table::{ControlTable, Heartbeat};
use crate::fleet::parts::Parts;
use crate::lease::guard::Validity;
use crate::metrics::trouble::Trouble;
use crate::metrics::{Metrics, Service};

/// A holder stops this much before its peers may take over: a ninth tenth of the lease, for clocks that drift apart.
const HOLDER_TENTHS: u32 = 9;
/// Between two tries of a heartbeat that was not answered.
pub(super) const BEAT_AGAIN: Duration = Duration::from_millis(500);

/// The heartbeat, apart from the work: slow work must not lose leases, and a stuck coordinator must.
#[derive(Debug)]
pub(super) struct Heart {
    control_table: ControlTable,
    rules: ActiveRules,
    metrics: Metrics,
    clock: Clock,
    me: String,
    lease: Duration,
    /// Until when this worker may act.
    pub(super) validity: Validity,
    /// When the coordinator last looked at the fleet.
    pub(super) last_round: Arc<Mutex<Instant>>,
    /// The last beat's.
    counter: i64,
    trouble: Trouble,
}

impl Heart {
    /// A heart that has not beaten yet, of the worker `me`.
    pub(super) fn new(parts: &Parts, me: &str, lease: Duration) -> Heart {
        Heart {
            control_table: parts.control_table.clone(),
            rules: parts.automation.rules.clone(),
            metrics: parts.metrics.clone(),
            clock: parts.clock.clone(),
            me: me.to_owned(),
            lease,
            validity: Validity::until(Instant::now()),
            last_round: Arc::new(Mutex::new(Instant::now())),
            counter: 0,
            trouble: Trouble::default(),
        }
    }

    /// Beats until dropped. Says so at once when the worker leaves.
    pub(super) async fn run(mut self, leave: CancellationToken) {
        loop {
            let leaving = leave.is_cancelled();
            let pause = if self.is_stuck() {
                error!("no look at the fleet ended for {:?}: this worker gives its leases up", self.lease);
                self.lease / 3
            } else if self.beat(leaving).await {
                self.lease / 3
            } else {
                BEAT_AGAIN
            };
            tokio::select! {
                // Leaving is told to the peers before the next beat is due.
                biased;
                () = leave.cancelled(), if !leaving => {}
                () = sleep(pause) => {}
            }
        }
    }

    fn is_stuck(&self) -> bool {
        self.last_round.lock().expect("no holder of the time panics").elapsed() > self.lease * 2
    }

    /// One beat; the right to act counts from before it was sent.
    pub(super) async fn beat(&mut self, leaving: bool) -> bool {
        let sent = Instant::now();
        // Never the same twice: a beat whose answer was lost was seen, and the next one must be seen to move.
        self.counter += 1;
        let beat = Heartbeat {
            worker: self.me.clone(),
            counter: self.counter,
            leaving,
            ruleset: self.rules.pin().label(),
        };
        match self.control_table.beat(&beat, self.clock.now()).await {
            Ok(()) => {
                self.trouble.answered();
                self.validity.extend(sent + self.lease * HOLDER_TENTHS / 10);
                true
            }
            Err(fault) => {
                self.trouble.failed(fault.class, &self.metrics, Service::Control);
                warn!(error = %fault, "the heartbeat is not written: {fault}");
                false
            }
        }
    }
}
