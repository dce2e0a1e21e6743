//! The environment, read once at cold start. Region, credentials and endpoint are the SDK's own variables.

/// Where tasks are stored: the variable the template sets.
pub const TASKS_TABLE: &str = "TASKS_TABLE";
/// How much this crate logs: `error`, `warn`, `info` (default) or `debug`. Libraries stay at `warn` whatever it
/// says, since their `trace` prints message bodies, which hold the token.
pub const LOG_LEVEL: &str = "LOG_LEVEL";

/// What the function needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The name of the tasks table.
    pub tasks_table: String,
    /// This crate's log level.
    pub log_level: LogLevel,
}

/// How much this crate logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Messages that can never be stored.
    Error,
    /// And those that will be tried again, and unknown fields.
    Warn,
    /// And one line for each stored message.
    Info,
    /// The same today.
    Debug,
}

/// A variable that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// There is no table to store in.
    #[error("variable {TASKS_TABLE} is not set: give it the name of the tasks table")]
    NoTable,
    /// Not a level.
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
        let log_level = match variable(LOG_LEVEL) {
            None => LogLevel::Info,
            Some(text) => LogLevel::parse(&text).ok_or(Invalid::NotALevel(text))?,
        };
        Ok(Config { tasks_table, log_level })
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
            assert_eq!(error, "variable TASKS_TABLE is not set: give it the name of the tasks table");
        }
        let error = config(&[("TASKS_TABLE", "t"), ("LOG_LEVEL", "trace")]).unwrap_err().to_string();
        assert_eq!(error, "variable LOG_LEVEL is \"trace\": use error, warn, info or debug");
    }
}
