//! `countersign tasks batch`: one decision for many tasks, each decided by itself.

use statemachine::decision::Outcome;
use statemachine::token::TaskId;

use super::client::Api;
use super::render::{count, json, line};
use super::signer::Signer;
use super::{Failed, Format, Printed};
use crate::api::batch::{BatchBody, BatchDecision, BatchResults, Came, MAX_BATCH};
use crate::api::view::TaskView;

/// Approve or reject many tasks with one reason: each is decided separately, and only if it has not changed since this command read it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign tasks batch reject --code no-rule-approved --reason \"the campaign is over\" --dry-run
  countersign tasks batch approve 7a7816bf8f01cfea414140de5dae2223 ba7816bf8f01cfea414140de5dae2223

Exit code 3 if any of the tasks was refused.")]
pub(super) struct Batch {
    /// The decision
    #[arg(value_enum)]
    decision: Decision,
    /// The tasks
    #[arg(value_parser = TaskId::parse, required_unless_present = "code", conflicts_with = "code")]
    pub(super) ids: Vec<TaskId>,
    /// Every task that was left to people with this code
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// The reason that each workflow receives; required to reject
    #[arg(long, default_value = "", required_if_eq("decision", "reject"))]
    reason: String,
    /// Show what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    signer: Signer,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Decision {
    Approve,
    Reject,
}

/// Decides those of the tasks that are meant.
pub(super) async fn batch(
    api: &Api,
    format: Format,
    args: Batch,
    mut tasks: Vec<TaskView>,
) -> Result<Printed, Failed> {
    if let Some(code) = &args.code {
        tasks.retain(|task| task.escalation.as_ref().is_some_and(|asked| asked.code == *code));
    }
    let outcome = match args.decision {
        Decision::Approve => Outcome::Approved,
        Decision::Reject => Outcome::Rejected,
    };
    let by = args.signer.name(api)?;
    let mut all = BatchResults { dry_run: args.dry_run, results: Vec::new() };
    for some in tasks.chunks(MAX_BATCH) {
        let decisions = some.iter().map(|task| BatchDecision {
            task_id: task.task_id.clone(),
            etag: task.etag.clone(),
            outcome,
            reason: args.reason.clone(),
        });
        let body = BatchBody { decisions: decisions.collect(), dry_run: args.dry_run, by: by.clone() };
        let results: BatchResults = api.send(api.post("v1/tasks:batch")?.json(&body)).await?.body;
        all.results.extend(results.results);
    }
    let refused = all.results.iter().filter(|result| result.result == Came::Refused).count();
    let text = match format {
        Format::Json => json(&all)?,
        Format::Table => told(&all, refused),
    };
    Ok(Printed { text, code: if refused == 0 { 0 } else { 3 } })
}

fn told(all: &BatchResults, refused: usize) -> String {
    let mut text = String::new();
    for result in &all.results {
        let start = if result.result == Came::Refused { "refused: " } else { "" };
        text.push_str(&format!("task {}: {start}{}\n", result.task_id, line(&result.detail, usize::MAX)));
    }
    let end = if all.dry_run { "; nothing was changed" } else { "" };
    text.push_str(&format!("{}, {refused} refused{end}\n", count(all.results.len(), "task")));
    text
}
