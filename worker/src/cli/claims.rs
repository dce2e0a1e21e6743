//! `countersign tasks claim`, `release` and `comment`.

use statemachine::token::TaskId;

use super::client::Api;
use super::render::json;
use super::signer::Signer;
use super::{Failed, Format};
use crate::api::claims::{ClaimBody, CommentBody};
use crate::api::view::TaskView;

/// Claim a task for half an hour: others see that you are working on it, and it does not go back to the rules.
///
/// A claim does not stop others from deciding the task. Claiming it again starts another half hour.
#[derive(Debug, clap::Args)]
pub(super) struct Claim {
    /// The task
    #[arg(value_parser = TaskId::parse)]
    id: TaskId,
    #[command(flatten)]
    signer: Signer,
}

/// End your claim of a task.
#[derive(Debug, clap::Args)]
pub(super) struct Release {
    /// The task
    #[arg(value_parser = TaskId::parse)]
    id: TaskId,
    #[command(flatten)]
    signer: Signer,
}

/// Comment on a task, for the others: the workflow does not receive it. A comment cannot be changed or removed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  countersign tasks comment 7a7816bf8f01cfea414140de5dae2223 \"I have asked the customer\"")]
pub(super) struct Comment {
    /// The task
    #[arg(value_parser = TaskId::parse)]
    id: TaskId,
    /// The words, up to 1,000 bytes
    text: String,
    #[command(flatten)]
    signer: Signer,
}

pub(super) async fn claim(api: &Api, format: Format, args: Claim) -> Result<String, Failed> {
    let body = ClaimBody { by: args.signer.name(api)? };
    let request = api.post(&format!("v1/tasks/{}/claim", args.id))?.json(&body);
    let task: TaskView = api.send(request).await?.body;
    let until = task.claim.as_ref().map(|claim| claim.until.as_str()).unwrap_or_default();
    told(format, &task, format!("claimed until {until}"))
}

pub(super) async fn release(api: &Api, format: Format, args: Release) -> Result<String, Failed> {
    let body = ClaimBody { by: args.signer.name(api)? };
    let request = api.post(&format!("v1/tasks/{}/release", args.id))?.json(&body);
    told(format, &api.send(request).await?.body, "released".to_owned())
}

pub(super) async fn comment(api: &Api, format: Format, args: Comment) -> Result<String, Failed> {
    let body = CommentBody { text: args.text, by: args.signer.name(api)? };
    let request = api.post(&format!("v1/tasks/{}/comments", args.id))?.json(&body);
    told(format, &api.send(request).await?.body, "the comment is stored".to_owned())
}

fn told(format: Format, task: &TaskView, what: String) -> Result<String, Failed> {
    match format {
        Format::Json => Ok(json(task)?),
        Format::Table => Ok(format!("task {}: {what}\n", task.task_id)),
    }
}
