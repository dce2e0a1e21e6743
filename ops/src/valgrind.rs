//! Instruction counts by valgrind: the same on a busy machine as on an idle one. That of this machine, or that of Debian's
//! package, unpacked under `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::debian::installed_or_unpacked;
use crate::processes::{captured, command};

const REMEDY: &str = "valgrind is missing: put `valgrind`, version 3.19 or later, on the PATH (Debian and Ubuntu: apt-get \
                      install valgrind)";

/// Counts instructions.
#[derive(Debug, Clone)]
pub struct Valgrind {
    program: PathBuf,
    /// Where its tools are, if it is not installed.
    tools: Option<PathBuf>,
}

impl Valgrind {
    /// Returns the one in the `PATH`, or else that of Debian's package, which is downloaded into `dir` first if it is not
    /// there yet. That needs neither root nor the system's package lists.
    ///
    /// If several processes call this at the same time, one downloads the package and the others wait.
    ///
    /// # Errors
    ///
    /// Says what to install if this machine has neither valgrind nor a package of it.
    pub fn find(dir: &Path) -> Result<Valgrind> {
        installed_or_unpacked(dir, "valgrind", REMEDY, |dir, is_unpacked| {
            // The package's usr/bin/valgrind is a script that knows where it is installed.
            let program = dir.join(if is_unpacked { "valgrind.bin" } else { "valgrind" });
            let tools = is_unpacked.then(|| dir.join("../libexec/valgrind"));
            program.is_file().then_some(Valgrind { program, tools })
        })
    }

    /// Runs a program to its end, and returns how many instructions it took.
    ///
    /// # Errors
    ///
    /// If it cannot be run or fails.
    pub fn instructions(&self, program: &Path, arguments: &[&str], dir: &Path) -> Result<u64> {
        let (output, text) = captured(self.command().arg(program).args(arguments).current_dir(dir))?;
        ensure!(output.status.success(), "{} under valgrind failed:\n{text}", program.display());
        let count = text.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
        count.with_context(|| format!("valgrind printed no count of instructions:\n{text}"))
    }

    fn command(&self) -> Command {
        let mut valgrind = command(&self.program);
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        if let Some(tools) = &self.tools {
            valgrind.env("VALGRIND_LIB", tools);
        }
        valgrind
    }
}
