//! What a whole fleet obeys: published, tried and rolled back rulesets, the automation switch, and hourly caps, on three
//! workers under load.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ops::orders::Story;
use ops::worker::Worker;
use ops::world::{WorkerOptions, World, eventually};
use rust_decimal::Decimal;
use serde_json::Value;
use statemachine::decision::{DecidedBy, Outcome};
use statemachine::status::Status;
use statemachine::task::Task;

use crate::journey::{SOON, all_ended, assert_one_decision_each, in_world, orders_of, patient, quick, start};

/// How old the state that an automatic decision obeys may be.
const OBEYED: SignedDuration = SignedDuration::from_secs(2);

fn published() -> WorkerOptions {
    let mut options = quick();
    options.variables.push(("COUNTERSIGN_RULES__SOURCE".to_owned(), "published".to_owned()));
    options
}

/// Runs the command line against this world; gives what it prints.
async fn countersign(world: &World, config: &Path, arguments: &[&str]) -> String {
    let config = config.to_string_lossy();
    let output = world.countersign(&[arguments, &["--config", &config]].concat()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}{errors}");
    text
}

/// A folder with the sample rules whose small orders are approved by this code, and with more settings.
fn ruleset(world: &World, code: &str, settings: &str) -> PathBuf {
    let from = world.copied_rules().unwrap();
    let dir = world.dir().join(format!("rules-{code}"));
    fs::rename(from, &dir).unwrap();
    let rule = dir.join("rules/50-small-order.rhai");
    let text = fs::read_to_string(&rule).unwrap();
    fs::write(&rule, text.replace("\"small-order\"", &format!("\"{code}\""))).unwrap();
    // The sample's cases name the sample's code; tests are no part of the version.
    let _ = fs::remove_dir_all(dir.join("tests"));
    let file = dir.join("ruleset.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(file, format!("{text}\n{settings}")).unwrap();
    dir
}

async fn fleet(world: &World) -> Vec<Worker> {
    let mut fleet = Vec::new();
    for name in ["w0", "w1", "w2"] {
        fleet.push(world.start_worker(name, published()).await.unwrap());
    }
    fleet
}

/// Waits until every worker shows what it should; gives the seconds since `since`.
async fn all_follow(
    world: &World,
    fleet: &[Worker],
    since: Timestamp,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) {
    eventually(SOON, &format!("every worker shows {what}"), async || {
        for worker in fleet {
            if !is_so(&world.get(worker, "/v1/status").await?.json()) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await
    .unwrap();
    println!(
        "{what}: the whole fleet follows after {:.2} s",
        Timestamp::now().duration_since(since).as_secs_f64()
    );
}

/// When a change took hold: after its line of history was dated, and before its command returned.
#[derive(Debug, Clone, Copy)]
struct Change {
    dated: Timestamp,
    returned: Timestamp,
}

/// Which sets decided from when on, and when rules did not decide at all, from the fleet's own history.
#[derive(Debug, Default)]
struct History {
    active: Vec<(Change, String)>,
    pauses: Vec<(Change, Timestamp)>,
}

impl History {
    /// With the moments at which the commands returned, in their order.
    async fn read(world: &World, config: &Path, returned: &[Timestamp]) -> History {
        let text = countersign(world, config, &["rules", "history", "--format", "json"]).await;
        let lines: Vec<Value> = serde_json::from_str(&text).unwrap();
        let mut history = History::default();
        for line in lines.iter().rev() {
            let dated: Timestamp = line["at"].as_str().unwrap().parse().unwrap();
            let returned = *returned.iter().find(|at| **at >= dated).unwrap();
            let change = Change { dated, returned };
            match line["event"].as_str().unwrap() {
                "publish" | "rollback" => {
                    history.active.push((change, line["ruleset"].as_str().unwrap().to_owned()));
                }
                "pause" => history.pauses.push((change, Timestamp::MAX)),
                "resume" => history.pauses.last_mut().unwrap().1 = dated,
                _ => {}
            }
        }
        history
    }

    /// Whether a set was active at some moment of the two seconds before.
    fn was_active(&self, ruleset: &str, before: Timestamp) -> bool {
        let ends = self.active.iter().skip(1).map(|(next, _)| next.returned).chain([Timestamp::MAX]);
        let mut spans = self.active.iter().zip(ends);
        spans.any(|((from, set), to)| set == ruleset && from.dated <= before && to >= before - OBEYED)
    }

    /// Whether rules could decide at some moment of the two seconds before.
    fn was_running(&self, before: Timestamp) -> bool {
        self.pauses.iter().all(|(pause, to)| before - OBEYED <= pause.returned || before >= *to)
    }
}

#[tokio::test]
async fn a_fleet_under_load_follows_every_change_within_two_seconds() {
    in_world(patient(), async |world| {
        let (first, second) = (ruleset(world, "first", ""), ruleset(world, "second", ""));
        let config = world.command_line_config().unwrap();
        let returned = Mutex::new(vec![]);
        let change = async |arguments: &[&str]| {
            let since = Timestamp::now();
            countersign(world, &config, arguments).await;
            returned.lock().unwrap().push(Timestamp::now());
            since
        };
        let publish = async |dir: &Path, more: &[&str]| {
            let dir = dir.to_string_lossy();
            change(&[&["rules", "publish", &dir, "--message", "a test", "--yes"], more].concat()).await
        };
        publish(&first, &[]).await;
        let fleet = fleet(world).await;
        let label = |status: &Value| status["ruleset"]["sha256"].as_str().unwrap_or_default().to_owned();
        let before = label(&world.get(&fleet[0], "/v1/status").await.unwrap().json());

        let stop = AtomicBool::new(false);
        let orders = orders_of(Story::SmallKnown, 400);
        let load = async {
            let mut started = 0;
            for batch in orders.chunks(4) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                start(world, batch).await;
                started += batch.len();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            started
        };
        let changes = async {
            let since = publish(&second, &["--shadow"]).await;
            shadowed(world, &fleet).await;
            println!("shadow: counted after {:.2} s", Timestamp::now().duration_since(since).as_secs_f64());
            let since = publish(&second, &[]).await;
            all_follow(world, &fleet, since, "publish", |status| label(status) != before).await;
            let since = change(&["rules", "rollback", "--message", "back"]).await;
            all_follow(world, &fleet, since, "rollback", |status| label(status) == before).await;
            let since = change(&["automation", "pause", "--reason", "a drill"]).await;
            all_held(world, &fleet, since, true).await;
            // Some orders must meet the pause.
            tokio::time::sleep(Duration::from_secs(2)).await;
            let since = change(&["automation", "resume", "--reason", "over"]).await;
            all_held(world, &fleet, since, false).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            stop.store(true, Ordering::Relaxed);
        };
        let (started, ()) = futures::future::join(load, changes).await;
        let tasks = all_ended(world, started, SOON * 2).await;
        assert_one_decision_each(world, &tasks).await;
        let returned = returned.into_inner().unwrap();
        obeyed(&History::read(world, &config, &returned).await, &tasks);
        fleet
    })
    .await;
}

/// Waits until some worker has counted the active and the shadow set's outcomes on the same orders.
async fn shadowed(world: &World, fleet: &[Worker]) {
    eventually(SOON, "the shadow is counted", async || {
        for worker in fleet {
            let metrics = world.get(worker, "/metrics").await?.body;
            let mut lines =
                metrics.lines().filter(|line| line.starts_with("countersign_shadow_evaluations_total"));
            if lines.any(|line| !line.ends_with(" 0")) {
                return Ok(Some(()));
            }
        }
        Ok(None)
    })
    .await
    .unwrap();
}

async fn all_held(world: &World, fleet: &[Worker], since: Timestamp, held: bool) {
    let wanted = format!("countersign_automation_held {}", u8::from(held));
    eventually(SOON, &wanted, async || {
        for worker in fleet {
            if !world.get(worker, "/metrics").await?.body.lines().any(|line| line == wanted) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await
    .unwrap();
    println!("{wanted}: after {:.2} s", Timestamp::now().duration_since(since).as_secs_f64());
}

/// Holds every answer against the history: by a set that was active, and by none while paused.
fn obeyed(history: &History, tasks: &[Task]) {
    let (mut by_set, mut paused, mut shadowed) = (BTreeMap::<String, usize>::new(), 0, 0);
    for task in tasks {
        shadowed += usize::from(task.shadow.is_some());
        if let Some(decision) = &task.decision {
            assert_eq!(decision.decided_by, DecidedBy::Rule);
            let at: Timestamp = decision.decided_at.parse().unwrap();
            let ruleset = decision.ruleset.clone().unwrap();
            assert!(history.was_active(&ruleset, at), "{ruleset} decided at {at}: {history:?}");
            assert!(history.was_running(at), "a rule decided at {at}: {history:?}");
            *by_set.entry(ruleset).or_default() += 1;
        } else {
            assert_eq!(task.escalation.as_ref().map(|why| why.code.as_str()), Some("automation-paused"));
            paused += 1;
        }
    }
    println!(
        "{} tasks: decided {by_set:?}, {paused} left to people while paused, {shadowed} shadowed",
        tasks.len()
    );
    assert_eq!(by_set.len(), 2, "both sets decided");
    assert!(paused > 0 && shadowed > 0);
}

const APPROVALS: usize = 30;
const AMOUNT: &str = "600";

#[tokio::test]
async fn a_fleet_never_approves_above_its_hourly_caps() {
    for settings in [
        format!("[budget]\napprovals_per_hour = {APPROVALS}\n"),
        format!("[budget]\namount = \"order.amount\"\namount_per_hour = \"{AMOUNT}\"\n"),
    ] {
        in_world(patient(), async |world| {
            let dir = ruleset(world, "capped", &settings);
            let config = world.command_line_config().unwrap();
            let arguments = ["rules", "publish", &dir.to_string_lossy(), "--message", "a cap", "--yes"];
            countersign(world, &config, &arguments).await;
            let fleet = fleet(world).await;
            let orders = orders_of(Story::SmallKnown, 120);
            start(world, &orders).await;
            let tasks = all_ended(world, orders.len(), SOON * 2).await;
            assert_one_decision_each(world, &tasks).await;
            let by_count = settings.contains("approvals");
            let approved = within_cap(&tasks, by_count);
            cap_is_shown(world, &fleet, by_count, &approved).await;
            fleet
        })
        .await;
    }
}

/// What was approved, by hour: how many, and the sum of their amounts.
type Approved = BTreeMap<String, (usize, Decimal)>;

/// Sums what was approved, hour by hour: a test that runs over the hour has two caps.
fn within_cap(tasks: &[Task], by_count: bool) -> Approved {
    let mut hours = Approved::new();
    for task in tasks {
        let Some(decision) = &task.decision else {
            assert_eq!(task.status, Status::Escalated);
            assert_eq!(task.escalation.as_ref().map(|why| why.code.as_str()), Some("budget-exhausted"));
            continue;
        };
        assert_eq!(decision.outcome, Outcome::Approved);
        let order: Value = serde_json::from_str(task.order_text().as_deref().unwrap()).unwrap();
        let hour = hours.entry(decision.decided_at[..13].to_owned()).or_default();
        hour.0 += 1;
        hour.1 += order["amount"].to_string().parse::<Decimal>().unwrap();
    }
    println!("approved by hour, count and sum: {hours:?}");
    let most = AMOUNT.parse::<Decimal>().unwrap();
    for (count, sum) in hours.values() {
        if by_count {
            assert!(*count <= APPROVALS, "{count} approvals");
        } else {
            assert!(*sum <= most, "{sum} approved");
        }
    }
    let (count, sum) = hours.values().fold((0, Decimal::ZERO), |all, hour| (all.0 + hour.0, all.1 + hour.1));
    // A little below at most: three workers give up no more than a chunk each.
    if by_count {
        assert!(count >= APPROVALS - 3, "only {count} approvals");
    } else {
        assert!(sum >= most * Decimal::new(7, 1), "only {sum} approved");
    }
    hours
}

/// The status and the metrics tell of this hour's counter: no less than what was approved, no more than the cap.
async fn cap_is_shown(world: &World, fleet: &[Worker], by_count: bool, approved: &Approved) {
    let decimal = |value: &Value| value.as_str().and_then(|text| text.parse::<Decimal>().ok());
    let (reserved, limit) = eventually(SOON, "metrics and status tell the same of the cap", async || {
        let caps = world.get(&fleet[0], "/v1/status").await?.json()["caps"].clone();
        let mut seen = Decimal::ZERO;
        for worker in fleet {
            let metrics = world.get(worker, "/metrics").await?.body;
            let mut lines =
                metrics.lines().filter_map(|line| line.strip_prefix("countersign_cap_reserved{cap="));
            let number = lines.next().and_then(|line| line.split_once(' ')).map(|(_, number)| number);
            seen = seen.max(number.and_then(|number| number.parse().ok()).unwrap_or_default());
        }
        let reserved = decimal(&caps[0]["reserved"]).filter(|reserved| *reserved == seen);
        Ok(reserved.zip(decimal(&caps[0]["limit"])))
    })
    .await
    .unwrap();
    let hour = &Timestamp::now().to_string()[..13];
    let (count, sum) = approved.get(hour).copied().unwrap_or_default();
    let (least, most) = if by_count {
        (Decimal::from(count), Decimal::from(APPROVALS))
    } else {
        (sum, AMOUNT.parse().unwrap())
    };
    assert_eq!(limit, most);
    assert!(least <= reserved && reserved <= most, "{least} approved, {reserved} reserved, {most} allowed");
    let status = world.countersign(&["status", "--url", &fleet[0].url]).await.unwrap();
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains(&format!("{reserved} reserved\n")), "{status}");
}
