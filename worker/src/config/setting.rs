//! One setting of the environment or the command line: a text that becomes what its key holds.

use figment::providers::Env;
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::DEFAULTS;

/// What every variable begins with.
pub(super) const PREFIX: &str = "COUNTERSIGN_";

/// A setting, and where it stands.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Where it was given: the variable's or the flag's name.
    pub place: String,
    /// The dotted key, such as `api.listen`.
    pub key: String,
    /// The value as given.
    pub text: String,
}

/// The settings among the environment's variables. `COUNTERSIGN_URL` is for the commands that call a worker.
pub(super) fn of_environment() -> Vec<Setting> {
    let variables = Env::prefixed(PREFIX).ignore(&["url"]).split("__");
    let settings = variables.iter().map(|(key, text)| {
        let key = key.to_string();
        Setting { place: variable(&key), key, text }
    });
    settings.collect()
}

/// The variable of a key.
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

/// A number where the default is one. All else is a text, whatever it looks like: a worker may be called `12345`.
fn typed(key: &str, text: &str) -> Value {
    let defaults: toml::Table = DEFAULTS.parse().expect("the defaults are TOML");
    let default = key.split_once('.').and_then(|(table, key)| defaults.get(table)?.get(key));
    match text.parse::<u64>() {
        Ok(number) if default.is_some_and(toml::Value::is_integer) => Value::from(number),
        _ => Value::from(text),
    }
}
