//! Chromium, its WebDriver, and axe-core: unpacked under `target/` from Debian's packages and from PyPI.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::debian::{Packages, unpack};
use crate::processes::{captured, command, network};

const REMEDY: &str = "Chromium is missing: put `chromium` and `chromedriver` of one version on the PATH (Debian: apt-get install \
                      chromium chromium-driver)";
/// A package of Python that has axe-core in it: it needs no more than pip, which the emulator needs anyway.
const AXE: &str = "axe-playwright-python==0.1.8 --hash=sha256:fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8\n";

/// The paths of the programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Chromium.
    pub browser: PathBuf,
    /// Its WebDriver.
    pub driver: PathBuf,
    /// Where their libraries are, if this machine does not have them.
    pub libraries: OsString,
    /// The script of axe-core.
    pub axe: PathBuf,
}

impl Programs {
    /// Returns the programs in the `PATH`, or else those of Debian's packages, which are downloaded into `dir` first if
    /// they are not there yet.
    ///
    /// If several processes call this at the same time, one downloads and the others wait.
    ///
    /// # Errors
    ///
    /// Says what to install.
    pub fn find(dir: &Path) -> Result<Programs> {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot create the folder {}", dir.display()))?;
        let lock = File::create(dir.join("lock"))?;
        lock.lock().with_context(|| format!("cannot lock {}", dir.display()))?;
        let axe = axe(&dir.join("axe"))?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        if let Some((browser, driver)) = std::env::split_paths(&path)
            .map(|dir| (dir.join("chromium"), dir.join("chromedriver")))
            .find(|(browser, driver)| browser.is_file() && driver.is_file())
        {
            return Ok(Programs { browser, driver, libraries: OsString::new(), axe });
        }
        let unpacked = dir.join("unpacked");
        let usr = unpacked.join("usr");
        // Debian's own `usr/bin/chromium` is a script that looks for the program in /usr/lib.
        let (browser, driver) = (usr.join("lib/chromium/chromium"), usr.join("bin/chromedriver"));
        if !driver.is_file() {
            unpack(dir, Packages::WithAllTheyNeed(&["chromium", "chromium-driver"])).context(REMEDY)?;
        }
        ensure!(browser.is_file() && driver.is_file(), "{REMEDY}\nnot in {}", unpacked.display());
        let libraries = std::fs::read_dir(usr.join("lib"))?.filter_map(|entry| Some(entry.ok()?.path()));
        let libraries = libraries.filter(|path| path.to_string_lossy().ends_with("-linux-gnu"));
        let libraries = std::env::join_paths(libraries.flat_map(|path| [path.join("pulseaudio"), path]))?;
        Ok(Programs { browser, driver, libraries, axe })
    }
}

/// The script of axe-core, from PyPI.
fn axe(dir: &Path) -> Result<PathBuf> {
    let script = dir.join("axe_playwright_python/axe.min.js");
    if script.is_file() {
        return Ok(script);
    }
    std::fs::create_dir_all(dir)?;
    let requirements = dir.join("requirements.txt");
    std::fs::write(&requirements, AXE)?;
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"];
    let mut pip = command("python3");
    pip.envs(network()).args(install).arg("--target").arg(dir).arg("--requirement").arg(&requirements);
    let (output, text) = captured(&mut pip)?;
    ensure!(output.status.success(), "pip failed to install axe-core\n{text}");
    Ok(script)
}
