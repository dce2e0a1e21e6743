//! `cargo ops package`: builds the release, and makes what is deployed and installed from it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use ops::binaries::{Binaries, root};
use ops::release::{Release, VERSION, glibc};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Make only what the template needs: the Lambda function's zip and the worker's tarball
    #[arg(long)]
    template_only: bool,
}

/// Builds and packs everything into `target/package`.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    build(arguments.template_only)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds and packs everything, or only what the template needs, into the folder that it returns.
pub(crate) fn build(template_only: bool) -> Result<PathBuf> {
    println!("== building the release of Countersign {VERSION}");
    let binaries = Binaries::release()?;
    for program in [&binaries.ingest, &binaries.countersign] {
        glibc::check(program)?;
    }
    let dir = root().join("target/package");
    let release = Release::begin(&dir)?;
    release.write(&binaries)?;
    if !template_only {
        release.write_packages()?;
    }
    println!("== target/package");
    for (name, bytes) in release.finish()? {
        println!("{:>10}  {name}", bytes);
    }
    Ok(dir)
}
