//! Whether rules may decide, as this worker last read it from the control item.
//!
//! Every worker reads the item twice a second, consistently. A worker that has not read it for two seconds, or cannot
//! understand it, starts no automatic decision: it holds the tasks and does not escalate them.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_stream::wrappers::IntervalStream;
use tracing::{error, info, warn};

use crate::aws::fault::{Class, Fault};
use crate::control::item::ControlError;
pub use crate::control::item::{ControlItem, Paused};
use crate::control::table::ControlTable;
use crate::metrics::trouble::Trouble;
use crate::metrics::{Metrics, Service};

/// How often the item is read.
const READ_EVERY: Duration = Duration::from_millis(500);
/// How old the last read may be when an automatic decision starts, so that a pause takes effect within two seconds.
const FRESH: Duration = Duration::from_millis(1_900);

/// Whether a rule may decide now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permit {
    /// Yes.
    Automatic,
    /// No: every task goes to a person, with this cause.
    Paused(Paused),
    /// Unknown: hold the task.
    Unknown,
}

/// The control item as this process last read it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Mutex<Reads>>);

#[derive(Debug, Default)]
struct Reads {
    /// The last item that was readable.
    last: Option<Seen>,
    /// Why the item is unreadable, if it was edited or deleted by hand since.
    damage: Option<String>,
}

#[derive(Debug)]
struct Seen {
    control: ControlItem,
    /// From before the read was sent.
    at: Instant,
}

impl Gate {
    /// Whether a rule may decide now.
    pub fn permit(&self) -> Permit {
        let reads = self.lock();
        match &reads.last {
            Some(seen) if reads.damage.is_none() && seen.at.elapsed() <= FRESH => {
                match &seen.control.paused {
                    None => Permit::Automatic,
                    Some(paused) => Permit::Paused(paused.clone()),
                }
            }
            Some(_) | None => Permit::Unknown,
        }
    }

    /// The item as last read, however old.
    pub fn last_seen(&self) -> Option<ControlItem> {
        self.lock().last.as_ref().map(|seen| seen.control.clone())
    }

    /// The age of the last read; none before the first.
    pub fn age(&self) -> Option<Duration> {
        self.lock().last.as_ref().map(|seen| seen.at.elapsed())
    }

    /// Why the item is unreadable, if it was edited or deleted by hand.
    pub fn damage(&self) -> Option<String> {
        self.lock().damage.clone()
    }

    /// Whether a ruleset may decide in a fleet that follows the published one: only if the item names it. A worker that
    /// has not loaded that one yet holds its tasks.
    pub fn is_wanted(&self, sha256: &str) -> bool {
        self.lock().last.as_ref().is_some_and(|seen| seen.control.active.as_deref() == Some(sha256))
    }

    /// An item that was there and is missing now does not count as the default item: somebody deleted it.
    fn check(&self, control: ControlItem) -> Result<ControlItem, ControlError> {
        let had_one = self.lock().last.as_ref().is_some_and(|seen| seen.control.revision > 0);
        if had_one && control.revision == 0 { Err(ControlError::Vanished) } else { Ok(control) }
    }

    fn see(&self, control: ControlItem, at: Instant) {
        *self.lock() = Reads { last: Some(Seen { control, at }), damage: None };
    }

    /// Notes damage; returns whether it is new.
    fn see_damage(&self, damage: &ControlError) -> bool {
        let damage = damage.to_string();
        self.lock().damage.replace(damage.clone()) != Some(damage)
    }

    /// When the last read becomes too old.
    fn fresh_until(&self) -> Instant {
        self.lock().last.as_ref().map_or_else(Instant::now, |seen| seen.at + FRESH)
    }

    fn lock(&self) -> MutexGuard<'_, Reads> {
        self.0.lock().expect("no holder of the gate panics")
    }
}

/// Reads the item until dropped.
pub async fn follow(table: ControlTable, gate: Gate, metrics: Metrics, changed: watch::Sender<ControlItem>) {
    let mut ticks = interval(READ_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reads =
        IntervalStream::new(ticks).then(async |_| (Instant::now(), read(&table, &gate, &metrics).await));
    let mut reads = pin!(reads);
    let mut trouble = Trouble::default();
    while let Some((sent, read)) = reads.next().await {
        match read {
            Ok(control) => {
                trouble.answered();
                let is_new = gate.damage().is_some()
                    || gate.last_seen().is_none_or(|before| before.paused != control.paused);
                gate.see(control.clone(), sent);
                if is_new {
                    tell(&control);
                }
                changed.send_if_modified(|current| {
                    let differs = *current != control;
                    *current = control;
                    differs
                });
            }
            Err(ControlError::Fault(fault)) => {
                trouble.failed(fault.class, &metrics, Service::Control);
                warn!(error = %fault, "cannot read the control item: {fault}; after two seconds automatic decisions are held");
            }
            Err(
                damage @ (ControlError::Unreadable { .. }
                | ControlError::Newer { .. }
                | ControlError::Vanished),
            ) => {
                trouble.answered();
                metrics.systemic_fault(Service::Control);
                if gate.see_damage(&damage) {
                    error!(error = %damage, "automatic decisions are held: {damage}");
                }
            }
        }
        metrics.automation_held.set(i64::from(gate.permit() != Permit::Automatic));
    }
}

/// Reads the item once. A response that takes too long would be out of date, so the read times out. As soon as the last
/// read is too old, the metric shows that rules are held.
async fn read(table: &ControlTable, gate: &Gate, metrics: &Metrics) -> Result<ControlItem, ControlError> {
    let mut read = pin!(timeout(FRESH, table.read_control_item()));
    let read = tokio::select! {
        biased;
        read = &mut read => read,
        () = sleep_until(gate.fresh_until()) => {
            metrics.automation_held.set(1);
            read.await
        }
    };
    let (operation, on, code) = ("GetItem", table.resource(), "no answer in time".to_owned());
    let late = || Fault { operation, on, code, class: Class::Transient };
    gate.check(read.unwrap_or_else(|_| Err(late().into()))?)
}

fn tell(control: &ControlItem) {
    match &control.paused {
        Some(paused) => warn!(
            reason = paused.reason,
            by = paused.by,
            "automatic decisions are paused by {}: {}",
            paused.by,
            paused.reason
        ),
        None => info!("automatic decisions are running"),
    }
}
