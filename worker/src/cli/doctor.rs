//! `countersign doctor`: whether a deployment can work, asked of AWS itself.
//!
//! Each check makes harmless calls with the caller's own credentials, and ends in findings: what is right, what is
//! doubtful, what is broken, each with its remedy. A check that could not be made is a finding too.

mod ingest;
mod permissions;
mod queues;
mod quotas;
mod services;
mod tables;
mod workflow;

use std::time::Duration;

use serde::Serialize;

use crate::aws::fault::Fault;

use super::render::{json, line, plain, table};
use super::store::{Opened, Store};
use super::{Failed, Format, Printed};

/// The longest a call of Lambda or Service Quotas may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Check a deployment: tables, stream, queues, ingest, callbacks, quotas, rules, workers, and workflows that send tasks.
///
/// Every call is harmless. Run it on a machine of the workers, with their role, or with an operator's credentials. It ends
/// with exit code 1 if something is broken; warnings alone end with 0.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign doctor --config /etc/countersign/config.toml
  countersign doctor --state-machine arn:aws:states:eu-west-1:123456789012:stateMachine:shop --format json")]
pub(super) struct Args {
    #[command(flatten)]
    store: Store,
    /// A state machine that sends tasks, by its ARN; may be repeated. Needs states:DescribeStateMachine
    #[arg(long, value_name = "ARN")]
    state_machine: Vec<String>,
    /// The output format: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Ok,
    Warning,
    Broken,
}

/// What one check showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    grade: Grade,
    /// What was checked, such as `tasks table`.
    on: &'static str,
    what: String,
    /// What to do; empty if nothing is to be done.
    remedy: String,
}

impl Finding {
    fn ok(on: &'static str, what: impl Into<String>) -> Finding {
        Finding { grade: Grade::Ok, on, what: what.into(), remedy: String::new() }
    }

    fn warning(on: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { grade: Grade::Warning, on, what: what.into(), remedy: remedy.into() }
    }

    fn broken(on: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { grade: Grade::Broken, on, what: what.into(), remedy: remedy.into() }
    }
}

/// A check failed that no worker needs: run it with credentials that have the permission.
fn unseen(on: &'static str, fault: &Fault) -> Finding {
    match fault.is_denied() {
        true => Finding::warning(
            on,
            format!("not checked: {} on {}: {}", fault.operation, fault.on, fault.code),
            "the workers do not need this permission: run doctor with an operator's credentials too",
        ),
        false => Finding::broken(on, fault.to_string(), ""),
    }
}

pub(super) async fn doctor(args: Args) -> Result<Printed, Failed> {
    let opened = args.store.open().await?;
    let findings = Box::pin(examine(&opened, &args.state_machine)).await;
    let is_broken = findings.iter().any(|finding| finding.grade == Grade::Broken);
    let text = match args.format {
        Format::Json => json(&findings)?,
        Format::Table => text(&findings),
    };
    Ok(Printed { text, code: u8::from(is_broken) })
}

async fn examine(opened: &Opened, state_machines: &[String]) -> Vec<Finding> {
    let Opened { clients, config, .. } = opened;
    let workflows = async {
        let mut findings = vec![];
        for arn in state_machines {
            findings.extend(workflow::check(&clients.sfn, arn, config.queues.tasks.as_deref()).await);
        }
        findings
    };
    let queues = async {
        let (mut findings, tasks) = Box::pin(queues::check(&clients.sqs, &config.queues)).await;
        findings.extend(Box::pin(ingest::check(opened, tasks.as_ref())).await);
        findings
    };
    let (tables, services, permissions, quotas, queues, fleet, workflows) = tokio::join!(
        tables::check(clients, &config.tables),
        services::check(opened),
        permissions::check(clients, config, state_machines),
        Box::pin(quotas::check(opened)),
        queues,
        services::fleet(opened),
        workflows,
    );
    // By itself: while the rules' tests run, no answer would be read in time.
    let rules = Box::pin(services::rules(opened)).await;
    [tables, services, permissions, quotas, queues, rules, fleet, workflows].concat()
}

fn text(findings: &[Finding]) -> String {
    let rows: Vec<[String; 3]> = findings
        .iter()
        .map(|finding| {
            let grade = match finding.grade {
                Grade::Ok => "ok",
                Grade::Warning => "warning",
                Grade::Broken => "BROKEN",
            };
            let mut what = plain(&finding.what);
            if !finding.remedy.is_empty() {
                what.push_str(&format!("; {}", plain(&finding.remedy)));
            }
            [grade.to_owned(), finding.on.to_owned(), line(&what, 1_000)]
        })
        .collect();
    let count = |grade| findings.iter().filter(|finding| finding.grade == grade).count();
    let (broken, warnings) = (count(Grade::Broken), count(Grade::Warning));
    format!(
        "{}{broken} broken, {}\n",
        table(["", "ON", "WHAT"], &rows),
        super::render::count(warnings, "warning")
    )
}
