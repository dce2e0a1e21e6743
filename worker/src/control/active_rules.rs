//! The ruleset that decides, and its reload from a folder or from the control table: the last good set always stays.

mod published;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use rules::{Refused, Ruleset};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use self::published::follow_published;
use crate::metrics::{Metrics, Reload};

/// How often the folder is looked at: an edit takes effect within a second.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// The active set, shared by all work. A decision uses the set it pinned, whatever is swapped meanwhile.
#[derive(Debug, Clone)]
pub struct ActiveRules {
    active: Arc<ArcSwap<Ruleset>>,
    shadow: Arc<ArcSwapOption<Ruleset>>,
    refused: Arc<Mutex<Option<Refused>>>,
    /// Since when the wanted set cannot be activated.
    behind: Arc<Mutex<Option<Instant>>>,
}

impl ActiveRules {
    /// Starts with one good set.
    pub fn new(ruleset: impl Into<Arc<Ruleset>>) -> ActiveRules {
        ActiveRules {
            active: Arc::new(ArcSwap::new(ruleset.into())),
            shadow: Arc::default(),
            refused: Arc::default(),
            behind: Arc::default(),
        }
    }

    /// Decides with another good set from now on.
    pub fn activate(&self, ruleset: impl Into<Arc<Ruleset>>) {
        self.active.store(ruleset.into());
    }

    /// The set to decide with, for as long as the caller holds it.
    pub fn pin(&self) -> Arc<Ruleset> {
        self.active.load_full()
    }

    /// The set that is tried beside it, if there is one.
    pub fn pin_shadow(&self) -> Option<Arc<Ruleset>> {
        self.shadow.load_full()
    }

    /// The newest edit that was refused, while it is the newest.
    pub fn refused(&self) -> Option<Refused> {
        self.lock_refused().clone()
    }

    /// Whether the wanted set could not be activated for longer than the active set's `max_staleness_seconds`.
    pub fn is_stale(&self) -> bool {
        let most = self.pin().settings().max_staleness_seconds.map(Duration::from_secs);
        let behind = self.lock_behind().map(|since| since.elapsed());
        most.zip(behind).is_some_and(|(most, behind)| behind > most)
    }

    /// Notes whether the wanted set is the active one.
    fn follows(&self, is_so: bool) {
        let mut behind = self.lock_behind();
        *behind = if is_so { None } else { Some(behind.unwrap_or_else(Instant::now)) };
    }

    fn lock_behind(&self) -> MutexGuard<'_, Option<Instant>> {
        self.behind.lock().expect("no holder of the time panics")
    }

    fn set_refused(&self, refused: Option<Refused>) {
        *self.lock_refused() = refused;
    }

    fn lock_refused(&self) -> MutexGuard<'_, Option<Refused>> {
        self.refused.lock().expect("no holder of the refusal panics")
    }
}

/// Follows a folder until `stop`: an edit that compiles decides from then on; one that does not is shown in log,
/// metric and status, and changes nothing.
pub async fn follow(dir: PathBuf, rules: ActiveRules, metrics: Metrics, stop: CancellationToken) {
    let mut seen = rules.pin().sha256().to_owned();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        match rules::content_hash(&dir) {
            Ok(hash) if hash == seen => {}
            Ok(hash) => {
                seen = reload(&dir, hash, &rules, &metrics);
            }
            Err(refused) if seen.is_empty() => drop(refused),
            Err(refused) => {
                refuse(&rules, &metrics, refused);
                seen = String::new();
            }
        }
    }
}

/// Returns the hash of what was looked at, so that the same refused edit is reported once.
fn reload(dir: &Path, hash: String, rules: &ActiveRules, metrics: &Metrics) -> String {
    let active = rules.pin();
    if hash == active.sha256() {
        rules.set_refused(None);
        rules.follows(true);
        info!(ruleset = active.label(), "the folder holds the active ruleset again: {}", active.label());
        return hash;
    }
    match Ruleset::load(dir) {
        Ok(ruleset) => {
            let label = ruleset.label();
            let hash = ruleset.sha256().to_owned();
            for warning in ruleset.warnings() {
                warn!(place = warning.place(), "ruleset {label}: {}", warning.one_line());
            }
            rules.activate(ruleset);
            rules.set_refused(None);
            rules.follows(true);
            metrics.reloaded(Reload::Activated);
            info!(ruleset = label, before = active.label(), "ruleset {label} is active");
            hash
        }
        Err(refused) => {
            refuse(rules, metrics, refused);
            hash
        }
    }
}

fn refuse(rules: &ActiveRules, metrics: &Metrics, refused: Refused) {
    let active = rules.pin().label();
    for diagnostic in &refused.diagnostics {
        error!(
            place = diagnostic.place(),
            active,
            snippet = diagnostic.snippet,
            "the edited ruleset is refused, {active} stays: {}",
            diagnostic.one_line()
        );
    }
    metrics.reloaded(Reload::Refused);
    rules.set_refused(Some(refused));
    rules.follows(false);
}
