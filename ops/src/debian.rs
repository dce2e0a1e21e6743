//! Packages of Debian, unpacked under `target/`. Nothing is installed: no service starts, and root is not needed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::processes::{captured, command, network};

/// Which packages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Packages<'a> {
    /// This one alone.
    One(&'a str),
    /// These, and those that they need and this machine does not have.
    WithAllTheyNeed(&'a [&'a str]),
}

/// What `find` finds in a folder of the `PATH`, or else in a package, which is downloaded into `dir` first if it is not there
/// yet. `find` is given a folder and whether it is the package's `usr/bin`.
///
/// If several processes call this at the same time, one downloads the package and the others wait.
///
/// # Errors
///
/// Starts with `remedy`, which says what to install, if neither has it.
pub(crate) fn installed_or_unpacked<T>(
    dir: &Path,
    package: &str,
    remedy: &'static str,
    find: impl Fn(&Path, bool) -> Option<T>,
) -> Result<T> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(found) = std::env::split_paths(&path).find_map(|dir| find(&dir, false)) {
        return Ok(found);
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create the folder {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))?;
    lock.lock().with_context(|| format!("cannot lock {}", dir.display()))?;

    let programs = dir.join("unpacked/usr/bin");
    if let Some(found) = find(&programs, true) {
        return Ok(found);
    }
    let unpacked = unpack(dir, Packages::One(package)).context(remedy)?;
    find(&programs, true)
        .with_context(|| format!("{remedy}\nthe package in {} has no programs", unpacked.display()))
}

/// Downloads packages into `dir`, and unpacks them into a folder there; returns it.
pub(crate) fn unpack(dir: &Path, packages: Packages<'_>) -> Result<PathBuf> {
    download(dir, packages)?;
    // Renamed at the end: an unpacking that was interrupted leaves no programs behind.
    let (unfinished, unpacked) = (dir.join("unfinished"), dir.join("unpacked"));
    let files =
        [dir.to_owned(), dir.join("archives")].into_iter().filter_map(|dir| std::fs::read_dir(dir).ok());
    let files = files.flatten().collect::<Result<Vec<_>, _>>()?;
    let archives = files.into_iter().map(|file| file.path());
    let archives: Vec<PathBuf> =
        archives.filter(|path| path.extension().is_some_and(|end| end == "deb")).collect();
    ensure!(!archives.is_empty(), "apt-get downloaded no package into {}", dir.display());
    for archive in archives {
        succeeds(command("dpkg-deb").arg("--extract").arg(&archive).arg(&unfinished))?;
        std::fs::remove_file(&archive)?;
    }
    std::fs::rename(&unfinished, &unpacked)?;
    Ok(unpacked)
}

/// Downloads with lists of its own: the system's may be missing or old, and only root may renew them.
fn download(dir: &Path, packages: Packages<'_>) -> Result<()> {
    let lists = dir.join("lists");
    std::fs::create_dir_all(lists.join("partial"))?;
    std::fs::create_dir_all(dir.join("archives/partial"))?;
    let apt = |arguments: &[&str]| {
        let mut apt = command("apt-get");
        apt.current_dir(dir)
            .envs(network())
            .arg("-q")
            .arg("-o")
            .arg(format!("Dir::State::Lists={}", lists.display()))
            .arg("-o")
            .arg(format!("Dir::Cache={}", dir.display()))
            .args(arguments);
        succeeds(&mut apt)
    };
    apt(&["update"])?;
    match packages {
        Packages::One(package) => apt(&["download", package]),
        // The lock is for changes of the system, and there are none.
        Packages::WithAllTheyNeed(packages) => {
            let install = [
                "-o",
                "Debug::NoLocking=1",
                "install",
                "--download-only",
                "--yes",
                "--no-install-recommends",
            ];
            apt(&[&install, packages].concat())
        }
    }
}

fn succeeds(command: &mut Command) -> Result<()> {
    let (output, text) = captured(command)?;
    ensure!(output.status.success(), "{command:?} failed:\n{text}");
    Ok(())
}
