//! Follows the control item: the active published ruleset and the shadow ruleset.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use rules::{Diagnostic, Refused, Ruleset, Severity};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_stream::wrappers::WatchStream;
use tracing::{error, info, warn};

use super::ActiveRules;
use crate::control::gate::ControlItem;
use crate::control::rule_store::StoreError;
use crate::control::table::ControlTable;
use crate::control::tested::tested_before;
use crate::metrics::trouble::Trouble;
use crate::metrics::{Metrics, Reload, Service};

/// The pause before reading a ruleset again after a failed call.
const AGAIN: Duration = Duration::from_millis(400);
/// The pause before trying a rejected ruleset again: it never changes, but this program or the item may.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);

/// Follows the control item: always for the shadow ruleset, and for the active one if `rules.source` is `published`. A
/// ruleset that cannot be loaded is tried again, and changes nothing.
pub async fn follow_published(
    table: ControlTable,
    rules: ActiveRules,
    metrics: Metrics,
    control: watch::Receiver<ControlItem>,
    published: bool,
) {
    let trouble = Trouble::default();
    let mut follower = Follower { table, rules, metrics, trouble, shadow_refused: None };
    // The item as it is, then each new one. Without a sender, the last one stays wanted.
    let mut items = WatchStream::new(control).chain(stream::pending());
    let (mut wanted, mut again) = (ControlItem::default(), None);
    loop {
        let next = items.next();
        wanted = match again {
            Some(pause) => timeout(pause, next).await.ok().flatten().unwrap_or(wanted),
            None => next.await.unwrap_or(wanted),
        };
        let active_again = match published {
            true => follower.activate(wanted.active.as_deref()).await,
            false => None,
        };
        let shadow_again = follower.set_shadow(wanted.shadow.as_deref()).await;
        again = active_again.into_iter().chain(shadow_again).min();
    }
}

struct Follower {
    table: ControlTable,
    rules: ActiveRules,
    metrics: Metrics,
    /// Of the calls to the table.
    trouble: Trouble,
    /// The wanted shadow ruleset, once its rejection was logged.
    shadow_refused: Option<String>,
}

impl Follower {
    /// Activates the wanted ruleset; returns the pause before the next try, if one is needed.
    async fn activate(&mut self, wanted: Option<&str>) -> Option<Duration> {
        let active = self.rules.pin();
        let Some(sha256) = wanted.filter(|sha256| *sha256 != active.sha256()) else {
            self.rules.show_refused(None, &self.metrics);
            return None;
        };
        let loaded = self.load(sha256).await.and_then(|ruleset| {
            // A published ruleset has passed its tests on the engine that published it; this engine may be another.
            let tested = off_the_runtime(|| tested_before(ruleset.files().clone(), ""));
            tested.map_err(|refused| (refused.into(), REFUSED_PAUSE))
        });
        match loaded {
            Ok(ruleset) => {
                let label = ruleset.label();
                self.metrics.reloaded(Reload::Activated);
                info!(ruleset = label, before = active.label(), "ruleset {label} is active");
                self.rules.activate_and_tell(ruleset, &self.metrics);
                self.rules.show_refused(None, &self.metrics);
                None
            }
            // It is not known yet which ruleset is wanted: the earlier reason stays.
            Err((StoreError::Fault(_), pause)) => {
                self.rules.follows(false);
                Some(pause)
            }
            Err((error, pause)) => {
                let refused = match error {
                    StoreError::Refused(refused) => refused,
                    other => unusable(sha256, &other),
                };
                self.rules.show_refused(Some(refused), &self.metrics);
                Some(pause)
            }
        }
    }

    /// Sets the shadow ruleset; returns the pause before the next try, if one is needed.
    async fn set_shadow(&mut self, wanted: Option<&str>) -> Option<Duration> {
        let shadow = self.rules.pin_shadow();
        if shadow.as_ref().map(|shadow| shadow.sha256()) == wanted {
            return None;
        }
        let Some(sha256) = wanted else {
            self.rules.shadow.store(None);
            self.shadow_refused = None;
            info!("no shadow ruleset runs");
            return None;
        };
        match self.load(sha256).await {
            Ok(ruleset) => {
                info!(
                    ruleset = ruleset.label(),
                    "ruleset {} runs in shadow mode beside the active one",
                    ruleset.label()
                );
                self.rules.shadow.store(Some(Arc::new(ruleset)));
                self.shadow_refused = None;
                None
            }
            Err((error, pause)) => {
                self.rules.shadow.store(None);
                if !matches!(error, StoreError::Fault(_)) && is_news(&mut self.shadow_refused, sha256) {
                    error!(sha256, error = %error, "the shadow ruleset does not load: {error}");
                }
                Some(pause)
            }
        }
    }

    async fn load(&mut self, sha256: &str) -> Result<Ruleset, (StoreError, Duration)> {
        match self.table.load_ruleset(sha256).await {
            Ok(ruleset) => {
                self.trouble.answered();
                Ok(ruleset)
            }
            Err(StoreError::Fault(fault)) => {
                self.trouble.failed(fault.class, &self.metrics, Service::Control);
                warn!(sha256, error = %fault, "cannot read ruleset {sha256}: {fault}; retrying");
                Err((fault.into(), AGAIN))
            }
            Err(error) => {
                self.trouble.answered();
                Err((error, REFUSED_PAUSE))
            }
        }
    }
}

/// A rejection of a published ruleset that cannot be used.
fn unusable(sha256: &str, error: &StoreError) -> Refused {
    let diagnostic = Diagnostic {
        file: format!("ruleset {sha256}"),
        line: 0,
        column: 0,
        code: "unusable".to_owned(),
        severity: Severity::Error,
        message: error.to_string(),
        help: None,
        snippet: String::new(),
    };
    Refused { diagnostics: vec![diagnostic], sha256: Some(sha256.to_owned()) }
}

/// Runs a long computation while other threads continue the runtime's work. A runtime of one thread, as in the
/// simulation, waits, so that a run keeps the order of its seed.
fn off_the_runtime<T>(run: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(run),
        _ => run(),
    }
}

/// A rejection is logged once for each ruleset.
fn is_news(told: &mut Option<String>, sha256: &str) -> bool {
    told.replace(sha256.to_owned()).as_deref() != Some(sha256)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use model::{Fault, Matcher, Rule, Service as Of};
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use super::*;
    use crate::aws::attribute::{number, text};
    use crate::control::rule_store::Author;
    use crate::metrics::{self, registry};
    use crate::stream::tests::{CONTROL, world};

    #[tokio::test(start_paused = true)]
    async fn a_published_set_that_does_not_load_is_told_once_and_tried_seldom() {
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
        let (wanted, control) = watch::channel(ControlItem::default());
        let mut followed = JoinSet::new();
        followed.spawn(follow_published(table, rules, metrics, control, true));
        let counted = |line: &str| {
            let text = metrics::text(&registry).unwrap();
            let shown =
                text.lines().filter_map(|shown| shown.strip_prefix("countersign_")?.strip_prefix(line));
            shown.filter_map(|count| count.parse::<u64>().ok()).sum::<u64>()
        };
        let refused = || counted("ruleset_reloads_total{result=\"refused\"} ");
        for (nth, sha256) in [(1, "aa"), (2, "bb"), (3, "aa")] {
            wanted.send_modify(|control| control.active = Some(sha256.to_owned()));
            let before = calls.load(Ordering::Relaxed);
            sleep(Duration::from_secs(60)).await;
            assert_eq!(refused(), nth, "each is counted once");
            let tried = calls.load(Ordering::Relaxed) - before;
            assert!((6..15).contains(&tried), "{tried} calls in a minute");
        }
        // If the table does not respond, no ruleset is rejected.
        world.inject(Rule::new(Matcher::any(), Fault::Refused(Of::DynamoDb.access_denied())));
        wanted.send_modify(|control| control.active = Some("cc".to_owned()));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(refused(), 3);
        let denied = counted("systemic_faults_total{service=\"control\"} ");
        assert!(denied > 0);
        world.calm();
        sleep(Duration::from_secs(5)).await;
        assert_eq!(refused(), 4, "it is counted as soon as the table responds");
    }

    /// During an update: the set that decides goes on, and the one that this version would misread is named.
    #[tokio::test(start_paused = true)]
    async fn a_published_set_of_a_newer_version_is_named_and_the_active_one_goes_on() {
        let world = world();
        let dynamodb = world.client_for("a").dynamodb();
        let table = ControlTable::new(dynamodb.clone(), CONTROL);
        let set = |code: &str| {
            let rule = format!("if order.amount < 5 {{ approve(\"{code}\"); }}\n");
            Ruleset::from_files([("rules/a.rhai".to_owned(), rule.into_bytes())].into()).unwrap()
        };
        let (first, second) = (set("first"), set("second"));
        let author = Author { by: "ada".to_owned(), message: "m".to_owned() };
        for ruleset in [&first, &second] {
            table.store_ruleset(ruleset, &author, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
        }
        let format = async |value: i64| {
            let update = dynamodb.update_item().table_name(CONTROL);
            let update = update.key("pk", text("ruleset")).key("sk", text(second.sha256()));
            let update = update.update_expression("SET #format = :format");
            let update = update.expression_attribute_names("#format", "format");
            update.expression_attribute_values(":format", number(value)).send().await.unwrap();
        };
        format(2).await;

        let rules = ActiveRules::new(Ruleset::load("../rules/scripts".as_ref()).unwrap());
        let (wanted, control) = watch::channel(ControlItem::default());
        let metrics = Metrics::register(&mut registry());
        let mut followed = JoinSet::new();
        followed.spawn(follow_published(table, rules.clone(), metrics, control, true));
        let wants = async |ruleset: &Ruleset| {
            wanted.send_modify(|control| control.active = Some(ruleset.sha256().to_owned()));
            sleep(Duration::from_secs(1)).await;
        };
        wants(&first).await;
        assert_eq!((rules.pin().label(), rules.refused()), (first.label(), None));
        wants(&second).await;
        assert_eq!(rules.pin().label(), first.label(), "it goes on");
        let told = rules.refused().expect("the wanted one is refused").to_string();
        let newer = format!("the stored ruleset {}: it has format 2", second.sha256());
        assert!(told.contains(&newer) && told.contains("update this one"), "{told}");
        // The program that knows it, or here: the item that this version wrote.
        format(1).await;
        sleep(REFUSED_PAUSE).await;
        assert_eq!((rules.pin().label(), rules.refused()), (second.label(), None));
    }
}
