//! The command line. Each subcommand has a file; this one has what they share: arguments, output, exit codes.

mod ask;
mod automation;
mod batch;
mod claims;
mod client;
mod completions;
mod config;
mod dead_letters;
mod doctor;
mod ended;
mod export;
mod log_level;
mod login;
mod openapi;
mod reconsider;
mod render;
mod rules;
mod run;
mod show;
mod signer;
mod status;
mod store;
mod story;
mod tasks;
mod token;
mod token_file;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::aws::fault::Fault;
use crate::clock::Clock;
use crate::control::item::ControlError;
use crate::control::rule_store::StoreError;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  error
  2  usage error
  3  the task has another decision, or it changed meanwhile
  4  the workflow no longer waits";

/// Decides Step Functions approval tasks by rules, and leaves the rest to people.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    limits: Limits,
    #[command(subcommand)]
    command: Command,
}

/// How long a command waits. `Server` and `Store` read it from here.
#[derive(Debug, clap::Args)]
struct Limits {
    /// The longest time in seconds that a call to the API or to AWS may take; `run` has its own limits
    #[arg(long, global = true, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=3_600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "use a number of seconds from 0.1 to 3600".to_owned())
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Tasks(tasks::Args),
    Rules(rules::Args),
    Automation(automation::Args),
    DeadLetters(dead_letters::Args),
    Doctor(doctor::Args),
    Status(status::Args),
    LogLevel(log_level::Args),
    Token(token::Args),
    Login(login::Login),
    Logout(login::Logout),
    Config(config::Args),
    Openapi(openapi::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Man(completions::ManArgs),
}

/// How a result is printed: for people, or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// The API returned a problem.
    #[error("{}", .0.detail)]
    Problem(Box<crate::api::problem::Problem>),
    /// A ruleset cannot be used.
    #[error(transparent)]
    Refused(::rules::Refused),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Failed {
        let again = if fault.class.may_pass() { "; try again" } else { "" };
        Failed::Other(anyhow!("{fault}{again}"))
    }
}

impl From<ControlError> for Failed {
    fn from(error: ControlError) -> Failed {
        StoreError::from(error).into()
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Failed {
        match error {
            StoreError::Refused(refused) => Failed::Refused(refused),
            StoreError::Fault(fault) => fault.into(),
            other => Failed::Other(other.into()),
        }
    }
}

impl Failed {
    fn exit_code(&self) -> u8 {
        match self {
            Failed::Problem(problem) if problem.is("decided-otherwise") || problem.is("changed") => 3,
            Failed::Problem(problem) if problem.is("expired") => 4,
            Failed::Problem(_) | Failed::Refused(_) | Failed::Other(_) => 1,
        }
    }
}

/// What a command prints, and how the process ends.
#[derive(Debug)]
struct Printed {
    text: String,
    code: u8,
}

impl From<String> for Printed {
    fn from(text: String) -> Printed {
        Printed { text, code: 0 }
    }
}

/// The machine's clock: the command line is outside of every simulation.
fn clock() -> Clock {
    Clock::system()
}

/// The time as it is stored.
fn now() -> String {
    clock().now_text()
}

/// Parses the command line and runs the command; returns the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::from(error).context("the runtime cannot start").into()),
    };
    let code = runtime.block_on(Box::pin(dispatch(cli)));
    // A second signal ends the process at once: running work is not waited for.
    runtime.shutdown_background();
    code
}

async fn dispatch(cli: Cli) -> ExitCode {
    let printed = match cli.command {
        Command::Run(args) => return run::run(args).await,
        Command::Tasks(args) => Box::pin(tasks::tasks(args)).await,
        Command::Rules(args) => Box::pin(rules::rules(args)).await,
        Command::Automation(args) => automation::automation(args).await.map(Printed::from),
        Command::Doctor(args) => Box::pin(doctor::doctor(args)).await,
        Command::DeadLetters(args) => Box::pin(dead_letters::dead_letters(args)).await,
        Command::Status(args) => status::status(args).await.map(Printed::from),
        Command::LogLevel(args) => log_level::log_level(args).await.map(Printed::from),
        Command::Token(args) => token::token(args).await.map(Printed::from),
        Command::Login(args) => login::login(args).await.map(Printed::from),
        Command::Logout(args) => login::logout(&args).map(Printed::from),
        Command::Config(args) => config::config(&args).map(Printed::from).map_err(Failed::from),
        Command::Openapi(args) => Ok(openapi::openapi(&args).into()),
        Command::Completions(args) => Ok(completions::completions(&args, Cli::command()).into()),
        Command::Man(args) => {
            completions::man(&args, Cli::command()).map(Printed::from).map_err(Failed::from)
        }
    };
    match printed {
        Ok(printed) => print(&printed),
        Err(failed) => fail(&failed),
    }
}

/// Writes a command's output. A reader that closed the pipe, such as `head`, has read what it wanted.
fn print(printed: &Printed) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(printed.text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::from(printed.code),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(printed.code),
        Err(_) => ExitCode::FAILURE,
    }
}

fn fail(failed: &Failed) -> ExitCode {
    let text = match failed {
        Failed::Problem(problem) => problem.detail.clone(),
        Failed::Refused(refused) => {
            let findings: Vec<String> = refused.diagnostics.iter().map(ToString::to_string).collect();
            format!("the ruleset is refused\n\n{}", findings.join("\n\n"))
        }
        Failed::Other(error) => format!("{error:#}"),
    };
    // If standard error is closed, there is no place left to report to.
    let _ = writeln!(io::stderr(), "countersign: {}", render::plain(&text));
    ExitCode::from(failed.exit_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every page of `--help`, as a person sees it.
    #[test]
    fn help_pages() {
        let mut pages = String::new();
        let mut command = Cli::command().term_width(100);
        command.build();
        add(&mut command, &mut pages);
        insta::assert_snapshot!(pages);
    }

    fn add(command: &mut clap::Command, pages: &mut String) {
        if command.get_name() == "help" {
            return;
        }
        pages.push_str(&format!("{}\n", command.render_long_help()));
        pages.push_str(&format!("{}\n", "-".repeat(100)));
        for sub in command.get_subcommands_mut() {
            add(sub, pages);
        }
    }

    #[test]
    fn the_arguments_do_not_contradict() {
        Cli::command().debug_assert();
    }

    /// The words of a line as a shell would pass them; what follows a pipe, a redirection or a comment is left out.
    fn words(line: &str) -> Vec<String> {
        let parts = line.split('"').enumerate().flat_map(|(place, part)| match place % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        parts.take_while(|word| !matches!(word.as_str(), "|" | ">" | "<" | "&&" | "#")).collect()
    }

    /// Parsing finds what the definition of the arguments does not: one that two structs take from the global ones.
    #[test]
    fn every_example_of_the_help_is_a_command_that_can_be_read() {
        fn check(command: &clap::Command, count: &mut usize) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for example in help.lines().filter(|line| line.trim_start().starts_with("countersign ")) {
                if let Err(error) = Cli::try_parse_from(words(example)) {
                    panic!("{example}: {error}");
                }
                *count += 1;
            }
            command.get_subcommands().for_each(|sub| check(sub, count));
        }
        let mut count = 0;
        check(&Cli::command(), &mut count);
        assert!(count > 20, "{count} examples");
    }
}
