//! `cargo ops package`: builds the release, and makes what is deployed and installed from it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use ops::binaries::{Binaries, root};
use ops::release::processor::Processor;
use ops::release::{Release, VERSION, glibc};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Make only what the template needs: the Lambda function's zip and the worker's tarball
    #[arg(long)]
    template_only: bool,
    /// The processor of the function and the machines; arm64 is Graviton. This machine's own by default
    #[arg(long, value_enum, default_value_t = Processor::of_this_machine())]
    processor: Processor,
}

/// Builds and packs everything into `target/package`.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    build(arguments.template_only, arguments.processor)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds and packs everything, or only what the template needs, into the folder that it returns.
pub(crate) fn build(template_only: bool, processor: Processor) -> Result<PathBuf> {
    let is_native = processor == Processor::of_this_machine();
    ensure!(
        template_only || is_native,
        "the Debian package and the RPM for {processor} are made on an {processor} machine: add --template-only for what \
         the template needs"
    );
    println!("== building the release of Countersign {VERSION} for {processor}");
    let binaries = Binaries::release(processor)?;
    for program in [&binaries.ingest, &binaries.countersign] {
        glibc::check(program)?;
    }
    // A program for another processor cannot print its man pages here.
    let runs_here = if is_native { binaries.countersign.clone() } else { Binaries::build()?.countersign };
    let dir = root().join("target/package");
    let release = Release::begin(&dir, processor)?;
    release.write(&binaries, &runs_here)?;
    if !template_only {
        release.write_packages()?;
    }
    println!("== target/package");
    for (name, bytes) in release.finish()? {
        println!("{:>10}  {name}", bytes);
    }
    Ok(dir)
}
