//! `countersign config`: the configuration that the worker would run with.

use std::path::PathBuf;

use crate::config::{Config, DEFAULTS};

/// Print the effective configuration, or the defaults with comments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign config --defaults > countersign.toml
  countersign config --config countersign.toml")]
pub(super) struct Args {
    /// A configuration file in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print every key with its default and a description
    #[arg(long, conflicts_with = "config")]
    defaults: bool,
}

pub(super) fn config(args: &Args) -> anyhow::Result<String> {
    if args.defaults {
        return Ok(DEFAULTS.to_owned());
    }
    Ok(Config::load(args.config.as_deref(), &[])?.to_toml())
}
