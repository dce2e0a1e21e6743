//! What the whole fleet obeys: which ruleset decides, which one is tried beside it, and whether rules decide at all.
//!
//! One item of the control table says it; every worker reads it twice a second, consistently. A worker that has not
//! read it within two seconds starts no automatic decision: it holds, it does not escalate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::aws::attribute::text;
use crate::aws::attribute::{number_of, text_of};
use crate::aws::fault::{Fault, Resource};
use crate::control::table::{ControlTable, PK, SK};
use crate::metrics::trouble::Trouble;
use crate::metrics::{Metrics, Service};

/// How often the item is read.
const READ_EVERY: Duration = Duration::from_millis(500);
/// How old the last read may be when an automatic decision starts: a pause and a new ruleset hold within two seconds.
const FRESH: Duration = Duration::from_millis(1_900);

/// The partition and sort key of the item.
pub(crate) const ITEM: &str = "control";

/// The control item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlItem {
    /// +1 each write; every change is conditioned on it.
    pub revision: i64,
    /// The published ruleset that decides, by SHA-256; none before the first publication.
    pub active: Option<String>,
    /// The published ruleset that is tried beside it.
    pub shadow: Option<String>,
    /// Why automatic decisions are paused, if they are.
    pub paused: Option<Paused>,
}

/// A pause of all automatic decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Why, in the words of who paused.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
}

/// Whether a rule may decide now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permit {
    /// Yes.
    Automatic,
    /// No: every task goes to a person, with this cause.
    Paused(Paused),
    /// Nobody knows: hold.
    Unknown,
}

/// The control item as this process last read it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Mutex<Option<Seen>>>);

#[derive(Debug, Clone)]
struct Seen {
    control: ControlItem,
    /// From before the read was sent.
    at: Instant,
}

impl Gate {
    /// Whether a rule may decide now.
    pub fn permit(&self) -> Permit {
        match &*self.lock() {
            Some(seen) if seen.at.elapsed() <= FRESH => match &seen.control.paused {
                None => Permit::Automatic,
                Some(paused) => Permit::Paused(paused.clone()),
            },
            Some(_) | None => Permit::Unknown,
        }
    }

    /// The item as last read, however old.
    pub fn last_seen(&self) -> Option<ControlItem> {
        self.lock().as_ref().map(|seen| seen.control.clone())
    }

    /// Whether a set may decide for a fleet that follows the published one: it is the very one that the item names. A
    /// worker that has not loaded it yet holds.
    pub fn is_wanted(&self, sha256: &str) -> bool {
        self.lock().as_ref().is_some_and(|seen| seen.control.active.as_deref() == Some(sha256))
    }

    fn see(&self, control: ControlItem, at: Instant) {
        *self.lock() = Some(Seen { control, at });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Seen>> {
        self.0.lock().expect("no holder of the gate panics")
    }
}

/// Reads the item until dropped.
pub async fn follow(
    table: ControlTable,
    gate: Gate,
    metrics: Metrics,
    changed: tokio::sync::watch::Sender<ControlItem>,
) {
    let mut reads = interval(READ_EVERY);
    let mut trouble = Trouble::default();
    reads.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        reads.tick().await;
        let sent = Instant::now();
        match table.read_control_item().await {
            Ok(control) => {
                trouble.answered();
                let before = gate.last_seen();
                gate.see(control.clone(), sent);
                if before.as_ref().map(|before| &before.paused) != Some(&control.paused) {
                    tell(&control);
                }
                changed.send_if_modified(|current| {
                    let differs = *current != control;
                    *current = control;
                    differs
                });
            }
            Err(fault) => {
                trouble.failed(fault.class, &metrics, Service::Control);
                warn!(error = %fault, "the control item is not read, automatic decisions hold: {fault}");
            }
        }
        let held = gate.permit() != Permit::Automatic;
        metrics.automation_held.set(i64::from(held));
    }
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
        None => info!("automatic decisions run"),
    }
}

impl ControlTable {
    /// Reads the control item, consistently. Absent, it is the default: automatic, no published ruleset.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the table does not answer.
    pub async fn read_control_item(&self) -> Result<ControlItem, Fault> {
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PK, text(ITEM))
            .key(SK, text(ITEM))
            .consistent_read(true);
        let answer = request.send().await.map_err(|error| Fault::of("GetItem", self.resource(), &error))?;
        answer.item().map_or(Ok(ControlItem::default()), |item| read(item, &self.name))
    }
}

/// An item that cannot be read must not look like the default: that would undo a pause.
fn read(item: &HashMap<String, AttributeValue>, table: &str) -> Result<ControlItem, Fault> {
    let unreadable = |what| Fault::unreadable("GetItem", Resource::Control(table.to_owned()), what);
    let paused = match text_of(item, "paused") {
        None => None,
        Some(json) => Some(serde_json::from_str(&json).map_err(|_| unreadable("a readable pause"))?),
    };
    Ok(ControlItem {
        revision: number_of(item, "revision").ok_or_else(|| unreadable("a revision"))?,
        active: text_of(item, "active"),
        shadow: text_of(item, "shadow"),
        paused,
    })
}
