//! The identity provider of the tests: the certified `oidc-provider`, installed from npm under `target/`, on loopback.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::binaries::root;
use crate::emulator::tail;
use crate::http;
use crate::processes::{Process, Watchdog, captured, command, network};

const PACKAGE: &str = include_str!("../identity/package.json");
/// Every package, pinned by hash.
const LOCK: &str = include_str!("../identity/package-lock.json");
const PROGRAM: &str = include_str!("../identity/provider.js");
const REMEDY: &str = "node and npm are missing: put them on the PATH (Debian: apt-get install nodejs npm)";
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(30);

/// A running provider. Dropping it kills the process.
#[derive(Debug)]
pub struct IdentityProvider {
    // Owned for its drop.
    _process: Process,
    /// Its issuer, such as `http://localhost:40124`.
    pub issuer: String,
}

/// Installs the provider in `dir`, if it is not there yet.
///
/// If several processes call this at the same time, one installs it and the others wait.
///
/// # Errors
///
/// Says what is missing on this machine, or why npm failed.
pub fn install(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create the folder {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))?;
    lock.lock().with_context(|| format!("cannot lock {}", dir.display()))?;
    std::fs::write(dir.join("provider.js"), PROGRAM)?;
    let installed = dir.join("installed.json");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == LOCK) {
        return Ok(());
    }
    std::fs::write(dir.join("package.json"), PACKAGE)?;
    std::fs::write(dir.join("package-lock.json"), LOCK)?;
    let mut npm = command("npm");
    npm.current_dir(dir).envs(network()).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    let (output, text) = captured(&mut npm).context(REMEDY)?;
    ensure!(output.status.success(), "npm failed to install the identity provider\n{text}");
    std::fs::write(&installed, LOCK)?;
    Ok(())
}

/// Where the provider is installed.
pub fn folder() -> PathBuf {
    root().join("target/local/identity")
}

impl IdentityProvider {
    /// Starts it on a port, with a signing key of its own, for the console at `origin`. It logs into `dir`.
    pub(crate) async fn start(
        port: u16,
        origin: &str,
        dir: &Path,
        watchdog: &Watchdog,
    ) -> Result<IdentityProvider> {
        tokio::task::spawn_blocking(|| install(&folder())).await??;
        let log = dir.join("identity-provider.log");
        let mut node = command("node");
        node.current_dir(folder()).args(["provider.js", &port.to_string(), origin]);
        let mut process = Process::spawn(node, &log, watchdog).context(REMEDY)?;
        // For a browser another site than the console's 127.0.0.1.
        let issuer = format!("http://localhost:{port}");
        let url = format!("{issuer}/.well-known/openid-configuration");
        let http = http()?;
        let ready = async {
            while http.get(&url).send().await.is_err() {
                if let Some(status) = process.exited()? {
                    bail!("the identity provider exited immediately ({status})");
                }
                tokio::time::sleep(POLL).await;
            }
            Ok(())
        };
        let started = tokio::time::timeout(START_TIMEOUT, ready).await.context("in time").flatten();
        started.with_context(|| tail(&log))?;
        Ok(IdentityProvider { _process: process, issuer })
    }

    /// An access token of a machine: `batch.reviewers`, or `stranger`, which is in no group.
    ///
    /// # Errors
    ///
    /// If the provider does not give one.
    pub async fn token(&self, machine: &str) -> Result<String> {
        let form = [("grant_type", "client_credentials")];
        let request = http()?.post(format!("{}/token", self.issuer)).basic_auth(machine, Some("machine"));
        let answer: serde_json::Value = request.form(&form).send().await?.json().await?;
        let token = answer["access_token"].as_str().map(str::to_owned);
        token.with_context(|| format!("no token: {answer}"))
    }
}
