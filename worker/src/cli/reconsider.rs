//! `countersign tasks reconsider`: returns tasks that wait for a person to the rules.

use anyhow::anyhow;
use serde::Serialize;
use statemachine::token::TaskId;

use super::client::Api;
use super::render::{count, json, line};
use super::signer::Signer;
use super::{Failed, Format};
use crate::api::automation::Automation;
use crate::api::reconsider::ReconsiderBody;
use crate::api::view::TaskView;

/// Return tasks to the rules: after a pause, a used-up cap or stale rules, or once a rule is fixed.
///
/// Returns only undecided tasks that wait for a person. A task that the current rules left to a person stays, because
/// they would do so again. Rejected while automation is paused.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign tasks reconsider --code automation-paused --dry-run
  countersign tasks reconsider --code automation-paused
  countersign tasks reconsider 7a7816bf8f01cfea414140de5dae2223")]
pub(super) struct Reconsider {
    /// One task
    #[arg(value_parser = TaskId::parse, required_unless_present = "code", conflicts_with = "code")]
    pub(super) id: Option<TaskId>,
    /// Every task that was left to a person with this code
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Show which tasks these are, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    signer: Signer,
}

/// What became of one task.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tried {
    task_id: TaskId,
    order_id: String,
    given_back: bool,
    /// Why not.
    why: Option<String>,
}

/// Gives back those of the tasks that are meant.
pub(super) async fn reconsider(
    api: &Api,
    format: Format,
    args: Reconsider,
    mut tasks: Vec<TaskView>,
) -> Result<String, Failed> {
    if let Some(code) = &args.code {
        tasks.retain(|task| task.escalation.as_ref().is_some_and(|asked| asked.code == *code));
    }
    let automation: Automation = api.send(api.get("v1/automation")?).await?.body;
    if let Some(paused) = automation.paused {
        return Err(
            anyhow!("automation is paused by {}: {}; resume it first", paused.by, paused.reason).into()
        );
    }
    let by = args.signer.name(api)?;
    let mut tried = Vec::new();
    for task in tasks {
        let why = if args.dry_run { None } else { give_back(api, &task.task_id, by.clone()).await? };
        let given_back = !args.dry_run && why.is_none();
        tried.push(Tried { task_id: task.task_id, order_id: task.order_id, given_back, why });
    }
    match format {
        Format::Json => Ok(json(&tried)?),
        Format::Table => Ok(told(&tried, args.dry_run)),
    }
}

/// None when the rules have the task again, else why they have not.
async fn give_back(api: &Api, id: &TaskId, by: Option<String>) -> Result<Option<String>, Failed> {
    let request = api.post(&format!("v1/tasks/{id}/reconsider"))?.json(&ReconsiderBody { by });
    match api.send::<TaskView>(request).await {
        Ok(_) => Ok(None),
        Err(Failed::Problem(problem)) if problem.is("not-reconsidered") => Ok(Some(problem.detail)),
        Err(failed) => Err(failed),
    }
}

fn told(tried: &[Tried], dry_run: bool) -> String {
    let mut text = String::new();
    for Tried { task_id, order_id, why, .. } in tried {
        let end = match why {
            None if dry_run => "would be returned to the rules".to_owned(),
            None => "returned to the rules".to_owned(),
            Some(why) => format!("stays: {}", line(why, usize::MAX)),
        };
        text.push_str(&format!("task {task_id} (order {}): {end}\n", line(order_id, usize::MAX)));
    }
    let (all, given) = (tried.len(), tried.iter().filter(|tried| tried.given_back).count());
    text.push_str(&match dry_run {
        true => format!("{} would be tried; nothing was changed\n", count(all, "task")),
        false => format!("{given} of {} returned to the rules\n", count(all, "task")),
    });
    text
}
