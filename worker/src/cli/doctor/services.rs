//! What a worker needs of the services, its rules, and the workers that are there.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use super::Finding;
use crate::cli::render::count;
use crate::cli::store::Opened;
use crate::config::RulesSource;
use crate::control::rules_folder::files_in_time;
use crate::control::table::Heartbeat;
use crate::control::tested::{tested, tested_before};
use crate::fleet::proof::{Proof, Shown};
use crate::metrics::{Metrics, registry};
use crate::stream::discovery::Discovery;

const STREAM: &str = "stream";
const CALLBACKS: &str = "callbacks";
const RULES: &str = "rules";
const WORKERS: &str = "workers";
/// Longer than two heartbeats are apart with the default lease.
const BEATS_APART: Duration = Duration::from_secs(4);

/// The stream and Step Functions, called as a starting worker calls them.
pub(super) async fn check(opened: &Opened) -> Vec<Finding> {
    let Opened { clients, config, .. } = opened;
    let rate = config.budgets.describe_stream;
    let proof = Proof {
        discovery: Discovery::new(
            clients.dynamodb.clone(),
            clients.streams.clone(),
            &config.tables.tasks,
            rate,
        ),
        sfn: clients.sfn.clone(),
        scope: config.aws.send_task_scope,
        metrics: Metrics::register(&mut registry()),
    };
    let (stream, callbacks) = tokio::join!(
        answered(async || proof.read_stream().await),
        answered(async || proof.call_back().await)
    );
    let remedy =
        "tasks are found by the sweeper alone, a minute late; deploy ops/template.yaml, which sets it";
    vec![
        finding(STREAM, "can be listed", stream, remedy),
        finding(CALLBACKS, "Step Functions answers", callbacks, ""),
    ]
}

/// Asks up to three times for an answer: the clients of both services repeat nothing themselves.
async fn answered(ask: impl AsyncFn() -> Shown) -> Shown {
    for _ in 0..2 {
        match ask().await {
            Shown::Nothing(_) => {}
            shown => return shown,
        }
    }
    ask().await
}

fn finding(on: &'static str, works: &str, shown: Shown, remedy: &str) -> Finding {
    match shown {
        Shown::Works => Finding::ok(on, works),
        Shown::Broken(reason) => Finding::broken(on, reason, remedy),
        Shown::Nothing(reason) => {
            Finding::broken(on, reason, "check the route from here to the service, and its endpoint")
        }
    }
}

/// The ruleset that a worker with these settings would start with: it compiles, and its tests pass.
pub(super) async fn rules(opened: &Opened) -> Vec<Finding> {
    let rules = &opened.config.rules;
    let now = crate::cli::now();
    let ruleset = match rules.source {
        RulesSource::Directory => files_in_time(&rules.dir).and_then(|files| tested(files, &now)),
        RulesSource::Published => match published(opened).await {
            Ok(files) => tested_before(files, &now),
            Err(finding) => return vec![finding],
        },
    };
    vec![match ruleset {
        Ok(ruleset) => Finding::ok(RULES, format!("{} compiles, and its tests pass", ruleset.label())),
        Err(refused) => {
            let first = refused.diagnostics.first().map(ToString::to_string).unwrap_or_default();
            let errors = count(refused.diagnostics.len(), "error");
            Finding::broken(
                RULES,
                format!("refused, {errors}, such as {first}"),
                "run `countersign rules check`",
            )
        }
    }]
}

async fn published(opened: &Opened) -> Result<rules::Files, Finding> {
    let table = &opened.control_table;
    let item = table.read_control_item().await;
    let item = item.map_err(|error| Finding::broken(RULES, error.to_string(), ""))?;
    let remedy = "run `countersign rules publish DIR`";
    let active = item.active.ok_or_else(|| Finding::broken(RULES, "no ruleset is published", remedy))?;
    let ruleset = table.load_ruleset(&active).await;
    let ruleset = ruleset.map_err(|error| Finding::broken(RULES, error.to_string(), remedy))?;
    Ok(ruleset.files().clone())
}

/// Which workers are alive, and whether they have the same version and ruleset.
pub(super) async fn fleet(opened: &Opened) -> Vec<Finding> {
    let table = &opened.control_table;
    let beats = async {
        let before = table.heartbeats().await?;
        sleep(BEATS_APART).await;
        Ok::<_, crate::aws::fault::Fault>((before, table.heartbeats().await?))
    };
    match beats.await {
        Ok((before, after)) => workers(&before, &after),
        Err(fault) => vec![Finding::broken(WORKERS, fault.to_string(), "")],
    }
}

fn workers(before: &[Heartbeat], after: &[Heartbeat]) -> Vec<Finding> {
    let moves = |beat: &&Heartbeat| {
        before.iter().all(|earlier| earlier.worker != beat.worker || earlier.counter != beat.counter)
    };
    let alive: Vec<&Heartbeat> = after.iter().filter(moves).collect();
    let rulesets = counted(&alive, |beat| &beat.ruleset);
    let versions = counted(&alive, |beat| &beat.version);
    let mut findings = match alive.len() {
        0 => vec![Finding::broken(
            WORKERS,
            "no worker has a heartbeat",
            "start a worker: until then nothing is decided",
        )],
        1 => vec![Finding::warning(WORKERS, "only one is alive", "run two, in case one machine fails")],
        some => vec![Finding::ok(WORKERS, format!("{some} are alive"))],
    };
    for (counts, differ) in
        [(&rulesets, "they decide by different rulesets"), (&versions, "their versions differ")]
    {
        if counts.len() > 1 {
            let each: Vec<String> =
                counts.iter().map(|(name, number)| format!("{name} on {number}")).collect();
            findings.push(Finding::warning(
                WORKERS,
                format!("{differ}: {}", each.join(", ")),
                "wait until a rollout ends, or deploy one package to all",
            ));
        }
    }
    findings
}

fn counted<'a>(alive: &[&'a Heartbeat], what: impl Fn(&'a Heartbeat) -> &'a str) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for beat in alive {
        *counts.entry(what(beat)).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    fn beat(worker: &str, counter: i64, ruleset: &str) -> Heartbeat {
        let (worker, ruleset) = (worker.to_owned(), ruleset.to_owned());
        Heartbeat {
            worker,
            counter,
            leaving: false,
            ruleset,
            version: "0.1.0".to_owned(),
            uptime: None,
            report: None,
        }
    }

    #[test]
    fn only_a_heartbeat_that_moves_is_a_worker() {
        let before = [beat("a", 1, "r@1"), beat("b", 9, "r@1")];
        let still = workers(&before, &before);
        assert_eq!(still[0].grade, Grade::Broken, "{still:?}");
        let one = workers(&before, &[beat("a", 2, "r@1"), beat("b", 9, "r@1")]);
        assert_eq!((one.len(), one[0].grade), (1, Grade::Warning), "{one:?}");
        let two = workers(&before, &[beat("a", 2, "r@1"), beat("c", 1, "r@2")]);
        assert_eq!((two.len(), two[0].grade, two[1].grade), (2, Grade::Ok, Grade::Warning), "{two:?}");
        assert!(two[1].what.contains("r@1 on 1, r@2 on 1"), "{two:?}");
    }

    #[test]
    fn versions_that_differ_are_told() {
        let newer = Heartbeat { version: "0.2.0".to_owned(), ..beat("c", 1, "r@1") };
        let two = workers(&[], &[beat("a", 2, "r@1"), newer]);
        assert_eq!((two.len(), two[1].grade), (2, Grade::Warning), "{two:?}");
        assert!(two[1].what.contains("their versions differ: 0.1.0 on 1, 0.2.0 on 1"), "{two:?}");
    }
}
