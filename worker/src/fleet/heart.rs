//! The heartbeat. It runs apart from the work: slow work must not lose leases, but a stuck coordinator must.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::aws::date::{ServerDate, seconds_ahead};
use crate::clock::{Clock, MOST_WRONG_SECONDS};
use crate::control::active_rules::ActiveRules;
use crate::control::table::{Beat, ControlTable, Heartbeat};
use crate::fleet::parts::Parts;
use crate::lease::fleet_view::FleetView;
use crate::lease::guard::Validity;
use crate::metrics::trouble::Trouble;
use crate::metrics::{Metrics, Service};

/// A holder stops this much before its peers may take over: nine tenths of the lease, for clocks that drift apart.
const HOLDER_TENTHS: u32 = 9;
/// The pause before a failed heartbeat is retried.
pub(super) const BEAT_AGAIN: Duration = Duration::from_millis(500);

/// From this many seconds on the worker warns that its clock is wrong.
const TOLD_SECONDS: u64 = 30;
/// This many heartbeats in a row must show it: one response may be a proxy's, or precede a correction of the clock.
const LOOKS: u32 = 3;

/// This machine's clock is too wrong to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this machine's clock is {seconds} s {direction} AWS's; at most {MOST_WRONG_SECONDS} s are accepted: synchronize it \
     (chrony or another NTP client), then start the worker again"
)]
pub(super) struct WrongClock {
    seconds: u64,
    direction: &'static str,
}

/// Writes the heartbeat, and moves this worker's right to act on with it.
#[derive(Debug)]
pub(super) struct Heart {
    control_table: ControlTable,
    clock: Clock,
    rules: ActiveRules,
    metrics: Metrics,
    view: FleetView,
    me: String,
    lease: Duration,
    /// Until when this worker may act.
    pub(super) validity: Validity,
    /// When the coordinator last looked at the fleet.
    pub(super) last_round: Arc<Mutex<Instant>>,
    started: Instant,
    /// The last beat's.
    counter: i64,
    /// The counter that an edit by hand left in its place.
    edited: Option<AttributeValue>,
    trouble: Trouble,
    /// Heartbeats in a row whose response showed a clock that is too wrong.
    wrong_looks: u32,
    /// Whether the wrong clock was logged.
    told: bool,
}

impl Heart {
    /// The heart of the worker `me`, which starts now and has not sent a heartbeat yet.
    pub(super) fn new(parts: &Parts, me: &str, lease: Duration) -> Heart {
        Heart {
            control_table: parts.control_table.clone(),
            clock: parts.clock.clone(),
            rules: parts.automation.rules.clone(),
            metrics: parts.metrics.clone(),
            view: parts.fleet.clone(),
            me: me.to_owned(),
            lease,
            validity: Validity::until(Instant::now()),
            last_round: Arc::new(Mutex::new(Instant::now())),
            started: Instant::now(),
            counter: 0,
            edited: None,
            trouble: Trouble::default(),
            wrong_looks: 0,
            told: false,
        }
    }

    /// Sends heartbeats until dropped. Announces at once that the worker leaves.
    ///
    /// # Errors
    ///
    /// [`WrongClock`].
    pub(super) async fn run(mut self, leave: CancellationToken) -> Result<(), WrongClock> {
        loop {
            let leaving = leave.is_cancelled();
            let pause = if self.is_stuck() {
                error!("the coordinator has been stuck for {:?}; heartbeat stopped", self.lease * 2);
                self.lease / 3
            } else if self.beat(leaving).await? {
                self.lease / 3
            } else {
                BEAT_AGAIN
            };
            tokio::select! {
                // Peers learn that the worker leaves before the next heartbeat is due.
                biased;
                () = leave.cancelled(), if !leaving => {}
                () = sleep(pause) => {}
            }
        }
    }

    fn is_stuck(&self) -> bool {
        self.last_round.lock().expect("no holder of the time panics").elapsed() > self.lease * 2
    }

    /// One heartbeat; the right to act counts from before it was sent. Returns whether it was written and the clock is
    /// right enough.
    ///
    /// # Errors
    ///
    /// [`WrongClock`] when this happens for the third time in a row.
    pub(super) async fn beat(&mut self, leaving: bool) -> Result<bool, WrongClock> {
        let (sent, sent_wall) = (Instant::now(), self.clock.now());
        // Never the same twice: peers may have seen a heartbeat whose response was lost, and must see the next move.
        self.counter += 1;
        let beat = Heartbeat {
            worker: self.me.clone(),
            counter: self.counter,
            leaving,
            ruleset: self.rules.pin().label(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime: Some(sent - self.started),
            report: self.view.report(),
        };
        let date = ServerDate::default();
        let answer = self.control_table.beat(&beat, sent_wall, self.edited.as_ref(), &date).await;
        let is_right = self.look_at_clock(sent_wall.as_second(), date.seconds())?;
        match answer {
            Ok(Beat::Written) => {
                self.trouble.answered();
                self.edited = None;
                self.validity.extend(sent + self.lease * HOLDER_TENTHS / 10);
                Ok(is_right)
            }
            Ok(Beat::Edited(counter)) => {
                warn!("the heartbeat was edited by hand; writing over it");
                self.edited = Some(counter);
                Ok(false)
            }
            Err(fault) => {
                self.trouble.failed(fault.class, &self.metrics, Service::Control);
                warn!(error = %fault, "heartbeat not written: {fault}; retrying");
                Ok(false)
            }
        }
    }

    /// Whether this machine's clock is right enough, as far as a response's date shows it.
    fn look_at_clock(&mut self, sent: i64, date: Option<i64>) -> Result<bool, WrongClock> {
        let Some(date) = date else { return Ok(self.wrong_looks == 0) };
        let ahead = seconds_ahead(sent, date, self.clock.now().as_second());
        let seconds = ahead.unsigned_abs();
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        let is_far = seconds > TOLD_SECONDS;
        if is_far && !self.told {
            warn!(ahead_s = ahead, "this machine's clock is {seconds} s {direction} AWS's; synchronize it");
        }
        self.told = is_far;
        if seconds <= MOST_WRONG_SECONDS.into() {
            self.wrong_looks = 0;
            return Ok(true);
        }
        self.wrong_looks += 1;
        if self.wrong_looks >= LOOKS { Err(WrongClock { seconds, direction }) } else { Ok(false) }
    }
}
