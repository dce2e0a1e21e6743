//! `countersign completions` and `countersign man`: what a package installs beside the program.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap_complete::Shell;

/// Print the completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign completions bash > ~/.local/share/bash-completion/completions/countersign
  countersign completions fish > ~/.config/fish/completions/countersign.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

/// Write a man page for each command into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign man ~/.local/share/man/man1")]
pub(super) struct ManArgs {
    /// The folder; it must exist
    dir: PathBuf,
}

pub(super) fn completions(args: &Args, mut command: clap::Command) -> String {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "countersign", &mut text);
    String::from_utf8(text).expect("completions are made of the commands' texts")
}

pub(super) fn man(args: &ManArgs, mut command: clap::Command) -> anyhow::Result<String> {
    command.build();
    let mut count = 0;
    write_pages(command, &args.dir, &mut count)?;
    Ok(format!("{count} pages written to {}\n", args.dir.display()))
}

/// One page for a command and for each below it: `countersign-tasks-list.1`.
fn write_pages(command: clap::Command, dir: &Path, count: &mut u32) -> anyhow::Result<()> {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        write_pages(sub.clone(), dir, count)?;
    }
    let name = command.get_display_name().unwrap_or("countersign").to_owned();
    let page = dir.join(format!("{name}.1"));
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).context("the page cannot be written to memory")?;
    std::fs::write(&page, text).with_context(|| page.display().to_string())?;
    *count += 1;
    Ok(())
}
