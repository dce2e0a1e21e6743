//! Every setting: embedded defaults, a file, the environment, flags, in that order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde::{Deserialize, Serialize};

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
}

/// Where the rules are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Rules {
    pub source: RulesSource,
    pub dir: PathBuf,
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

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each")]
pub struct Api {
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

/// A configuration that cannot be used. Names the key, the value, and where it came from.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that is not there is a mistake, not a default.
    #[error("configuration file {0}: not found; leave --config away to run with the defaults")]
    NoFile(PathBuf),
    /// A key or a value that figment refused.
    #[error("configuration: {0}; `countersign config --defaults` lists every key")]
    Invalid(#[from] Box<figment::Error>),
    /// A value outside its range, or two that contradict each other.
    #[error("configuration: {key} = {value}: {remedy}")]
    OutOfRange {
        /// The key, dotted.
        key: &'static str,
        /// What was given.
        value: String,
        /// What would do.
        remedy: &'static str,
    },
}

impl Config {
    /// Reads every layer. `flags` are `(dotted key, value)` pairs from the command line.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first key or value that cannot be used.
    pub fn load(file: Option<&Path>, flags: &[(&str, String)]) -> Result<Config, ConfigError> {
        let mut layers = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            if !file.is_file() {
                return Err(ConfigError::NoFile(file.to_owned()));
            }
            layers = layers.merge(Toml::file_exact(file));
        }
        // COUNTERSIGN_URL is for the commands that ask a worker.
        layers = layers.merge(Env::prefixed("COUNTERSIGN_").ignore(&["url"]).split("__"));
        for (key, value) in flags {
            layers = layers.merge(Serialized::default(key, value));
        }
        let config: Config = layers.extract().map_err(Box::new)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, value: &dyn ToString, remedy| {
            Err(ConfigError::OutOfRange { key, value: value.to_string(), remedy })
        };
        if !self.api.listen.ip().is_loopback() {
            let remedy = "without authentication the API binds loopback only, such as 127.0.0.1:8420";
            return refuse("api.listen", &self.api.listen, remedy);
        }
        if !(1_000..=600_000).contains(&self.worker.lease_ms) {
            return refuse("worker.lease_ms", &self.worker.lease_ms, "1000 to 600000");
        }
        if self.worker.in_flight_records == 0 || self.worker.in_flight_records > 100_000 {
            return refuse("worker.in_flight_records", &self.worker.in_flight_records, "1 to 100000");
        }
        if self.worker.in_flight_mib == 0 || self.worker.in_flight_mib > 4_096 {
            return refuse("worker.in_flight_mib", &self.worker.in_flight_mib, "1 to 4096");
        }
        if !(100..=3_600_000).contains(&self.worker.sweep_ms) {
            return refuse("worker.sweep_ms", &self.worker.sweep_ms, "100 to 3600000");
        }
        for (key, value) in [
            ("budgets.send_task", self.budgets.send_task),
            ("budgets.describe_execution", self.budgets.describe_execution),
            ("budgets.execution_history", self.budgets.execution_history),
            ("budgets.sweep", self.budgets.sweep),
        ] {
            if value == 0 {
                return refuse(key, &value, "at least 1 a second, or the work can never end");
            }
        }
        if self.budgets.describe_stream < 2 {
            let range = "at least 2 a second: half for listings, half for the children of shards";
            return refuse("budgets.describe_stream", &self.budgets.describe_stream, range);
        }
        for (key, value) in [("tables.tasks", &self.tables.tasks), ("tables.control", &self.tables.control)] {
            if value.is_empty() {
                return refuse(key, value, "the name of a table");
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn refused(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let error = Config::load(Some(file.path()), &[]).unwrap_err().to_string();
        error.replace(&file.path().display().to_string(), "FILE")
    }

    #[test]
    fn the_defaults_are_valid_and_later_layers_win() {
        let config = Config::load(None, &[("log.format", "text".to_owned())]).unwrap();
        assert_eq!((config.log.format, config.worker.lease_ms), (LogFormat::Text, 10_000));
        assert_eq!(config.aws.endpoint_url, None);
    }

    #[test]
    fn a_bad_setting_is_named_with_its_place_and_a_remedy() {
        for (text, parts) in [
            ("[worker]\nlease = 5", &["unknown field", "lease", "FILE", "lease_ms"] as &[&str]),
            ("[worker]\nlease_ms = \"soon\"", &["worker.lease_ms", "FILE", "soon"]),
            ("[worker]\nlease_ms = 5", &["worker.lease_ms = 5", "1000 to 600000"]),
            ("[api]\nlisten = \"0.0.0.0:8420\"", &["api.listen = 0.0.0.0:8420", "loopback"]),
            ("[budgets]\nsend_task = 0", &["budgets.send_task = 0", "at least 1"]),
            ("[rules]\nsource = \"s3\"", &["rules.source", "s3", "published"]),
        ] {
            let error = refused(text);
            for part in parts {
                assert!(error.contains(part), "{text:?} gives {error:?}, without {part:?}");
            }
        }
        let missing = Config::load(Some(Path::new("/none.toml")), &[]).unwrap_err().to_string();
        assert!(missing.contains("/none.toml: not found"), "{missing}");
    }

    /// Every leaf of a TOML table by its dotted key, as the README writes it.
    fn leaves(prefix: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    leaves(&key, value, into);
                }
            }
            toml::Value::String(text) => drop(into.insert(prefix.to_owned(), text.clone())),
            other => drop(into.insert(prefix.to_owned(), other.to_string())),
        }
    }

    #[test]
    fn the_readme_lists_every_key_with_its_default() {
        let mut defaults = BTreeMap::new();
        leaves("", &toml::Value::Table(DEFAULTS.parse().unwrap()), &mut defaults);
        let readme = include_str!("../../README.md");
        let rows = readme.lines().filter_map(|line| {
            let mut cells =
                line.strip_prefix("| `")?.split('|').map(|cell| cell.trim_matches(['`', ' ']).to_owned());
            let (key, default) = (cells.next()?, cells.next()?);
            key.contains('.').then_some((key, default))
        });
        assert_eq!(rows.collect::<BTreeMap<_, _>>(), defaults);
    }
}
