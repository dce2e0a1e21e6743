//! `cargo ops smoke`: what the programs assume of AWS, asked of a deployed stack.
//!
//! No test can ask the real services. Each check makes the call whose answer the code relies on, and compares the two;
//! `assumptions.md` has every assumption with its source.

mod callbacks;
mod storage;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use ops::account::Account;
use ops::clients::Clients;
use ops::stack::{self, Stack};

/// How long AWS may take for what usually takes a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ask a deployed stack whether AWS answers as the programs assume.
///
/// Starts two executions of the sample workflow, answers one, stops the other, and reads the tables, the stream and the
/// queue: a cent or less. It needs an operator's rights, not the workers'. Run `countersign doctor` on a worker's machine
/// for theirs.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The name of the stack
    #[arg(long)]
    stack: String,
}

/// Where the checks are made.
pub(crate) struct Site {
    clients: Clients,
    stack: Stack,
    /// Tells the orders of this run from others.
    run: String,
}

/// The answer to one question.
struct Answer {
    /// The row of `assumptions.md`.
    name: &'static str,
    /// What AWS answered.
    told: String,
    /// Whether the code can rely on it.
    is_as_assumed: bool,
}

impl Answer {
    fn new(name: &'static str, is_as_assumed: bool, told: impl Into<String>) -> Answer {
        Answer { name, told: told.into(), is_as_assumed }
    }
}

/// Asks everything, and prints each answer.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let account = Account::find().await?;
    println!("account          {}, {}, as {}", account.id, account.region, account.caller);
    let described = stack::describe(&account.clients, &arguments.stack).await?;
    let described =
        described.with_context(|| format!("there is no stack {} in {}", arguments.stack, account.region))?;
    let run = format!("smoke-{}", Timestamp::now().as_second());
    let site = Site { clients: account.clients.clone(), stack: described.stack()?, run };
    let mut answers = Box::pin(callbacks::ask(&site)).await?;
    answers.extend(Box::pin(storage::ask(&site)).await?);
    for answer in &answers {
        let word = if answer.is_as_assumed { "ok" } else { "DIFFERS" };
        println!("{word:<8} {:<32} {}", answer.name, answer.told);
    }
    let differ = answers.iter().filter(|answer| !answer.is_as_assumed).count();
    println!(
        "{} answers, {differ} not as assumed (ops/assumptions.md says what relies on each)",
        answers.len()
    );
    Ok(if differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
