//! Prometheus and its promtool: those of this machine, or those of Debian's package, unpacked under `target/`. Nothing
//! is installed: no service starts, and no port is taken.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::debian::installed_or_unpacked;

const REMEDY: &str = "Prometheus is missing: put `prometheus` and `promtool`, version 2.42 or later, on the PATH \
                      (Debian and Ubuntu: apt-get install prometheus)";

/// The paths of the programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The server.
    pub prometheus: PathBuf,
    /// Checks and tests rules and metrics.
    pub promtool: PathBuf,
}

impl Programs {
    /// Returns the programs in the `PATH`, or else those of Debian's package, which is downloaded into `dir` first if it is
    /// not there yet. That needs neither root nor the system's package lists.
    ///
    /// If several processes call this at the same time, one downloads the package and the others wait.
    ///
    /// # Errors
    ///
    /// Says what to install if this machine has neither Prometheus nor a package of it.
    pub fn find(dir: &Path) -> Result<Programs> {
        installed_or_unpacked(dir, "prometheus", REMEDY, |dir, _| Programs::within(dir))
    }

    fn within(dir: &Path) -> Option<Programs> {
        let programs = Programs { prometheus: dir.join("prometheus"), promtool: dir.join("promtool") };
        (programs.prometheus.is_file() && programs.promtool.is_file()).then_some(programs)
    }
}
