//! `cargo ops trial alerts`: seconds from the begin of a stall to its alert, and from its end to the alert's.
//!
//! Real workers, a real Prometheus and the repository's own rules. So that the trial takes minutes and not hours, all
//! of the rules' durations are divided; the thresholds are not.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ops::emulator::free_port;
use ops::orders::{Story, sample};
use ops::prometheus::Prometheus;
use ops::proxy::Proxy;
use ops::world::{WorkerOptions, World, eventually};
use tokio::time::Instant;

use super::patient;
use super::stalls::{Site, Stall};

const ALERTS: &str = include_str!("../../prometheus/alerts.yaml");
const FLEET: usize = 3;
const BETWEEN_ORDERS: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// A rate needs some scrapes, which are a second apart.
const SHORTEST: u64 = 5;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Divide each duration of the rules by this
    #[arg(long, default_value_t = 10)]
    divide: u64,
    /// Seconds until an alert that does not fire, or does not resolve, counts as failed
    #[arg(long, default_value_t = 300)]
    patience: u64,
    /// Only this stall, such as stream-off
    #[arg(long)]
    only: Option<String>,
}

/// Goes through the stalls, and prints how each went.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let chosen = |stall: &Stall| arguments.only.as_ref().is_none_or(|only| only == stall.name());
    let stalls: Vec<Stall> = Stall::ALL.into_iter().filter(chosen).collect();
    ensure!(!stalls.is_empty(), "no such stall: choose one of {:?}", Stall::ALL.map(Stall::name));
    let world = World::start(patient()).await?;
    let prometheus = world.start_prometheus(&shortened(ALERTS, arguments.divide)).await?;
    let mut site = site(&world).await?;
    let urls: Vec<&str> =
        site.fleet.iter().filter_map(|(_, w)| Some(w.as_ref()?.metrics_url.as_str())).collect();
    prometheus.scrape(&urls)?;
    println!("the rules' durations are divided by {}", arguments.divide);
    let trial = async {
        let mut table = String::from(
            "| stall | alert | fires after | resolves after | others that fired |\n|---|---|---|---|---|\n",
        );
        for stall in stalls {
            let row = measure(&mut site, &prometheus, stall, Duration::from_secs(arguments.patience)).await?;
            println!("{row}");
            writeln!(table, "{row}")?;
        }
        Ok(table)
    };
    let table: Result<String> = tokio::select! {
        biased;
        failed = load(&world) => Err(failed.err().context("the orders ended").unwrap_or_else(|error| error)),
        table = trial => table,
    };
    println!("\n{}", table?);
    Ok(ExitCode::SUCCESS)
}

/// A fleet behind a proxy, with a copy of the sample rules to edit, and each worker on a port that it keeps.
async fn site(world: &World) -> Result<Site<'_>> {
    let rules = world.copied_rules()?;
    let proxy = Proxy::start(&world.emulator).await?;
    let settings = [("WORKER__LEASE_MS", "3000"), ("WORKER__SWEEP_MS", "1000")];
    let variables = settings.map(|(key, value)| (format!("COUNTERSIGN_{key}"), value.to_owned()));
    let mut site = Site::new(world, proxy, rules.clone());
    for _ in 0..FLEET {
        let options = WorkerOptions {
            endpoint_url: Some(site.proxy.url.clone()),
            rules_dir: Some(rules.clone()),
            metrics_listen: Some(format!("127.0.0.1:{}", free_port()?)),
            variables: variables.to_vec(),
            ..WorkerOptions::default()
        };
        site.fleet.push((options, None));
    }
    site.start().await?;
    Ok(site)
}

/// Orders that the rules decide, one after the other.
async fn load(world: &World) -> Result<()> {
    let orders = sample(100_000, 1).into_iter().filter(|order| order.story == Story::SmallKnown);
    for order in orders {
        world.start_execution(&order.input).await?;
        tokio::time::sleep(BETWEEN_ORDERS).await;
    }
    Ok(())
}

/// One row of the table.
async fn measure(
    site: &mut Site<'_>,
    prometheus: &Prometheus,
    stall: Stall,
    patience: Duration,
) -> Result<String> {
    eventually(patience, "no alert fires before the stall", async || {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        Ok(firing(prometheus, "").await?.is_empty().then_some(()))
    })
    .await?;
    let mut others = Vec::new();
    let begun = Instant::now();
    site.begin(stall).await?;
    let fired = until(prometheus, stall, true, begun + patience, &mut others).await?;
    let ended = Instant::now();
    site.end(stall).await?;
    let resolved = if fired.is_some() {
        until(prometheus, stall, false, ended + patience, &mut others).await?
    } else {
        None
    };
    let (fired, resolved) = (fired.map(|at| at - begun), resolved.map(|at| at - ended));
    let seconds = |took: Option<Duration>| {
        took.map_or("never".to_owned(), |took| format!("{:.0} s", took.as_secs_f64()))
    };
    let alert = stall.alert().replace("alertname=", "").replace('"', "");
    Ok(format!(
        "| {} | {alert} | {} | {} | {} |",
        stall.name(),
        seconds(fired),
        seconds(resolved),
        others.join(", ")
    ))
}

/// Waits until the stall's alert fires, or no longer fires; `None` if that has not happened by the deadline.
async fn until(
    prometheus: &Prometheus,
    stall: Stall,
    is_firing: bool,
    deadline: Instant,
    others: &mut Vec<String>,
) -> Result<Option<Instant>> {
    while Instant::now() < deadline {
        if firing(prometheus, stall.alert()).await?.is_empty() != is_firing {
            return Ok(Some(Instant::now()));
        }
        for other in firing(prometheus, "").await? {
            if !stall.alert().contains(&other) && !others.contains(&other) {
                others.push(other);
            }
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Ok(None)
}

/// The names of the alerts with these labels that fire now.
async fn firing(prometheus: &Prometheus, labels: &str) -> Result<Vec<String>> {
    let series = prometheus.query(&format!("ALERTS{{alertstate=\"firing\",{labels}}}")).await?;
    let name = |series: &serde_json::Value| series["metric"]["alertname"].as_str().map(str::to_owned);
    Ok(series.iter().filter_map(name).collect())
}

/// The rules with each `for:` and each range divided.
fn shortened(rules: &str, divide: u64) -> String {
    let mut text = String::new();
    let mut rest = rules;
    while let Some(at) = [rest.find("for: "), rest.find('[')].into_iter().flatten().min() {
        let start = at + rest[at..].find([' ', '[']).map_or(0, |from| from + 1);
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
        let unit = rest[digits..].chars().next().and_then(|unit| {
            [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)].into_iter().find(|(name, _)| *name == unit)
        });
        if let (Ok(count), Some((_, seconds))) = (rest[..digits].parse::<u64>(), unit) {
            write!(text, "{}s", (count * seconds / divide).max(SHORTEST)).expect("a string takes all text");
            rest = &rest[digits + 1..];
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_divided_and_nothing_else_is() {
        let rules = "for: 5m\nexpr: sum(increase(a{b=~\"c|d\"}[1h])) > 60 and x[30s] # for: him [all]\n";
        let divided = "for: 30s\nexpr: sum(increase(a{b=~\"c|d\"}[360s])) > 60 and x[5s] # for: him [all]\n";
        assert_eq!(shortened(rules, 10), divided);
    }
}
