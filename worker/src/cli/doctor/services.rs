//! What a worker needs of the services, its rules, and the workers that are there.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use super::Finding;
use crate::cli::render::count;
use crate::cli::store::Opened;
use crate::config::RulesSource;
use crate::control::table::Heartbeat;
use crate::control::tested::tested;
use crate::fleet::proof::{Proof, Shown};
use crate::metrics::{Metrics, registry};
use crate::stream::discovery::Discovery;

const STREAM: &str = "stream";
const CALLBACKS: &str = "callbacks";
const RULES: &str = "rules";
const WORKERS: &str = "workers";
/// Longer than two heartbeats are apart with the default lease.
const BEATS_APART: Duration = Duration::from_secs(4);

/// The stream and Step Functions, as a starting worker asks them.
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
    let (stream, callbacks) = tokio::join!(proof.read_stream(), proof.call_back());
    let remedy =
        "tasks are found by the sweeper alone, a minute late; deploy ops/template.yaml, which sets it";
    vec![
        finding(STREAM, "can be listed", stream, remedy),
        finding(CALLBACKS, "Step Functions answers", callbacks, ""),
    ]
}

fn finding(on: &'static str, works: &str, shown: Shown, remedy: &str) -> Finding {
    match shown {
        Shown::Works => Finding::ok(on, works),
        Shown::Broken(reason) => Finding::broken(on, reason, remedy),
        Shown::Nothing(reason) => Finding::broken(on, reason, "is the service reachable from here?"),
    }
}

/// The ruleset that a worker with these settings would start with: it compiles, and its tests pass.
pub(super) async fn rules(opened: &Opened) -> Vec<Finding> {
    let rules = &opened.config.rules;
    let files = match rules.source {
        RulesSource::Directory => rules::snapshot(&rules.dir),
        RulesSource::Published => match published(opened).await {
            Ok(files) => Ok(files),
            Err(finding) => return vec![finding],
        },
    };
    vec![match files.and_then(|files| tested(files, &crate::cli::now())) {
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

/// Whose heartbeat moves, and whether all have one ruleset.
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
    let mut rulesets: BTreeMap<&str, usize> = BTreeMap::new();
    for beat in &alive {
        *rulesets.entry(beat.ruleset.as_str()).or_default() += 1;
    }
    let mut findings = match alive.len() {
        0 => vec![Finding::broken(
            WORKERS,
            "no worker has a heartbeat",
            "start one: nothing is decided meanwhile",
        )],
        1 => vec![Finding::warning(WORKERS, "one is alive", "run two, in case one machine fails")],
        some => vec![Finding::ok(WORKERS, format!("{some} are alive"))],
    };
    if rulesets.len() > 1 {
        let each: Vec<String> = rulesets.iter().map(|(set, number)| format!("{set} on {number}")).collect();
        let what = format!("they decide by different rulesets: {}", each.join(", "));
        findings.push(Finding::warning(
            WORKERS,
            what,
            "wait until a rollout ends, or deploy one package to all",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    fn beat(worker: &str, counter: i64, ruleset: &str) -> Heartbeat {
        let (worker, ruleset) = (worker.to_owned(), ruleset.to_owned());
        Heartbeat { worker, counter, leaving: false, ruleset, uptime: None, report: None }
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
}
