//! One setting from the environment or the command line: a text that is converted to the type of its key.

use figment::providers::Env;
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::DEFAULTS;

/// The prefix of every variable.
pub(super) const PREFIX: &str = "COUNTERSIGN_";

/// A setting, and where it was given.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Where it was given: the name of the variable or the flag.
    pub place: String,
    /// The key with dots, such as `api.listen`.
    pub key: String,
    /// The value as given.
    pub text: String,
}

/// Reads the settings from the environment. `COUNTERSIGN_URL` and `COUNTERSIGN_TOKEN` are not among them: they are for the
/// commands that call a worker.
pub(super) fn of_environment() -> Vec<Setting> {
    let variables = Env::prefixed(PREFIX).ignore(&["url", "token"]).split("__");
    let settings = variables.iter().map(|(key, text)| {
        let key = key.to_string();
        Setting { place: variable(&key), key, text }
    });
    settings.collect()
}

/// The token for a worker's API, from `COUNTERSIGN_TOKEN`. It is no flag: other users of the machine see those.
pub(crate) fn token_of_environment() -> Option<String> {
    std::env::var_os("COUNTERSIGN_TOKEN")?.into_string().ok().filter(|token| !token.is_empty())
}

/// The variable for a key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

impl Provider for Setting {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let value = figment::util::nest(&self.key, typed(&self.key, &self.text));
        Ok(value.into_dict().map(|dict| Profile::Default.collect(dict)).unwrap_or_default())
    }
}

/// A number if the default is a number, and a text in all other cases: a worker may be called `12345`.
fn typed(key: &str, text: &str) -> Value {
    let defaults: toml::Table = DEFAULTS.parse().expect("the defaults are valid TOML");
    let default = key.split_once('.').and_then(|(table, key)| defaults.get(table)?.get(key));
    match text.parse::<u64>() {
        Ok(number) if default.is_some_and(toml::Value::is_integer) => Value::from(number),
        _ => Value::from(text),
    }
}
