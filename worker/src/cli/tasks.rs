//! `countersign tasks`: lists the tasks that wait for a person, and decides them.

use clap::Subcommand;
use reqwest::{StatusCode, header};
use statemachine::decision::Outcome;
use statemachine::token::TaskId;

use super::client::{Api, Reply, Server};
use super::render::json;
use super::signer::Signer;
use super::{EXIT_CODES, Failed, Format, Printed, batch, claims, export, reconsider, show, story};
use crate::api::lists::{ListParams, TaskPage};
use crate::api::tasks::DecisionBody;
use crate::api::view::TaskView;
use crate::steps::story::Story;
use crate::tasks::list::MAX_PAGE;

/// See and decide tasks.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    server: Server,
    /// The output format: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table, global = true)]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Story(Told),
    Approve(Approve),
    Reject(Reject),
    Batch(batch::Batch),
    Claim(claims::Claim),
    Release(claims::Release),
    Comment(claims::Comment),
    Reconsider(reconsider::Reconsider),
    Export(export::Export),
}

/// List tasks: by default those that wait for a person.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  countersign tasks list
  countersign tasks list --code over-tier-limit --all
  countersign tasks list --mine
  countersign tasks list --due-before 2026-11-22T18:00:00Z
  countersign tasks list --status DUE,VERIFY
  countersign tasks list --day 2026-11-22 --status FAILED --format json
  countersign tasks list --order o-1042")]
struct List {
    /// Open tasks: PENDING, ESCALATED, DUE, VERIFY, separated by commas; with --day: APPROVED, REJECTED, EXPIRED or FAILED
    #[arg(long)]
    status: Option<String>,
    /// All tasks of an order
    #[arg(long, value_name = "ORDER_ID", conflicts_with_all = ["status", "day", "due_before"])]
    order: Option<String>,
    /// Tasks that settled on this day, in UTC
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "due_before")]
    day: Option<String>,
    /// Only escalated tasks whose workflow stops waiting before this time, RFC 3339
    #[arg(long, value_name = "TIME", conflicts_with = "status")]
    due_before: Option<String>,
    /// Only tasks whose escalation or decision has this code
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Only tasks that this rule escalated or decided
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Only tasks of this state machine
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Only tasks that were received before this time, RFC 3339
    #[arg(long, value_name = "TIME")]
    received_before: Option<String>,
    /// Only tasks that this person has claimed
    #[arg(long, value_name = "NAME", conflicts_with_all = ["mine", "unclaimed"])]
    claimed_by: Option<String>,
    /// Only tasks that you have claimed; for a worker that asks for no token, use --claimed-by
    #[arg(long, conflicts_with = "unclaimed")]
    mine: bool,
    /// Only tasks that nobody has claimed
    #[arg(long)]
    unclaimed: bool,
    /// List every task
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// The maximum number of tasks to list
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Show one task: why the rules left it to a person, its facts, what was decided.
#[derive(Debug, clap::Args)]
struct Show {
    /// The task
    #[arg(value_parser = TaskId::parse)]
    id: TaskId,
}

/// Show one task's story: what happened to it, when, and by which worker.
///
/// The log has the same: search the logs of the Lambda and of all workers for the task's id.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign tasks story 7a7816bf8f01cfea414140de5dae2223
  countersign tasks story 7a7816bf8f01cfea414140de5dae2223 --format json")]
struct Told {
    /// The task
    #[arg(value_parser = TaskId::parse)]
    id: TaskId,
}

/// Approve a task: its workflow continues.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Example:\n  countersign tasks approve 7a7816bf8f01cfea414140de5dae2223 --reason \"known customer\"\n\n{EXIT_CODES}"))]
struct Approve {
    /// The task
    #[arg(value_parser = TaskId::parse)]
    id: TaskId,
    /// The reason that the workflow receives
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    person: Person,
}

/// Reject a task: its workflow receives the error Approval.Rejected.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Example:\n  countersign tasks reject 7a7816bf8f01cfea414140de5dae2223 --reason \"address does not exist\"\n\n{EXIT_CODES}"))]
struct Reject {
    /// The task
    #[arg(value_parser = TaskId::parse)]
    id: TaskId,
    /// The reason that the workflow receives
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    person: Person,
}

#[derive(Debug, clap::Args)]
struct Person {
    #[command(flatten)]
    signer: Signer,
    /// Only if the task is still as reviewed: the ETag that `show` printed
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
}

pub(super) async fn tasks(args: Args) -> Result<Printed, Failed> {
    let api = args.server.connect()?;
    let text = match args.command {
        Command::Export(args) => return export::export(args).await,
        Command::Batch(given) => {
            let mut tasks = Vec::new();
            for id in &given.ids {
                tasks.push(api.send(api.get(&format!("v1/tasks/{id}"))?).await?.body);
            }
            if given.ids.is_empty() {
                tasks = waiting(&api).await?;
            }
            return batch::batch(&api, args.format, given, tasks).await;
        }
        Command::List(list) => {
            let page = read(&api, list).await?;
            match args.format {
                Format::Json => json(&page)?,
                Format::Table => show::list(&page),
            }
        }
        Command::Show(Show { id }) => {
            let task: TaskView = api.send(api.get(&format!("v1/tasks/{id}"))?).await?.body;
            match args.format {
                Format::Json => json(&task)?,
                Format::Table => show::task(&task),
            }
        }
        Command::Story(Told { id }) => {
            let story: Story = api.send(api.get(&format!("v1/tasks/{id}/story"))?).await?.body;
            match args.format {
                Format::Json => json(&story)?,
                Format::Table => story::story(&story),
            }
        }
        Command::Approve(Approve { id, reason, person }) => {
            decide(&api, args.format, &id, Outcome::Approved, reason, person).await?
        }
        Command::Reject(Reject { id, reason, person }) => {
            decide(&api, args.format, &id, Outcome::Rejected, reason, person).await?
        }
        Command::Claim(claim) => claims::claim(&api, args.format, claim).await?,
        Command::Release(release) => claims::release(&api, args.format, release).await?,
        Command::Comment(comment) => claims::comment(&api, args.format, comment).await?,
        Command::Reconsider(given) => {
            let tasks = match &given.id {
                Some(id) => vec![api.send(api.get(&format!("v1/tasks/{id}"))?).await?.body],
                None => waiting(&api).await?,
            };
            reconsider::reconsider(&api, args.format, given, tasks).await?
        }
    };
    Ok(text.into())
}

/// Every task that waits for a person.
async fn waiting(api: &Api) -> Result<Vec<TaskView>, Failed> {
    Ok(read(api, List { all: true, ..List::default() }).await?.tasks)
}

/// Reads pages until there are `limit` tasks or no more.
async fn read(api: &Api, list: List) -> Result<TaskPage, Failed> {
    let limit = if list.all { usize::MAX } else { usize::try_from(list.limit).unwrap_or(MAX_PAGE) };
    let waits_for_a_person = list.order.is_none() && list.day.is_none() && list.due_before.is_none();
    let claimed_by = match (list.mine, list.unclaimed) {
        (true, _) => Some("me".to_owned()),
        (_, true) => Some("nobody".to_owned()),
        _ => list.claimed_by,
    };
    let mut params = ListParams {
        status: list.status.or_else(|| waits_for_a_person.then(|| "ESCALATED".to_owned())),
        order_id: list.order,
        day: list.day,
        due_before: list.due_before,
        code: list.code,
        rule: list.rule,
        workflow: list.workflow,
        received_before: list.received_before,
        claimed_by,
        limit: None,
        cursor: None,
    };
    let mut all = TaskPage { tasks: Vec::new(), cursor: None };
    loop {
        params.limit = Some((limit - all.tasks.len()).min(MAX_PAGE));
        let page: TaskPage = api.send(api.get("v1/tasks")?.query(&params)).await?.body;
        all.tasks.extend(page.tasks);
        all.cursor = page.cursor;
        if all.cursor.is_none() || all.tasks.len() >= limit {
            return Ok(all);
        }
        params.cursor.clone_from(&all.cursor);
    }
}

async fn decide(
    api: &Api,
    format: Format,
    id: &TaskId,
    outcome: Outcome,
    reason: String,
    person: Person,
) -> Result<String, Failed> {
    let body = DecisionBody { outcome, reason, by: person.signer.name(api)? };
    let mut request = api.post(&format!("v1/tasks/{id}/decision"))?.json(&body);
    if let Some(etag) = person.if_match {
        request = request.header(header::IF_MATCH, format!("\"{etag}\""));
    }
    let Reply { status, body: task } = api.send::<TaskView>(request).await?;
    match format {
        Format::Json => Ok(json(&task)?),
        Format::Table if task.decision.is_none() => Ok(format!(
            "task {id}: approved; this is the first of two approvals, and another person must approve it too\n"
        )),
        Format::Table if status == StatusCode::ACCEPTED => Ok(format!(
            "task {id}: {outcome}; the decision is stored and its delivery to the workflow goes on\n"
        )),
        Format::Table => Ok(format!("task {id}: {outcome}; the workflow has the answer\n")),
    }
}
