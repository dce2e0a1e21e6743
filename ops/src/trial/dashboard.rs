//! `cargo ops trial dashboard`: the dashboard as a picture, from a real Prometheus that scrapes a fleet at its work.
//!
//! Grafana is not at hand everywhere; the page (`dashboard.html`) draws what its panels would show: the same queries, units,
//! legends, thresholds and places.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ops::orders::sample;
use ops::prometheus::Prometheus;
use ops::worker::Worker;
use ops::world::{WorkerOptions, World};
use serde_json::{Value, json};
use statemachine::token::TaskId;
use tokio::time::{Instant, interval};

use super::patient;

const ALERTS: &str = include_str!("../../prometheus/alerts.yaml");
const DASHBOARD: &str = include_str!("../../grafana/countersign.json");
const PAGE: &str = include_str!("dashboard.html");
const FLEET: usize = 3;
const BETWEEN_ORDERS: Duration = Duration::from_millis(500);
/// The sample ruleset has none.
const CAPS: &str =
    "\n[budget]\napprovals_per_hour = 600\namount = \"order.amount\"\namount_per_hour = 100000\n";
/// A person decides one of so many orders' time.
const ORDERS_A_DECISION: usize = 8;
const WIDTH: u64 = 1_400;
/// Of a graph, in seconds.
const STEP: i64 = 5;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Minutes of work that the picture shows
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Where to write the picture
    #[arg(long, default_value = "target/local/dashboard.png", value_name = "FILE")]
    out: PathBuf,
}

/// Lets a fleet work, and takes the picture.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let world = World::start(patient()).await?;
    let prometheus = world.start_prometheus(ALERTS).await?;
    let rules = world.copied_rules()?;
    OpenOptions::new().append(true).open(rules.join("ruleset.toml"))?.write_all(CAPS.as_bytes())?;
    let mut fleet = vec![];
    for number in 0..FLEET {
        let options = WorkerOptions { rules_dir: Some(rules.clone()), ..WorkerOptions::default() };
        fleet.push(world.start_worker(&format!("w{number}"), options).await?);
    }
    prometheus.scrape(&fleet.iter().map(|worker| worker.metrics_url.as_str()).collect::<Vec<_>>())?;
    let begun = jiff::Timestamp::now().as_second();
    work(&world, &fleet, Duration::from_secs(arguments.minutes * 60)).await?;
    let panels = panels(&prometheus, begun).await?;

    // A script's element ends at the first `</`.
    let page = PAGE.replace("__PANELS__", &Value::from(panels).to_string().replace("</", "<\\/"));
    let file = arguments.out.with_extension("html");
    std::fs::write(&file, page).with_context(|| file.display().to_string())?;
    let browser = world.start_browser().await?;
    browser.size(WIDTH, 100).await?;
    browser.open(&format!("file://{}", file.canonicalize()?.display())).await?;
    browser.size(WIDTH, browser.height().await?).await?;
    browser.picture(&arguments.out).await?;
    println!("{}", arguments.out.display());
    Ok(ExitCode::SUCCESS)
}

/// Orders of every story, of which a person decides some.
async fn work(world: &World, fleet: &[Worker], time: Duration) -> Result<()> {
    let (end, mut pace) = (Instant::now() + time, interval(BETWEEN_ORDERS));
    for (number, order) in sample(100_000, 1).into_iter().enumerate() {
        if Instant::now() > end {
            break;
        }
        pace.tick().await;
        world.start_execution(&order.input).await?;
        if number % ORDERS_A_DECISION == 0 {
            decide_one(world, &fleet[number % fleet.len()]).await?;
        }
    }
    Ok(())
}

async fn decide_one(world: &World, worker: &Worker) -> Result<()> {
    let waiting = world.get(worker, "/v1/tasks?status=ESCALATED&limit=1").await?.json();
    if let Some(id) = waiting["tasks"][0]["taskId"].as_str() {
        let decision = json!({"outcome": "approved", "reason": "checked", "by": "ada"});
        world.decide(worker, &TaskId::parse(id)?, &decision).await?;
    }
    Ok(())
}

/// Every panel, with the series of each of its queries: over time for a graph, else as of now.
async fn panels(prometheus: &Prometheus, begun: i64) -> Result<Vec<Value>> {
    let mut dashboard: Value = serde_json::from_str(DASHBOARD)?;
    let mut panels = dashboard["panels"].as_array_mut().map(std::mem::take).context("panels")?;
    let (start, end) = (begun.to_string(), jiff::Timestamp::now().as_second().to_string());
    let step = STEP.to_string();
    for panel in &mut panels {
        let is_graph = panel["type"] == "timeseries";
        for target in panel["targets"].as_array_mut().into_iter().flatten() {
            let query = target["expr"].as_str().context("a query")?.replace("$__rate_interval", "30s");
            let answer = if is_graph {
                let range = [("query", query.as_str()), ("start", &start), ("end", &end), ("step", &step)];
                prometheus.get("query_range", &range).await?
            } else {
                prometheus.get("query", &[("query", &query)]).await?
            };
            target["series"] = answer["data"]["result"].clone();
        }
    }
    Ok(panels)
}
