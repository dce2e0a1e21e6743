//! The processors that a release can be for, and how one builds for the other.

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};

use crate::processes::{captured, command, network};

/// A processor, as the template names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Processor {
    /// Intel and AMD.
    #[value(name = "x86_64")]
    X86_64,
    /// Graviton.
    Arm64,
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Processor::X86_64 => "x86_64",
            Processor::Arm64 => "arm64",
        })
    }
}

impl Processor {
    /// The processor of this machine.
    pub const fn of_this_machine() -> Processor {
        if cfg!(target_arch = "aarch64") { Processor::Arm64 } else { Processor::X86_64 }
    }

    /// As Rust, Debian's file names and RPM name it, such as `aarch64`.
    pub fn in_file_names(self) -> &'static str {
        match self {
            Processor::X86_64 => "x86_64",
            Processor::Arm64 => "aarch64",
        }
    }

    /// Reads the name in a file's name.
    pub fn of_file_name(name: &str) -> Option<Processor> {
        [Processor::X86_64, Processor::Arm64].into_iter().find(|it| it.in_file_names() == name)
    }

    /// Rust's name of the target.
    pub fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.in_file_names())
    }

    /// The C compiler and linker for this processor, by Debian's and Fedora's name.
    fn compiler(self) -> String {
        format!("{}-linux-gnu-gcc", self.in_file_names())
    }

    /// The processor of an instance type. A Graviton's family has a `g` behind the number of its generation, such as
    /// `c7g.large` and `im4gn.xlarge`; only the first, `a1`, has none.
    pub fn of_instance_type(name: &str) -> Processor {
        let family = name.split('.').next().unwrap_or_default();
        let behind = family.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let options = behind.trim_start_matches(|digit: char| digit.is_ascii_digit());
        if options.starts_with('g') || family == "a1" { Processor::Arm64 } else { Processor::X86_64 }
    }

    /// Checks that this machine can build for the processor; returns the variable that tells cargo the linker, if it
    /// needs one.
    ///
    /// # Errors
    ///
    /// Names what is missing, and the command that installs it.
    pub fn toolchain(self) -> Result<Option<(String, String)>> {
        if self == Processor::of_this_machine() {
            return Ok(None);
        }
        let target = self.target();
        let mut rustc = command("rustc");
        let (output, _) = captured(rustc.args(["--print", "target-libdir", "--target", &target]))
            .context("cannot start rustc")?;
        let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        ensure!(
            output.status.success() && libraries.is_dir(),
            "Rust cannot build for {self} here: run `rustup target add {target}`"
        );
        let compiler = self.compiler();
        let found = command(&compiler).envs(network()).arg("--version").stdout(Stdio::null()).status();
        ensure!(
            found.is_ok_and(|status| status.success()),
            "the compiler {compiler} is missing: install it (Debian and Ubuntu: `apt-get install gcc-{}-linux-gnu`), or \
             build on an {self} machine",
            self.in_file_names().replace('_', "-"),
        );
        let variable = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
        Ok(Some((variable, compiler)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_type_shows_its_processor() {
        for name in [
            "c7g.large",
            "t4g.small",
            "im4gn.xlarge",
            "c7gn.medium",
            "x2gd.large",
            "g5g.xlarge",
            "hpc7g.4xlarge",
            "a1.large",
            "m8g.large",
            "r8gd.large",
        ] {
            assert_eq!(Processor::of_instance_type(name), Processor::Arm64, "{name}");
        }
        for name in [
            "c7i.large",
            "m7a.large",
            "g4dn.xlarge",
            "t3.small",
            "m7i-flex.large",
            "u-6tb1.metal",
            "x1e.xlarge",
            "p4d.24xlarge",
            "g5.xlarge",
        ] {
            assert_eq!(Processor::of_instance_type(name), Processor::X86_64, "{name}");
        }
    }
}
