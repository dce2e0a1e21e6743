//! Builds the programs that a local world runs, with cargo in this program's own profile, and packages the Lambda
//! function.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::processes::run;
use crate::release::processor::Processor;

/// The paths of the programs.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The Lambda function.
    pub ingest: PathBuf,
    /// The worker and command line.
    pub countersign: PathBuf,
}

/// The root of the checkout that this program runs in: the one that cargo names, or else the first one found above this
/// program or above the current directory. Never the place where the program was compiled, since a checkout may be
/// copied or moved with its `target` folder.
///
/// # Panics
///
/// If there is no checkout; `main` calls [`checkout`] first.
pub fn root() -> &'static Path {
    checkout().expect("`main` has checked that there is a checkout")
}

/// Like [`root`], but `None` outside a checkout.
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

/// The cargo that runs this program, or the one in the path.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        // Removes the variables that cargo sets for this program. Build scripts (such as ring's) would see them as a
        // change and rebuild everything.
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

/// Runs cargo with these arguments, and returns the paths of the programs with these names that it built. Its own messages
/// go to standard error.
///
/// # Errors
///
/// If cargo fails, or has not built them all.
pub fn built<const N: usize>(arguments: &[&str], programs: [&str; N]) -> Result<[PathBuf; N]> {
    built_by(cargo(), arguments, programs)
}

fn built_by<const N: usize>(
    mut command: Command,
    arguments: &[&str],
    programs: [&str; N],
) -> Result<[PathBuf; N]> {
    command.args(arguments).args(["--quiet", "--message-format=json-render-diagnostics"]);
    let output = run(command.stdout(Stdio::piped())).context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo {} failed", arguments.join(" "));
    let messages = String::from_utf8(output.stdout).context("cargo printed messages that are not UTF-8")?;
    let path = |name: &str| {
        let mut messages =
            messages.lines().filter_map(|line| serde_json::from_str::<CargoMessage>(line).ok());
        messages.find_map(|message| {
            message.executable.filter(|_| message.target.is_some_and(|target| target.name == name))
        })
    };
    let mut paths = programs.map(|_| PathBuf::new());
    for (to, name) in paths.iter_mut().zip(programs) {
        *to = path(name).with_context(|| format!("cargo did not build the program {name}"))?;
    }
    Ok(paths)
}

impl Binaries {
    /// Builds what has changed, once per process. Cargo's own messages go to standard error.
    ///
    /// # Errors
    ///
    /// If cargo fails.
    pub fn build() -> Result<Binaries> {
        static BUILT: Mutex<Option<Binaries>> = Mutex::new(None);
        // A build that panicked under the lock left nothing; the next caller tries again.
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(binaries) = &*built {
            return Ok(binaries.clone());
        }
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        // Of the whole workspace: with the features, and so the dependencies, that the tests have built.
        let both = ["build", "--workspace", "--bin", "ingest", "--bin", "countersign", "--profile", profile];
        let [ingest, countersign] = self::built(&both, ["ingest", "countersign"])?;
        Ok(built.insert(Binaries { ingest, countersign }).clone())
    }

    /// Builds what is released for a processor: the worker for speed, the Lambda function for a small package.
    ///
    /// # Errors
    ///
    /// If a part of the toolchain is missing, or cargo fails.
    pub fn release(processor: Processor) -> Result<Binaries> {
        let linker = processor.toolchain()?;
        let target = processor.target();
        let cross: &[&str] = if linker.is_some() { &["--target", &target] } else { &[] };
        let build = |arguments: &[&str], program| {
            let mut command = cargo();
            command.envs(linker.clone());
            built_by(command, &[arguments, cross].concat(), [program])
        };
        let [countersign] = build(&["build", "--package", "worker", "--release"], "countersign")?;
        let [ingest] = build(&["build", "--package", "ingest", "--profile", "lambda"], "ingest")?;
        Ok(Binaries { ingest, countersign })
    }

    /// Creates the Lambda function's zip for the emulator: the binary as an executable `bootstrap`, not compressed, which
    /// is quick. `cargo ops package` makes the one to deploy.
    ///
    /// # Errors
    ///
    /// If the binary cannot be read.
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
