//! `countersign dead-letters`: what could not be handled, why, and back or away with it.

mod shown;

use anyhow::Context as _;
use clap::Subcommand;

use self::shown::{Read, list, show};
use super::ask::agreed;
use super::render::plain;
use super::store::{Opened, Store};
use super::{Failed, Format, Printed};
use crate::config::Queues as Settings;
use crate::dead_letters::DeadLetterQueue;
use crate::dead_letters::letter::{Content, Kind, Letter, verdict};
use crate::tasks::table::TaskTable;

/// The most letters of a queue that one command reads.
const MOST: usize = 5_000;
/// List, show, redrive or discard messages that could not be handled.
///
/// The settings queues.task_dead_letters and queues.closed_executions_dead_letters name the queues; a redrive also needs
/// queues.tasks and queues.closed_executions. Reading a letter hides it from others for up to a minute.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign dead-letters list
  countersign dead-letters redrive --all
  countersign dead-letters discard 7f3a91c2-b1d0-4e5f-9a7e-0d4c9a3b1f00")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the letters of both queues, oldest first, with the reason of each
    List(List),
    /// Show one letter without its task token
    Show(Show),
    /// Send letters to their queue again
    Redrive(Redrive),
    /// Delete letters permanently; the workflow of a task gets no answer
    Discard(Discard),
}

#[derive(Debug, clap::Args)]
struct List {
    /// The output format: a table for people, or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    store: Store,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The letter's id
    id: String,
    #[command(flatten)]
    store: Store,
}

#[derive(Debug, clap::Args)]
struct Redrive {
    /// The letters' ids
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "ID")]
    ids: Vec<String>,
    /// Every letter that may succeed now; the others stay
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    store: Store,
}

#[derive(Debug, clap::Args)]
struct Discard {
    /// The letters' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Discard without asking
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    store: Store,
}

/// The configured queues.
struct Queues {
    queues: Vec<DeadLetterQueue>,
    settings: Settings,
    tasks: TaskTable,
}

pub(super) async fn dead_letters(args: Args) -> Result<Printed, Failed> {
    match args.command {
        Command::List(args) => {
            let queues = Queues::open(args.store.open().await?)?;
            let letters = queues.read(|_| true).await?;
            Ok(list(&letters, args.format)?.into())
        }
        Command::Show(args) => {
            let queues = Queues::open(args.store.open().await?)?;
            let letters = queues.read(|letter| letter.id == args.id).await?;
            Ok(match letters.first() {
                Some(read) => show(read).into(),
                None => not_there(&[args.id]),
            })
        }
        Command::Redrive(args) => redrive(args).await,
        Command::Discard(args) => discard(args).await,
    }
}

/// A letter that is hidden from others, with its queue.
type Held<'q> = (&'q DeadLetterQueue, Read);

/// Makes letters visible to others. One that is not released is visible again after a minute.
async fn release(held: &[Held<'_>]) {
    for (queue, read) in held {
        let _ = queue.release(&read.letter).await;
    }
}

impl Queues {
    fn open(opened: Opened) -> Result<Queues, Failed> {
        let settings = opened.config.queues;
        let url = |kind| match kind {
            Kind::Task => settings.task_dead_letters.clone(),
            Kind::ClosedExecution => settings.closed_executions_dead_letters.clone(),
        };
        let queues = Kind::ALL.into_iter().filter_map(|kind| {
            Some(DeadLetterQueue { sqs: opened.clients.sqs.clone(), url: url(kind)?, kind })
        });
        let queues: Vec<DeadLetterQueue> = queues.collect();
        if queues.is_empty() {
            return Err(anyhow::anyhow!(
                "set queues.task_dead_letters and queues.closed_executions_dead_letters to the URLs of the stack's \
                 outputs TaskDeadLetterQueueUrl and ClosedExecutionsDeadLetterQueueUrl"
            )
            .into());
        }
        let retention = jiff::SignedDuration::ZERO;
        let tasks = TaskTable::new(opened.clients.dynamodb, &opened.config.tables.tasks, retention);
        Ok(Queues { queues, settings, tasks })
    }

    /// The queue that the letters come from.
    fn source(&self, kind: Kind) -> Result<&str, Failed> {
        let (source, told) = match kind {
            Kind::Task => {
                (&self.settings.tasks, "queues.tasks to the URL of the stack's output TaskQueueUrl")
            }
            Kind::ClosedExecution => (
                &self.settings.closed_executions,
                "queues.closed_executions to the URL of the stack's output ClosedExecutionsQueueUrl",
            ),
        };
        Ok(source.as_deref().with_context(|| format!("set {told}"))?)
    }

    /// Reads the letters that are wanted, and releases all letters.
    async fn read(&self, is_wanted: impl Fn(&Letter) -> bool) -> Result<Vec<Read>, Failed> {
        let held = self.hold(is_wanted).await?;
        release(&held).await;
        Ok(held.into_iter().map(|(_, read)| read).collect())
    }

    /// Holds the letters that are wanted, so that their receipts stay valid, and releases the others.
    async fn hold(&self, is_wanted: impl Fn(&Letter) -> bool) -> Result<Vec<Held<'_>>, Failed> {
        let mut held = Vec::new();
        for queue in &self.queues {
            for letter in queue.receive(MOST).await? {
                if is_wanted(&letter) {
                    held.push((queue, self.look_into(letter).await?));
                } else {
                    // One that is not released is visible again after a minute.
                    let _ = queue.release(&letter).await;
                }
            }
        }
        Ok(held)
    }

    async fn look_into(&self, letter: Letter) -> Result<Read, Failed> {
        let content = letter.content();
        let stored = match &content {
            Content::Task(task) => self.tasks.item(&task.id).await?,
            Content::Closed { .. } | Content::Unusable(_) => None,
        };
        let verdict = verdict(&content, stored.as_ref());
        Ok(Read { letter, content, verdict })
    }
}

async fn redrive(args: Redrive) -> Result<Printed, Failed> {
    let queues = Queues::open(args.store.open().await?)?;
    let held = queues.hold(|letter| args.all || args.ids.contains(&letter.id)).await?;
    let (mut redriven, mut left) = (0, 0);
    let mut missing = args.ids.clone();
    for (queue, read) in held {
        missing.retain(|id| *id != read.letter.id);
        if args.all && !read.verdict.is_redrivable {
            let _ = queue.release(&read.letter).await;
            left += 1;
            continue;
        }
        queue.redrive(&read.letter, queues.source(queue.kind)?).await?;
        redriven += 1;
    }
    if !missing.is_empty() {
        return Ok(not_there(&missing));
    }
    let left = if left > 0 { format!(", {left} left, since they would fail again") } else { String::new() };
    Ok(format!("{redriven} redriven{left}\n").into())
}

async fn discard(args: Discard) -> Result<Printed, Failed> {
    let queues = Queues::open(args.store.open().await?)?;
    let held = queues.hold(|letter| args.ids.contains(&letter.id)).await?;
    let there = |id: &String| held.iter().any(|(_, read)| read.letter.id == *id);
    let missing: Vec<String> = args.ids.iter().filter(|id| !there(id)).cloned().collect();
    let is_agreed = match missing.is_empty() && !args.yes {
        true => agreed(&format!("discard {} letters", held.len())),
        false => Ok(args.yes),
    };
    if !missing.is_empty() || !matches!(is_agreed, Ok(true)) {
        release(&held).await;
        return match is_agreed {
            _ if !missing.is_empty() => Ok(not_there(&missing)),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(Printed { text: "nothing discarded\n".to_owned(), code: 1 }),
        };
    }
    for (queue, read) in &held {
        queue.discard(&read.letter).await?;
    }
    Ok(format!("{} discarded\n", held.len()).into())
}

fn not_there(ids: &[String]) -> Printed {
    let ids = plain(&ids.join(", "));
    let text = format!("not found: {ids}; if somebody else is reading the queue, try again in a minute\n");
    Printed { text, code: 1 }
}
