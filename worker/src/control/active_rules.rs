//! The active ruleset, and its reload from a folder or from the control table: the last good ruleset always stays.

mod folder;
mod published;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use rules::parts::{Part, PartKind};
use rules::{Refused, Ruleset};
use tokio::time::Instant;
use tracing::{error, warn};

pub use self::folder::follow;
pub use self::published::follow_published;
use crate::metrics::{Metrics, Reload};

/// The active ruleset, shared by all work. A decision uses the ruleset that it pinned, even if another becomes active.
#[derive(Debug, Clone)]
pub struct ActiveRules {
    active: Arc<ArcSwap<Ruleset>>,
    shadow: Arc<ArcSwapOption<Ruleset>>,
    refused: Arc<Mutex<Option<Refused>>>,
    /// What rulesets that were active since the start had, and the active one lacks.
    lacking: Arc<Mutex<BTreeSet<Part>>>,
    /// Since when the wanted ruleset cannot be activated.
    behind: Arc<Mutex<Option<Instant>>>,
}

impl ActiveRules {
    /// Starts with one good ruleset.
    pub fn new(ruleset: impl Into<Arc<Ruleset>>) -> ActiveRules {
        ActiveRules {
            active: Arc::new(ArcSwap::new(ruleset.into())),
            shadow: Arc::default(),
            refused: Arc::default(),
            lacking: Arc::default(),
            behind: Arc::default(),
        }
    }

    /// Activates another good ruleset. What it lacks of earlier rulesets is remembered until a ruleset has it again;
    /// returns what it lacks of the previous one.
    pub fn activate(&self, ruleset: impl Into<Arc<Ruleset>>) -> Vec<Part> {
        let ruleset = ruleset.into();
        let has = ruleset.parts();
        let before = self.active.swap(ruleset);
        let lost: Vec<Part> = before.parts().difference(&has).cloned().collect();
        let mut lacking = self.lock_lacking();
        lacking.extend(lost.iter().cloned());
        lacking.retain(|part| !has.contains(part));
        lost
    }

    /// The same, with a log line and the metrics.
    fn activate_and_tell(&self, ruleset: Ruleset, metrics: &Metrics) {
        let (label, before) = (ruleset.label(), self.pin().label());
        metrics.ruleset(&ruleset);
        for part in self.activate(ruleset) {
            warn!(
                ruleset = label, before, part = %part,
                "ruleset {label} lacks the {part}, which {before} has"
            );
        }
        let lacking = self.lacking();
        let count = |kind: PartKind| lacking.iter().filter(|part| part.kind == kind).count();
        metrics.lacking(count);
    }

    /// What rulesets that were active since the start had, and the active one lacks.
    pub fn lacking(&self) -> Vec<Part> {
        self.lock_lacking().iter().cloned().collect()
    }

    fn lock_lacking(&self) -> MutexGuard<'_, BTreeSet<Part>> {
        self.lacking.lock().expect("no holder of the parts panics")
    }

    /// The ruleset to decide with, for as long as the caller holds it.
    pub fn pin(&self) -> Arc<Ruleset> {
        self.active.load_full()
    }

    /// The shadow ruleset, if there is one.
    pub fn pin_shadow(&self) -> Option<Arc<Ruleset>> {
        self.shadow.load_full()
    }

    /// The newest edit, if it was rejected.
    pub fn refused(&self) -> Option<Refused> {
        self.lock_refused().clone()
    }

    /// Whether the wanted ruleset has not become active within the active ruleset's `max_staleness_seconds`.
    pub fn is_stale(&self) -> bool {
        let most = self.pin().settings().max_staleness_seconds.map(Duration::from_secs);
        let behind = self.lock_behind().map(|since| since.elapsed());
        most.zip(behind).is_some_and(|(most, behind)| behind > most)
    }

    /// Records whether the wanted ruleset is the active one.
    fn follows(&self, is_so: bool) {
        let mut behind = self.lock_behind();
        *behind = if is_so { None } else { Some(behind.unwrap_or_else(Instant::now)) };
    }

    fn lock_behind(&self) -> MutexGuard<'_, Option<Instant>> {
        self.behind.lock().expect("no holder of the time panics")
    }

    /// Records why the wanted ruleset is not active, or that nothing prevents it. The same reason is not logged
    /// again.
    pub fn show_refused(&self, refused: Option<Refused>, metrics: &Metrics) {
        metrics.ruleset_refused(refused.is_some());
        self.follows(refused.is_none());
        if *self.lock_refused() == refused {
            return;
        }
        if let Some(refused) = &refused {
            metrics.reloaded(Reload::Refused);
            let active = self.pin().label();
            for diagnostic in &refused.diagnostics {
                error!(
                    place = diagnostic.place(),
                    active,
                    snippet = diagnostic.snippet,
                    "the wanted ruleset is refused; {active} stays active: {}",
                    diagnostic.one_line()
                );
            }
        }
        *self.lock_refused() = refused;
    }

    fn lock_refused(&self) -> MutexGuard<'_, Option<Refused>> {
        self.refused.lock().expect("no holder of the refusal panics")
    }
}
