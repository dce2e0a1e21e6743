//! A wanted ruleset that cannot be activated: the last good one decides, and no longer than it allows.

use std::fs;
use std::time::Duration;

use rules::Ruleset;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use worker::clock::Clock;
use worker::control::active_rules;
use worker::control::gate::{self, ControlItem};
use worker::control::rules_folder::RulesFolder;
use worker::lease::guard::{Guard, Validity};
use worker::tasks::handled::Handled;

use crate::office::Office;
use crate::rules_folder::directory;

const RULE: &str = "rules/all.rhai";

async fn decided(office: &Office, order_id: &str) -> (Handled, Option<String>) {
    let (_, task) = office.receive(order_id, None).await;
    let validity = Validity::until(Instant::now() + Duration::from_secs(60));
    let guard = Guard::new(validity, CancellationToken::new());
    let handled = office.state.pipeline.decide(&task, &guard).await.expect("the guard is live");
    let stored = office.state.tasks.get(&task.id).await.expect("the model answers").expect("it is stored");
    (handled, stored.escalation.map(|escalation| escalation.code))
}

#[tokio::test(start_paused = true)]
async fn the_last_good_set_decides_no_longer_than_it_allows() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("rules")).unwrap();
    fs::write(dir.path().join("ruleset.toml"), "name = \"a\"\nmax_staleness_seconds = 60\n").unwrap();
    fs::write(dir.path().join(RULE), "approve(\"all\");\n").unwrap();

    let office = Office::open();
    let state = &office.state;
    let (rules, metrics) = (state.automation.rules.clone(), state.metrics.clone());
    rules.activate(Ruleset::load(dir.path()).unwrap());
    let stop = CancellationToken::new();
    let followed = watch::Sender::new(ControlItem::default());
    let gate =
        gate::follow(state.control_table.clone(), state.automation.gate.clone(), metrics.clone(), followed);
    office.state.tracker.spawn(gate);
    let folder = RulesFolder::new(&directory(dir.path()), Clock::system()).unwrap();
    let folder = active_rules::follow(folder, rules, metrics, stop.clone());
    office.state.tracker.spawn(folder);

    fs::write(dir.path().join(RULE), "approve(\"all\"\n").unwrap();
    sleep(Duration::from_secs(50)).await;
    assert_eq!(decided(&office, "o-1").await, (Handled::Delivered, None));
    sleep(Duration::from_secs(15)).await;
    let stale = (Handled::Escalated, Some("rules-stale".to_owned()));
    assert_eq!(decided(&office, "o-2").await, stale);

    fs::write(dir.path().join(RULE), "approve(\"all\");\n").unwrap();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(decided(&office, "o-3").await, (Handled::Delivered, None));
    stop.cancel();
}
