//! Follows the control item: which published set decides, and which one is tried beside it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, info};

use super::{ActiveRules, LOOK_EVERY};
use crate::control::Control;
use crate::control_table::ControlTable;
use crate::metrics::{Metrics, Reload};
use crate::rule_store::StoreError;

/// The longest pause between two tries of a set that does not load, reached by doubling.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Follows the control item: the shadow always, the active set if `published` is how this fleet gets its rules. A set
/// that cannot be loaded is tried again, and changes nothing.
pub async fn follow_published(
    table: ControlTable,
    rules: ActiveRules,
    metrics: Metrics,
    mut control: watch::Receiver<Control>,
    published: bool,
) {
    let (mut active_told, mut shadow_told) = (Told::default(), Told::default());
    let mut pause = LOOK_EVERY;
    loop {
        let wanted = control.borrow_and_update().clone();
        let active = published.then_some(wanted.active.as_deref()).flatten();
        let mut is_done = match active {
            Some(sha256) if sha256 != rules.pin().sha256() => {
                activate(&table, &rules, &metrics, sha256, &mut active_told).await
            }
            Some(_) | None => {
                active_told = Told::default();
                true
            }
        };
        if published {
            rules.follows(is_done);
        }
        let shadow = rules.pin_shadow().map(|shadow| shadow.sha256().to_owned());
        if shadow != wanted.shadow {
            is_done &= set_shadow(&table, &rules, wanted.shadow.as_deref(), &mut shadow_told).await;
        }
        let changed = async {
            match control.changed().await {
                Ok(()) => {}
                Err(_) => std::future::pending().await,
            }
        };
        // Whether the pointer moved or the time is up: look again.
        if is_done {
            changed.await;
            pause = LOOK_EVERY;
        } else if tokio::time::timeout(pause, changed).await.is_ok() {
            pause = LOOK_EVERY;
        } else {
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// The set that did not load, and why, as it was told last: each try fails alike.
#[derive(Debug, Default)]
struct Told(Option<(String, String)>);

impl Told {
    /// Notes a failed try: whether the set is another one, and whether anything is new.
    fn note(&mut self, sha256: &str, error: &StoreError) -> (bool, bool) {
        let failed = (sha256.to_owned(), error.to_string());
        let is_other = self.0.as_ref().is_none_or(|(told, _)| *told != failed.0);
        let is_new = self.0.as_ref() != Some(&failed);
        self.0 = Some(failed);
        (is_other, is_new)
    }
}

async fn activate(
    table: &ControlTable,
    rules: &ActiveRules,
    metrics: &Metrics,
    sha256: &str,
    told: &mut Told,
) -> bool {
    let before = rules.pin().label();
    match table.load_ruleset(sha256).await {
        Ok(ruleset) => {
            let label = ruleset.label();
            rules.activate(ruleset);
            rules.set_refused(None);
            metrics.reloaded(Reload::Activated);
            info!(ruleset = label, before, "ruleset {label} is active");
            *told = Told::default();
            true
        }
        Err(error) => {
            let (is_other, is_new) = told.note(sha256, &error);
            if is_other {
                metrics.reloaded(Reload::Refused);
            }
            if is_new {
                error!(
                    wanted = sha256, error = %error,
                    "ruleset {before} stays, the published one does not load: {error}"
                );
            }
            if let StoreError::Refused(refused) = error {
                rules.set_refused(Some(refused));
            }
            false
        }
    }
}

async fn set_shadow(
    table: &ControlTable,
    rules: &ActiveRules,
    sha256: Option<&str>,
    told: &mut Told,
) -> bool {
    let Some(sha256) = sha256 else {
        rules.shadow.store(None);
        *told = Told::default();
        info!("no ruleset is tried beside the active one");
        return true;
    };
    match table.load_ruleset(sha256).await {
        Ok(ruleset) => {
            info!(ruleset = ruleset.label(), "ruleset {} is tried beside the active one", ruleset.label());
            rules.shadow.store(Some(Arc::new(ruleset)));
            *told = Told::default();
            true
        }
        Err(error) => {
            rules.shadow.store(None);
            if told.note(sha256, &error).1 {
                error!(wanted = sha256, error = %error, "the shadow ruleset does not load: {error}");
            }
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use rules::Ruleset;
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use super::*;
    use crate::metrics::{self, registry};
    use crate::stream::tests::{CONTROL, world};

    #[tokio::test(start_paused = true)]
    async fn a_published_set_that_does_not_load_is_told_once_and_tried_ever_more_seldom() {
        let world = world();
        let calls = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&calls);
        world.listen(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let table = ControlTable::new(world.client_for("a").dynamodb(), CONTROL);
        let rules = ActiveRules::new(Ruleset::load("../rules/scripts".as_ref()).unwrap());
        let mut registry = registry();
        let metrics = Metrics::register(&mut registry);
        let (wanted, control) = watch::channel(Control::default());
        let mut followed = JoinSet::new();
        followed.spawn(follow_published(table, rules, metrics, control, true));
        let refused = || {
            let text = metrics::text(&registry).unwrap();
            let line = "countersign_ruleset_reloads_total{result=\"refused\"} ";
            text.lines().find_map(|shown| shown.strip_prefix(line)?.parse::<u64>().ok()).unwrap()
        };
        for (nth, sha256) in [(1, "aa"), (2, "bb"), (3, "aa")] {
            wanted.send_modify(|control| control.active = Some(sha256.to_owned()));
            let before = calls.load(Ordering::Relaxed);
            sleep(Duration::from_secs(60)).await;
            assert_eq!(refused(), nth, "each is told once");
            let tried = calls.load(Ordering::Relaxed) - before;
            assert!((6..15).contains(&tried), "{tried} calls in a minute");
        }
    }
}
