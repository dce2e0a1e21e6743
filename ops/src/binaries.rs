//! The programs of this workspace that a world runs, built by cargo in our own profile, and the Lambda's package.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::processes::run;

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The Lambda.
    pub ingest: PathBuf,
    /// The worker and command line.
    pub countersign: PathBuf,
}

/// The root of the checkout that this program runs in: where cargo runs it, or else the first one above this program or
/// the current directory. Never the place where it was compiled, since a checkout may be copied or moved with its
/// `target` folder.
///
/// # Panics
///
/// When there is none; `main` checks [`checkout`] first.
pub fn root() -> &'static Path {
    checkout().expect("this program runs in a checkout of Countersign")
}

/// As [`root`]; none outside of every checkout.
pub fn checkout() -> Option<&'static Path> {
    static FOUND: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let by_cargo = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let places = [by_cargo, std::env::current_exe().ok(), std::env::current_dir().ok()];
        places.into_iter().flatten().find_map(|place| {
            place.ancestors().find(|dir| dir.join("ops/template.yaml").is_file()).map(Path::to_owned)
        })
    });
    FOUND.as_deref()
}

/// Cargo, as it runs us, or the one in the path.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        // What cargo told us of ourselves. Build scripts (ring's) would take it for a change and build all again.
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_"))
        {
            command.env_remove(name);
        }
    }
    command
}

#[derive(Deserialize)]
struct CargoMessage {
    executable: Option<PathBuf>,
    target: Option<CargoTarget>,
}

#[derive(Deserialize)]
struct CargoTarget {
    name: String,
}

impl Binaries {
    /// Builds what has changed, once in a process. Cargo's own messages go to standard error.
    ///
    /// # Errors
    ///
    /// When cargo fails.
    pub fn build() -> Result<Binaries> {
        static BUILT: Mutex<Option<Binaries>> = Mutex::new(None);
        // A panic while it was held built nothing; the next one tries again.
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(binaries) = &*built {
            return Ok(binaries.clone());
        }
        let binaries = Binaries::build_as(if cfg!(debug_assertions) { "dev" } else { "release" })?;
        Ok(built.insert(binaries).clone())
    }

    /// Builds in a profile of its name.
    ///
    /// # Errors
    ///
    /// When cargo fails.
    pub fn build_as(profile: &str) -> Result<Binaries> {
        let mut command = cargo();
        command
            .args(["build", "--quiet", "--package", "ingest", "--package", "worker", "--profile", profile])
            .arg("--message-format=json-render-diagnostics")
            .stdout(Stdio::piped());
        let output = run(&mut command).context("cargo cannot be started")?;
        ensure!(output.status.success(), "cargo could not build ingest and worker");
        let messages = String::from_utf8(output.stdout).context("cargo's messages")?;
        let built = |name: &str| {
            let mut messages =
                messages.lines().filter_map(|line| serde_json::from_str::<CargoMessage>(line).ok());
            messages
                .find_map(|message| {
                    message.executable.filter(|_| message.target.is_some_and(|t| t.name == name))
                })
                .with_context(|| format!("cargo built no program {name}"))
        };
        Ok(Binaries { ingest: built("ingest")?, countersign: built("countersign")? })
    }

    /// The Lambda's deployment package: the binary as an executable `bootstrap`, not compressed.
    ///
    /// # Errors
    ///
    /// When the binary cannot be read.
    pub fn ingest_package(&self) -> Result<Vec<u8>> {
        let binary = std::fs::read(&self.ingest).with_context(|| self.ingest.display().to_string())?;
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .unix_permissions(0o755);
        zip.start_file("bootstrap", options)?;
        zip.write_all(&binary)?;
        Ok(zip.finish()?.into_inner())
    }
}
