//! The emulator as a process with its own port, and the few calls for which an SDK crate is not worth its build time.
//!
//! It enforces IAM (`AUTH=true`): the Lambda function and the workers run with the roles of the template. The emulator
//! takes the caller from the signature of a request, but does not check the signature.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Method, RequestBuilder};

use crate::clients::{REGION, ROOT_KEY};
use crate::processes::{Process, Watchdog, command};

/// It usually starts in about a second; this allows for a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(30);
/// Another process may take a free port before the emulator does.
const PORT_ATTEMPTS: usize = 5;

/// A running emulator.
#[derive(Debug)]
pub struct Emulator {
    // Owned for its drop too: the process and the Lambda functions that it started end with it.
    process: Process,
    /// Its address, such as `http://127.0.0.1:40123`.
    pub endpoint_url: String,
    /// The output of the emulator and of the Lambda functions that it runs.
    pub log: PathBuf,
    http: reqwest::Client,
}

/// Temporary credentials for a role.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are those of AssumeRole")]
pub struct RoleCredentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
}

impl Emulator {
    /// Starts the emulator with its files in `dir`, on `port` or on a free one.
    ///
    /// # Errors
    ///
    /// Names the port if it is in use. Any other error includes the end of the emulator's log.
    pub async fn start(
        python: &Path,
        dir: &Path,
        port: Option<u16>,
        watchdog: &Watchdog,
    ) -> Result<Emulator> {
        if let Some(port) = port {
            ensure!(
                is_free(port),
                "port {port} is in use: choose another one, or omit it to use any free port"
            );
            return Emulator::start_on(port, python, dir, watchdog).await;
        }
        let mut attempt = 1;
        loop {
            let port = free_port()?;
            match Emulator::start_on(port, python, dir, watchdog).await {
                Err(error) if attempt < PORT_ATTEMPTS && error.to_string().contains("already in use") => {
                    attempt += 1
                }
                other => return other,
            }
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The exit status; `None` while the process runs.
    ///
    /// # Errors
    ///
    /// If the system does not know the process, which would be a bug in this crate.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.exited()?)
    }

    /// Starts it again after its end, at the same address. If it was terminated (SIGTERM), it has stored its state, and
    /// reads it now; sessions of roles are not part of it, and executions that waited have failed.
    ///
    /// # Errors
    ///
    /// As for [`Emulator::start`].
    pub async fn start_again(&mut self, python: &Path, dir: &Path, watchdog: &Watchdog) -> Result<()> {
        let port = self.endpoint_url.rsplit(':').next().and_then(|port| port.parse().ok());
        // The functions that it left behind.
        self.process.kill();
        *self = Emulator::start_on(port.context("an address with a port")?, python, dir, watchdog).await?;
        Ok(())
    }

    async fn start_on(port: u16, python: &Path, dir: &Path, watchdog: &Watchdog) -> Result<Emulator> {
        let temporary = dir.join("emulator");
        std::fs::create_dir_all(&temporary)?;
        let log = dir.join("emulator.log");
        let endpoint_url = format!("http://127.0.0.1:{port}");
        let mut command = command(python);
        command
            .args(["-m", "ministack"])
            .current_dir(&temporary)
            .env("TMPDIR", &temporary)
            // Stores its state when it is terminated, and reads it at its next start.
            .env("PERSIST_STATE", "1")
            .env("STATE_DIR", dir.join("emulator-state"))
            .env("AUTH", "true")
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("MINISTACK_REGION", REGION)
            // The health check returns this name: the emulator of another world may have taken the port first.
            .env("MINISTACK_EDITION", dir)
            // Passed on to the functions that the emulator runs; without it, they would call its default port.
            .env("AWS_ENDPOINT_URL", &endpoint_url)
            .env("AWS_ACCESS_KEY_ID", ROOT_KEY)
            .env("AWS_SECRET_ACCESS_KEY", ROOT_KEY);
        let mut process = Process::spawn(command, &log, watchdog).context("cannot start the emulator")?;
        let http = crate::http()?;
        let ready = async {
            let health = format!("{endpoint_url}/_ministack/health");
            loop {
                if let Some(status) = process.exited()? {
                    bail!("the emulator exited immediately ({status}):\n{}", tail(&log));
                }
                if edition(http.get(&health)).await.is_some_and(|edition| *edition == *dir.to_string_lossy())
                {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(START_TIMEOUT, ready).await.with_context(|| {
            format!("the emulator did not start within {START_TIMEOUT:?}:\n{}", tail(&log))
        })??;
        Ok(Emulator { process, endpoint_url, log, http })
    }

    /// Stores an object; creates the bucket first.
    ///
    /// # Errors
    ///
    /// If the emulator rejects the call.
    pub async fn put_object(&self, bucket: &str, key: &str, body: Vec<u8>) -> Result<()> {
        let url = &self.endpoint_url;
        answer(self.root(Method::PUT, "s3", &format!("{url}/{bucket}"))).await?;
        answer(self.root(Method::PUT, "s3", &format!("{url}/{bucket}/{key}")).body(body)).await?;
        Ok(())
    }

    /// Returns credentials for a role, valid for twelve hours.
    ///
    /// # Errors
    ///
    /// If the role does not trust the account.
    pub async fn assume_role(&self, role_arn: &str) -> Result<RoleCredentials> {
        let form = [
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role_arn),
            ("RoleSessionName", "local-worker"),
            ("DurationSeconds", "43200"),
        ];
        let xml = answer(self.form("sts", &form)).await?;
        let field = |name: &str| {
            element(&xml, name).with_context(|| format!("the response of AssumeRole has no {name}"))
        };
        Ok(RoleCredentials {
            access_key_id: field("AccessKeyId")?,
            secret_access_key: field("SecretAccessKey")?,
            session_token: field("SessionToken")?,
        })
    }

    /// Adds a policy to a role.
    ///
    /// # Errors
    ///
    /// If the emulator rejects the call.
    pub async fn put_role_policy(
        &self,
        role_arn: &str,
        name: &str,
        policy: &serde_json::Value,
    ) -> Result<()> {
        let role = role_arn.rsplit('/').next().unwrap_or(role_arn);
        let policy = policy.to_string();
        let form = [
            ("Action", "PutRolePolicy"),
            ("Version", "2010-05-08"),
            ("RoleName", role),
            ("PolicyName", name),
            ("PolicyDocument", &policy),
        ];
        answer(self.form("iam", &form)).await?;
        Ok(())
    }

    fn form(&self, service: &str, form: &[(&str, &str)]) -> RequestBuilder {
        self.root(Method::POST, service, &format!("{}/", self.endpoint_url)).form(form)
    }

    fn root(&self, method: Method, service: &str, url: &str) -> RequestBuilder {
        let scope = format!("{ROOT_KEY}/20260101/{REGION}/{service}/aws4_request");
        let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00");
        self.http.request(method, url).header("authorization", signature)
    }
}

/// The name of the emulator that is healthy at this address; `None` if there is none yet.
async fn edition(health: RequestBuilder) -> Option<String> {
    let health: serde_json::Value = serde_json::from_str(&answer(health).await.ok()?).ok()?;
    Some(health["edition"].as_str()?.to_owned())
}

async fn answer(request: RequestBuilder) -> Result<String> {
    let answer = request.send().await.context("the emulator did not answer")?;
    let (status, url) = (answer.status(), answer.url().clone());
    let body = answer.text().await?;
    ensure!(status.is_success(), "{url} responded with {status}: {body}");
    Ok(body)
}

fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Returns a port on which nobody is listening at the moment.
///
/// # Errors
///
/// If loopback has no free port.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

/// The last lines of a log, for an error message.
pub fn tail(log: &Path) -> String {
    const LINES: usize = 20;
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
