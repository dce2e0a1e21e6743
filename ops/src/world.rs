//! A complete system on this machine: emulator, stack, Lambda function and any number of workers, each with its own
//! folder and ports. Dropping the world ends all of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::binaries::{Binaries, root};
use crate::browser::{self, Browser};
use crate::clients::{Clients, REGION};
use crate::emulator::{Emulator, RoleCredentials};
use crate::identity::IdentityProvider;
use crate::processes::Watchdog;
use crate::prometheus::Prometheus;
use crate::prometheus::programs::Programs;
use crate::stack::{self, Stack};
use crate::worker::{Start, Worker};
use crate::{python, worker};

const POLL: Duration = Duration::from_millis(50);

/// What can differ between worlds. The defaults make a fast world for tests.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder for logs and configuration; a temporary folder if none is given.
    pub dir: Option<PathBuf>,
    /// The emulator's port; any free one if none is given.
    pub port: Option<u16>,
    /// The Lambda function's timeout for a batch.
    pub ingest_timeout_seconds: u32,
    /// How long a delivered message stays invisible: at least six times the timeout above.
    pub visibility_seconds: u32,
    /// How often a message is delivered before it moves to the dead-letter queue.
    pub max_receive_count: u32,
    /// Whether ingest sends hints, and the workers follow them.
    pub wake_up: bool,
    /// Whether the stack has a bus on which people are told of tasks.
    pub notices: bool,
    /// Visibility timeout of the queue of closed executions.
    pub closed_visibility_seconds: u32,
    /// How long the sample state machine waits for a decision.
    pub approval_timeout_seconds: u32,
    /// Names or patterns with commas between them: the state machines besides the sample one that the workers serve.
    pub other_state_machines: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            dir: None,
            port: None,
            ingest_timeout_seconds: 1,
            visibility_seconds: 6,
            max_receive_count: 2,
            wake_up: false,
            notices: false,
            closed_visibility_seconds: 2,
            approval_timeout_seconds: 3_600,
            other_state_machines: String::new(),
        }
    }
}

/// How a worker differs from the default one.
#[derive(Debug, Clone, Default)]
pub struct WorkerOptions {
    /// The endpoint to use instead of the emulator, such as a proxy in front of it.
    pub endpoint_url: Option<String>,
    /// The folder with the ruleset; the sample ruleset if none is given.
    pub rules_dir: Option<PathBuf>,
    /// The address of its API; any free port if none is given.
    pub listen: Option<String>,
    /// The address of its listener for metrics and health; any free port if none is given.
    pub metrics_listen: Option<String>,
    /// The program to run, such as one of an older version; the one that was built if none is given.
    pub program: Option<PathBuf>,
    /// More settings, as `COUNTERSIGN_` variables.
    pub variables: Vec<(String, String)>,
}

/// A running world.
#[derive(Debug)]
pub struct World {
    /// The emulator's process and address.
    pub emulator: Emulator,
    /// Clients with the rights of an operator.
    pub clients: Clients,
    /// The outputs of the stack.
    pub stack: Stack,
    binaries: Binaries,
    worker_credentials: RoleCredentials,
    watchdog: Watchdog,
    dir: Dir,
}

#[derive(Debug)]
enum Dir {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl World {
    /// Builds the programs, starts the emulator and deploys the template with the real ingest binary.
    ///
    /// # Errors
    ///
    /// The error names the part that did not start, includes its output, and says what to do if that is known.
    pub async fn start(options: Options) -> Result<World> {
        let binaries = tokio::task::spawn_blocking(Binaries::build).await??;
        let python = tokio::task::spawn_blocking(python::emulator).await??;
        World::start_with(options, binaries, &python).await
    }

    /// Like [`World::start`], but with programs that are already built.
    ///
    /// # Errors
    ///
    /// Same as [`World::start`].
    pub async fn start_with(options: Options, binaries: Binaries, python: &Path) -> Result<World> {
        ensure!(
            options.visibility_seconds >= 6 * options.ingest_timeout_seconds,
            "visibility_seconds is {}: it must be at least six times ingest_timeout_seconds, {}",
            options.visibility_seconds,
            options.ingest_timeout_seconds
        );
        let dir = match &options.dir {
            None => Dir::Temporary(tempfile::Builder::new().prefix("countersign-").tempdir()?),
            Some(path) => {
                std::fs::create_dir_all(path)
                    .with_context(|| format!("cannot create the folder {}", path.display()))?;
                Dir::Kept(path.clone())
            }
        };
        let watchdog = Watchdog::start().context("cannot start sh for the watchdog")?;
        let emulator = Emulator::start(python, dir.path(), options.port, &watchdog).await?;
        let clients = Clients::new(&emulator.endpoint_url);
        let package = binaries.ingest_package()?;
        emulator
            .put_object("packages", "ingest.zip", package)
            .await
            .context("cannot upload the Lambda package")?;
        emulator
            .put_object("packages", "template.yaml", stack::TEMPLATE.into())
            .await
            .context("cannot upload the template")?;
        let template_url = format!("{}/packages/template.yaml", emulator.endpoint_url);
        let stack = stack::deploy(&clients, &template_url, &parameters(&options)).await?;
        emulator
            .put_role_policy(&stack.worker_role_arn, "emulator", &unscoped_actions())
            .await
            .context("cannot assume the worker's role")?;
        let worker_credentials = emulator.assume_role(&stack.worker_role_arn).await?;
        Ok(World { emulator, clients, stack, binaries, worker_credentials, watchdog, dir })
    }

    /// Starts the emulator again after its end, with the state that it stored. Workers then need to be started again: the
    /// sessions of their role are gone.
    ///
    /// # Errors
    ///
    /// If it does not start, or has stored nothing because it was killed.
    pub async fn restart_emulator(&mut self) -> Result<()> {
        let python = tokio::task::spawn_blocking(python::emulator).await??;
        let dir = self.dir.path().to_owned();
        self.emulator.start_again(&python, &dir, &self.watchdog).await?;
        ensure!(
            stack::describe(&self.clients, stack::NAME).await?.is_some(),
            "the emulator was killed before it stored its state: start the world again"
        );
        self.worker_credentials = self.emulator.assume_role(&self.stack.worker_role_arn).await?;
        Ok(())
    }

    /// The folder with logs and configuration.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The programs this world runs.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    pub(crate) fn worker_credentials(&self) -> &RoleCredentials {
        &self.worker_credentials
    }

    /// Starts a worker with this name and waits until it is ready. A name may be used again after its worker has ended;
    /// the new worker appends to the same log.
    ///
    /// # Errors
    ///
    /// If the worker exits or is not ready in time; the error includes the end of its log.
    pub async fn start_worker(&self, name: &str, options: WorkerOptions) -> Result<Worker> {
        let start = Start {
            program: options.program.as_deref().unwrap_or(&self.binaries.countersign),
            name: name.to_owned(),
            dir: self.dir.path(),
            config: self.worker_config(&options),
            variables: options.variables,
            credentials: &self.worker_credentials,
            watchdog: &self.watchdog,
        };
        worker::Worker::start(start).await
    }

    /// Starts a Prometheus with these rules, which scrapes nothing yet.
    ///
    /// # Errors
    ///
    /// Says what to install if there is no Prometheus, or why it did not start.
    pub async fn start_prometheus(&self, rules: &str) -> Result<Prometheus> {
        let dir = root().join("target/local/prometheus");
        let programs = tokio::task::spawn_blocking(move || Programs::find(&dir)).await??;
        Prometheus::start(&programs, &self.dir().join("prometheus"), rules, &self.watchdog).await
    }

    /// Starts a Chromium without a window.
    ///
    /// # Errors
    ///
    /// Says what to install if there is no Chromium, or why it did not start.
    pub async fn start_browser(&self) -> Result<Browser> {
        let dir = root().join("target/local/browser");
        let programs = tokio::task::spawn_blocking(move || browser::programs::Programs::find(&dir)).await??;
        Browser::start(&programs, &self.dir().join("browser"), &self.watchdog).await
    }

    /// Starts an identity provider on a port, with a new signing key, for the console at `origin`.
    ///
    /// # Errors
    ///
    /// Says what to install if it is missing, or why it did not start.
    pub async fn start_identity_provider(&self, port: u16, origin: &str) -> Result<IdentityProvider> {
        IdentityProvider::start(port, origin, self.dir(), &self.watchdog).await
    }

    /// Writes a configuration file with which the command line finds this world's tables; returns its path.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn command_line_config(&self) -> Result<PathBuf> {
        let path = self.dir.path().join("command-line.toml");
        std::fs::write(&path, self.worker_config(&WorkerOptions::default()))?;
        Ok(path)
    }

    fn worker_config(&self, options: &WorkerOptions) -> String {
        // A JSON string is also a valid TOML string.
        let quoted = |text: &str| Value::from(text).to_string();
        let rules_dir = options.rules_dir.clone().unwrap_or_else(sample_rules);
        format!(
            "[aws]\nendpoint_url = {}\nregion = {}\n\n[tables]\ntasks = {}\ncontrol = {}\n\n[queues]\n\
             closed_executions = {}\nhints = {}\ntasks = {}\ntask_dead_letters = {}\nclosed_executions_dead_letters = {}\n\n[notices]\nevent_bus = {}\n\n[rules]\ndir = {}\n\n[api]\nlisten = {}\n\n[metrics]\nlisten = {}\n",
            quoted(options.endpoint_url.as_deref().unwrap_or(&self.emulator.endpoint_url)),
            quoted(REGION),
            quoted(&self.stack.tasks_table),
            quoted(&self.stack.control_table),
            quoted(&self.stack.closed_executions_queue_url),
            quoted(self.stack.hints_queue_url.as_deref().unwrap_or_default()),
            quoted(&self.stack.task_queue_url),
            quoted(&self.stack.task_dead_letter_queue_url),
            quoted(&self.stack.closed_executions_dead_letter_queue_url),
            quoted(self.stack.notices_bus.as_deref().unwrap_or_default()),
            quoted(&rules_dir.to_string_lossy()),
            quoted(options.listen.as_deref().unwrap_or("127.0.0.1:0")),
            quoted(options.metrics_listen.as_deref().unwrap_or("127.0.0.1:0")),
        )
    }
}

impl Dir {
    fn path(&self) -> &Path {
        match self {
            Dir::Temporary(dir) => dir.path(),
            Dir::Kept(path) => path,
        }
    }
}

/// The sample ruleset of the repository.
pub fn sample_rules() -> PathBuf {
    root().join("rules/scripts")
}

fn parameters(options: &Options) -> Vec<(&'static str, String)> {
    vec![
        ("IngestCodeBucket", "packages".to_owned()),
        ("IngestCodeKey", "ingest.zip".to_owned()),
        ("IngestTimeoutSeconds", options.ingest_timeout_seconds.to_string()),
        ("QueueVisibilitySeconds", options.visibility_seconds.to_string()),
        ("QueueMaxReceiveCount", options.max_receive_count.to_string()),
        ("WakeUp", options.wake_up.to_string()),
        ("Notices", options.notices.to_string()),
        ("ClosedVisibilitySeconds", options.closed_visibility_seconds.to_string()),
        ("ApprovalTimeoutSeconds", options.approval_timeout_seconds.to_string()),
        ("OtherStateMachines", options.other_state_machines.clone()),
        ("DeletionProtection", "false".to_owned()),
        ("WorkerRoleAlsoTrusts", "arn:aws:iam::000000000000:root".to_owned()),
    ]
}

/// Actions whose resource the emulator does not recognise. It checks them against `*`, while AWS checks them against
/// the ARN of the state machine or the stream, which the template grants. All other actions are enforced as the
/// template says.
fn unscoped_actions() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": [
                "states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat",
                "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator",
            ],
            "Resource": "*",
        }],
    })
}

/// Repeats the probe until it returns a value, and fails with `what` if there is none in time. For events in another
/// process, where nothing can be awaited.
///
/// # Errors
///
/// The probe's own error, immediately; or that `what` did not happen in time.
pub async fn eventually<T>(
    within: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = probe().await? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            return Err(anyhow!("did not happen within {within:?}: {what}"));
        }
        tokio::time::sleep(POLL).await;
    }
}
