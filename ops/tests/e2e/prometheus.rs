//! A real Prometheus beside a fleet under load: it loads the rules, and each query of the dashboard has an answer.

use std::fs;
use std::path::PathBuf;

use futures::future::try_join_all;
use ops::binaries::root;
use ops::orders::sample;
use ops::processes::{captured, command};
use ops::prometheus::Prometheus;
use ops::prometheus::programs::Programs;
use ops::worker::Worker;
use ops::world::{World, eventually};
use serde_json::{Value, json};
use statemachine::status::Status;

use crate::journey::{SOON, all_ended, in_world, patient, quick, start, stored};

const ALERTS: &str = include_str!("../../prometheus/alerts.yaml");
const DASHBOARD: &str = include_str!("../../grafana/countersign.json");
const RUNBOOK: &str = include_str!("../../README.md");
const ORDERS: usize = 80;
/// With the sample's own.
const RULES: usize = 40;
/// What one worker may cost Prometheus.
const MOST_SERIES: f64 = 1_000.0;

/// The sample ruleset with more rules, which none of the orders meets, and with caps.
fn many_rules(world: &World) -> PathBuf {
    let dir = world.copied_rules().unwrap();
    let rules = dir.join("rules");
    for number in fs::read_dir(&rules).unwrap().count()..RULES {
        let header = format!("//! id: odd-{number}\n//! title: Never met\n//! may: escalate\n\n");
        let rule = format!("if order.amount == 0.{number:02} {{ escalate(\"odd-{number}\", \"never\"); }}\n");
        fs::write(rules.join(format!("90-odd-{number}.rhai")), header + rule.as_str()).unwrap();
    }
    let settings = dir.join("ruleset.toml");
    let caps =
        "\n[budget]\napprovals_per_hour = 100000\namount = \"order.amount\"\namount_per_hour = 100000000\n";
    fs::write(&settings, fs::read_to_string(&settings).unwrap() + caps).unwrap();
    dir
}

/// The value of a query's only series.
async fn number(prometheus: &Prometheus, query: &str) -> anyhow::Result<Option<f64>> {
    let series = prometheus.query(query).await?;
    Ok(series.first().and_then(|series| series["value"][1].as_str()?.parse().ok()))
}

/// Waits until Prometheus has evaluated each rule without an error.
async fn every_rule_is_evaluated(prometheus: &Prometheus) {
    eventually(SOON, "each rule is healthy", async || {
        let answer = prometheus.get("rules", &[]).await?;
        let groups = answer["data"]["groups"].as_array().unwrap();
        let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
        assert!(!rules.is_empty());
        let broken = rules.iter().find(|rule| rule["health"] == "err");
        assert!(broken.is_none(), "{broken:?}");
        Ok(rules.iter().all(|rule| rule["health"] == "ok").then_some(()))
    })
    .await
    .unwrap();
}

/// Waits until each query of the dashboard has a series with a number.
async fn every_query_returns_data(prometheus: &Prometheus) {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<String> =
        targets.map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "30s")).collect();
    assert!(queries.len() > 20, "{}", queries.len());
    for query in queries {
        let has_number = |series: &Value| series["value"][1].as_str().is_some_and(|value| value != "NaN");
        eventually(SOON, &query, async || {
            Ok(prometheus.query(&query).await?.iter().any(has_number).then_some(()))
        })
        .await
        .unwrap();
    }
}

/// Holds a worker's metrics against the conventions of names, units and help.
async fn promtool_finds_no_fault(world: &World, worker: &Worker) {
    let file = world.dir().join("metrics.txt");
    fs::write(&file, world.get(worker, "/metrics").await.unwrap().body).unwrap();
    let promtool = Programs::find(&root().join("target/local/prometheus")).unwrap().promtool;
    let mut check = command("sh");
    check.args(["-c", "exec \"$0\" check metrics < \"$1\""]).arg(promtool).arg(file);
    let (output, printed) = captured(&mut check).unwrap();
    assert!(output.status.success() && printed.is_empty(), "{printed}");
}

/// Runs each command of the runbook's sections on alerts.
async fn every_command_of_the_runbook_succeeds(world: &World, worker: &Worker) {
    let section =
        RUNBOOK.split("\n## Alerts on the metrics\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let commands: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for line in commands {
        let output = world.shell(worker, line).await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !output.stdout.is_empty(), "{line}: {error}");
    }
}

#[tokio::test]
async fn prometheus_scrapes_a_fleet_under_load_and_every_query_of_the_dashboard_has_an_answer() {
    in_world(patient(), async |world| {
        // Stored first, so that the workers' first count, which is repeated each minute, sees tasks that wait for people.
        let orders = sample(ORDERS, 9);
        let (early, late) = orders.split_at(ORDERS / 4);
        start(world, early).await;
        stored(world, early).await;
        let rules = many_rules(world);
        let prometheus = world.start_prometheus(ALERTS).await.unwrap();
        let fleet = ["w0", "w1", "w2"].map(|name| {
            let mut options = quick();
            options.rules_dir = Some(rules.clone());
            world.start_worker(name, options)
        });
        let fleet = try_join_all(fleet).await.unwrap();
        prometheus
            .scrape(&fleet.iter().map(|worker| worker.metrics_url.as_str()).collect::<Vec<_>>())
            .unwrap();
        eventually(SOON, "each worker is scraped", async || {
            Ok(number(&prometheus, "sum(up)").await?.filter(|up| *up == 3.0))
        })
        .await
        .unwrap();

        start(world, late).await;
        let tasks = all_ended(world, ORDERS, SOON).await;
        let waiting = tasks.iter().find(|task| task.status == Status::Escalated).unwrap();
        let decision = json!({"outcome": "approved", "reason": "checked", "by": "ada"});
        assert_eq!(world.decide(&fleet[0], &waiting.id, &decision).await.unwrap().status, 200);

        for worker in &fleet {
            promtool_finds_no_fault(world, worker).await;
        }
        every_rule_is_evaluated(&prometheus).await;
        every_query_returns_data(&prometheus).await;
        every_command_of_the_runbook_succeeds(world, &fleet[1]).await;
        let most = "max(count by (instance) ({job=\"countersign\"}))";
        let most = number(&prometheus, most).await.unwrap().unwrap();
        println!("series of one worker after {ORDERS} tasks and with {RULES} rules: {most}");
        assert!(most <= MOST_SERIES, "{most}");
        fleet
    })
    .await;
}
