//! Debian package, RPM and bill of materials, by their own well-kept tools. They are programs of cargo, installed under
//! `target/` when first needed; what they put where is in `worker/Cargo.toml`.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::{Release, printed};
use crate::binaries::{cargo, root};
use crate::processes::{command, run};

/// The tools with the versions that were tried.
const TOOLS: [(&str, &str); 3] =
    [("cargo-deb", "3.8.0"), ("cargo-generate-rpm", "0.21.1"), ("cargo-sbom", "0.10.0")];

impl Release {
    /// Makes the Debian package, the RPM and the bill of materials from the tree that [`Release::write`] wrote.
    ///
    /// # Errors
    ///
    /// If a tool cannot be installed, or fails.
    pub fn write_packages(&self) -> Result<()> {
        let tools = root().join("target/local/tools");
        for (name, version) in TOOLS {
            install(&tools, name, version)?;
        }
        let tool = |name: &str| {
            let mut command = command(tools.join("bin").join(format!("cargo-{name}")));
            command.current_dir(root()).arg(name);
            command
        };
        let mut deb = tool("deb");
        deb.args(["--package", "worker", "--no-build", "--no-strip", "--output"]);
        printed(deb.arg(self.file("countersign", "deb")))?;
        let mut rpm = tool("generate-rpm");
        rpm.args(["--package", "worker", "--output"]);
        printed(rpm.arg(self.file("countersign", "rpm")))?;
        let mut bill = tool("sbom");
        bill.args(["--cargo-package", "worker", "--output-format", "cyclone_dx_json_1_6"]);
        std::fs::write(self.file("countersign", "cdx.json"), printed(&mut bill)?)?;
        Ok(())
    }
}

fn install(tools: &Path, name: &str, version: &str) -> Result<()> {
    let installed = tools.join("installed").join(format!("{name}-{version}"));
    if installed.is_file() {
        return Ok(());
    }
    let mut install = cargo();
    install.args(["install", "--quiet", "--locked", "--root"]).arg(tools).args(["--version", version, name]);
    let output = run(&mut install).context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo failed to install {name} {version}");
    std::fs::create_dir_all(tools.join("installed"))?;
    Ok(std::fs::write(installed, "")?)
}
