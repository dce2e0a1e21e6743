//! Python programs of the local world: each in a virtual environment of its own under `target/`, installed from a list with
//! pinned hashes.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::binaries::root;
use crate::processes::{captured, command, network};

/// The emulator with all that it needs, pinned by hash.
const EMULATOR: &str = include_str!("../requirements.txt");
/// The program that holds the API against its description, with all that it needs, pinned by hash.
const SCHEMATHESIS: &str = include_str!("../schemathesis.txt");

/// Returns the interpreter of the emulator's environment, which is created first if need be.
///
/// # Errors
///
/// Says what is missing on this machine (python3, its venv module, pip) or why pip failed.
pub fn emulator() -> Result<PathBuf> {
    environment(&root().join("target/local/python"), EMULATOR)
}

/// The same of schemathesis.
///
/// # Errors
///
/// As of [`emulator`].
pub fn schemathesis() -> Result<PathBuf> {
    environment(&root().join("target/local/schemathesis"), SCHEMATHESIS)
}

/// Returns the interpreter of the environment in `dir`. Creates the environment first if it is missing or was created
/// from another list.
///
/// If several processes call this at the same time, one creates the environment and the others wait.
fn environment(dir: &Path, packages: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create the folder {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))?;
    lock.lock().with_context(|| format!("cannot lock {}", dir.display()))?;

    let venv = dir.join("venv");
    let python = venv.join("bin/python");
    let installed = dir.join("installed.txt");
    if python.exists() && std::fs::read_to_string(&installed).is_ok_and(|text| text == packages) {
        return Ok(python);
    }
    if venv.exists() {
        std::fs::remove_dir_all(&venv)
            .with_context(|| format!("cannot remove the old environment {}", venv.display()))?;
    }
    let (made, printed) = captured(command("python3").args(["-m", "venv"]).arg(&venv)).context(
        "python3 is missing: install it with its venv module and pip (Debian: apt-get install python3-venv)",
    )?;
    ensure!(
        made.status.success(),
        "python3 cannot create a virtual environment: install the venv module (Debian: apt-get install python3-venv)\n{}",
        printed
    );
    let requirements = dir.join("requirements.txt");
    std::fs::write(&requirements, packages)?;
    // Downloads with the network settings of this machine.
    let (pip, printed) = captured(
        command(&python)
            .envs(network())
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
                "--requirement",
            ])
            .arg(&requirements),
    )?;
    ensure!(
        pip.status.success(),
        "pip failed to install the packages of {}\n{}",
        requirements.display(),
        printed
    );
    std::fs::write(&installed, packages)?;
    Ok(python)
}
