//! The configuration, read once from the environment at cold start. The SDK reads its own variables for region,
//! credentials and endpoint.

/// The variable with the name of the tasks table; the template sets it.
pub const TASKS_TABLE: &str = "TASKS_TABLE";
/// The variable with the URL of the queue of hints; the template sets it with `WakeUp`. Without it no hint is sent.
pub const HINTS_QUEUE_URL: &str = "HINTS_QUEUE_URL";
/// The variable with the log level of this crate: `error`, `warn`, `info` (default) or `debug`. Libraries always log at
/// `warn`, since their `trace` prints message bodies, which contain the token.
pub const LOG_LEVEL: &str = "LOG_LEVEL";

/// The variable with the function's name; Lambda sets it.
pub const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";

/// The configuration of the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The name of the tasks table.
    pub tasks_table: String,
    /// The URL of the queue of hints, if hints are to be sent.
    pub hints_queue: Option<String>,
    /// The log level of this crate.
    pub log_level: LogLevel,
    /// The function's own name, a dimension of its metrics.
    pub function: String,
}

/// How much this crate logs. Each level includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Messages that can never be stored.
    Error,
    /// Messages that will be retried, and unknown fields.
    Warn,
    /// One line for each stored message.
    Info,
    /// Currently the same as `Info`.
    Debug,
}

/// A variable that is missing or invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The name of the tasks table is missing.
    #[error("variable {TASKS_TABLE} is not set: set it to the name of the tasks table")]
    NoTable,
    /// The text is not a log level.
    #[error("variable {LOG_LEVEL} is {0:?}: use error, warn, info or debug")]
    NotALevel(String),
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the variable and the remedy.
    pub fn from_env() -> Result<Config, Invalid> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        Config::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Config, Invalid> {
        let tasks_table = variable(TASKS_TABLE).filter(|name| !name.is_empty()).ok_or(Invalid::NoTable)?;
        let hints_queue = variable(HINTS_QUEUE_URL).filter(|url| !url.is_empty());
        let log_level = match variable(LOG_LEVEL) {
            None => LogLevel::Info,
            Some(text) => LogLevel::parse(&text).ok_or(Invalid::NotALevel(text))?,
        };
        let function = variable(FUNCTION_NAME).unwrap_or_else(|| "ingest".to_owned());
        Ok(Config { tasks_table, hints_queue, log_level, function })
    }

    /// The filter for `tracing-subscriber`.
    pub fn log_filter(&self) -> String {
        format!("warn,ingest={}", self.log_level.name())
    }
}

impl LogLevel {
    const ALL: [LogLevel; 4] = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug];

    fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
        }
    }

    fn parse(text: &str) -> Option<LogLevel> {
        LogLevel::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, Invalid> {
        Config::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn only_the_table_is_needed() {
        let config = config(&[("TASKS_TABLE", "tasks")]).unwrap();
        assert_eq!(config.tasks_table, "tasks");
        assert_eq!(config.log_filter(), "warn,ingest=info");
    }

    #[test]
    fn libraries_never_log_more_than_warnings() {
        let config = config(&[("TASKS_TABLE", "tasks"), ("LOG_LEVEL", "DEBUG")]).unwrap();
        assert_eq!(config.log_filter(), "warn,ingest=debug");
    }

    #[test]
    fn errors_name_the_variable_and_the_remedy() {
        for variables in [&[][..], &[("TASKS_TABLE", "")]] {
            let error = config(variables).unwrap_err().to_string();
            assert_eq!(error, "variable TASKS_TABLE is not set: set it to the name of the tasks table");
        }
        let error = config(&[("TASKS_TABLE", "t"), ("LOG_LEVEL", "trace")]).unwrap_err().to_string();
        assert_eq!(error, "variable LOG_LEVEL is \"trace\": use error, warn, info or debug");
    }
}
