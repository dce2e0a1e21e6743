//! Every setting: embedded defaults, a file, the environment, flags, in that order.

mod error;
mod range;
mod setting;
#[cfg(test)]
mod tests;
mod traces;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format as _, Toml};
use serde::{Deserialize, Serialize};

pub use self::error::ConfigError;
pub(crate) use self::range::{is_region, is_url, public_url};
pub use self::setting::Setting;
pub(crate) use self::setting::token_of_environment;
pub use self::traces::{Traces, Unsupported};
use crate::in_time::{READ_LIMIT, in_time};
use crate::role::Role;

/// The commented defaults, as `countersign config --defaults` prints them.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// The effective configuration. Each field's meaning and unit stand in `config.default.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Config {
    pub aws: Aws,
    pub tables: Tables,
    pub queues: Queues,
    pub rules: Rules,
    pub worker: Worker,
    pub budgets: Budgets,
    pub api: Api,
    pub auth: Auth,
    pub notices: Notices,
    pub metrics: Metrics,
    pub log: Log,
}

/// Where AWS is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Aws {
    #[serde(with = "empty_is_none")]
    pub endpoint_url: Option<String>,
    #[serde(with = "empty_is_none")]
    pub region: Option<String>,
    pub send_task_scope: SendTaskScope,
}

/// What the worker's role may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SendTaskScope {
    /// State machines by their ARNs, as the template allows by default.
    StateMachines,
    /// Every state machine of the account in the region.
    All,
}

/// The tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Tables {
    pub tasks: String,
    pub control: String,
    pub retention_days: u32,
}

/// The queues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Queues {
    #[serde(with = "empty_is_none")]
    pub closed_executions: Option<String>,
    #[serde(with = "empty_is_none")]
    pub hints: Option<String>,
    #[serde(with = "empty_is_none")]
    pub tasks: Option<String>,
    #[serde(with = "empty_is_none")]
    pub task_dead_letters: Option<String>,
    #[serde(with = "empty_is_none")]
    pub closed_executions_dead_letters: Option<String>,
}

/// Where the rules are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Rules {
    pub source: RulesSource,
    pub dir: PathBuf,
    pub strict: bool,
    #[serde(with = "empty_is_none")]
    pub accepted_file: Option<String>,
}

/// How the fleet gets its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RulesSource {
    /// From `rules.dir`, which each machine has.
    Directory,
    /// From the control table, by `countersign rules publish`.
    Published,
}

/// The process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Worker {
    #[serde(with = "empty_is_none")]
    pub id: Option<String>,
    pub lease_ms: u64,
    pub in_flight_records: u32,
    pub in_flight_mib: u32,
    pub sweep_ms: u64,
    pub drain_ms: u64,
}

/// Calls a second of the whole fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Budgets {
    pub send_task: u32,
    pub describe_execution: u32,
    pub execution_history: u32,
    pub describe_stream: u32,
    pub sweep: u32,
}

/// The regions where Step Functions refills the buckets of `SendTask*` with 500 calls a second, and not with 300 (Service
/// quotas of AWS Step Functions, "API action throttling").
const LARGE_REGIONS: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];
/// 97 % of 500.
const SEND_TASK_LARGE: u32 = 485;
/// 97 % of 300.
const SEND_TASK: u32 = 291;

impl Budgets {
    /// How many calls of `SendTask*` a second the fleet may make in this region.
    pub fn send_task_in(&self, region: &str) -> u32 {
        match self.send_task {
            0 if LARGE_REGIONS.contains(&region) => SEND_TASK_LARGE,
            0 => SEND_TASK,
            configured => configured,
        }
    }
}

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Api {
    pub listen: SocketAddr,
    #[serde(with = "empty_is_none")]
    pub public_url: Option<String>,
    #[serde(with = "empty_is_none")]
    pub tls_cert_file: Option<String>,
    #[serde(with = "empty_is_none")]
    pub tls_key_file: Option<String>,
    #[serde(with = "empty_is_none")]
    pub address_file: Option<String>,
}

/// How callers of the API are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Auth {
    pub mode: AuthMode,
    pub oidc: Oidc,
}

/// Whether callers show who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// They do not: the API is for this machine alone.
    None,
    /// By a bearer token.
    Tokens,
    /// By the access token of an identity provider, or by a bearer token.
    Oidc,
}

/// The identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Oidc {
    pub issuer: String,
    pub audience: String,
    pub person_claim: String,
    pub roles_claim: String,
    pub client_id: String,
    #[serde(with = "empty_is_none")]
    pub client_secret_file: Option<String>,
    pub scopes: String,
    pub roles: BTreeMap<String, Role>,
}

/// What people are told of tasks that wait for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Notices {
    #[serde(with = "empty_is_none")]
    pub event_bus: Option<String>,
}

/// The listener for metrics and health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Metrics {
    pub listen: SocketAddr,
    #[serde(with = "empty_is_none")]
    pub address_file: Option<String>,
}

/// The log on standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// For a terminal.
    Text,
}

impl Config {
    /// Reads every layer. `flags` are what the command line sets.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first key or value that cannot be used.
    pub fn load(file: Option<&Path>, flags: &[Setting]) -> Result<Config, ConfigError> {
        Config::from_layers(file, setting::of_environment(), flags)
    }

    fn from_layers(
        file: Option<&Path>,
        variables: Vec<Setting>,
        flags: &[Setting],
    ) -> Result<Config, ConfigError> {
        let mut layers = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            must_be_a_file(file)?;
            layers = layers.merge(Toml::file_exact(file));
        }
        for setting in variables.into_iter().chain(flags.iter().cloned()) {
            layers = layers.merge(setting);
        }
        let config: Config = layers.extract().map_err(|error| ConfigError::of(&error))?;
        config.check(&|key| error::place(layers.find_metadata(key)))?;
        Ok(config)
    }

    /// The effective configuration as TOML. It holds no secret today; a key that ever does is redacted here.
    ///
    /// # Panics
    ///
    /// Never: every field has a TOML form.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every field has a TOML form")
    }
}

/// A folder or a pipe in place of the file is named, and a file system that does not answer is given up.
fn must_be_a_file(file: &Path) -> Result<(), ConfigError> {
    let path = file.to_owned();
    match in_time(READ_LIMIT, move || path.metadata().map(|data| data.is_file())) {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(ConfigError::NotAFile(file.to_owned())),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            Err(ConfigError::NoFile(file.to_owned()))
        }
        Ok(Err(error)) => Err(ConfigError::Unreadable(file.to_owned(), error)),
        Err(late) => Err(ConfigError::Unreadable(file.to_owned(), io::Error::other(late))),
    }
}

impl Worker {
    /// How long a lease outlives its holder's last heartbeat.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
}

/// An empty string stands for none, so that every key has a default to show.
mod empty_is_none {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
        value.as_deref().unwrap_or_default().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
        let text = String::deserialize(from)?;
        Ok((!text.is_empty()).then_some(text))
    }
}
