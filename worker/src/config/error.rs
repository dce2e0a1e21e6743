//! Why a configuration cannot be used: what is wrong, in which place, and what to write instead.

use std::io;
use std::path::PathBuf;

use figment::Metadata;
use figment::error::{Kind, OneOf};

use super::setting;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file given with `--config` does not exist. That is a mistake, not a reason to use the defaults.
    #[error("configuration file {}: not found; omit --config to run with the defaults", .0.display())]
    NoFile(PathBuf),
    /// It is a folder, a pipe or a device.
    #[error("configuration file {}: not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// It exists, and cannot be read.
    #[error("configuration file {}: cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// An unknown key, or a value of the wrong type.
    #[error("configuration: {0}; `countersign config --defaults` lists every key")]
    Invalid(String),
    /// A value outside its range.
    #[error("configuration: {key} = {value}{place}: {remedy}")]
    OutOfRange {
        /// The key with dots, such as `api.listen`.
        key: &'static str,
        /// The given value.
        value: String,
        /// The file, variable or flag that gave the value, in brackets; empty for a default.
        place: String,
        /// What to write instead.
        remedy: String,
    },
}

impl ConfigError {
    /// Lists every mistake that was found, each once. The original error is not kept as a source, because it would be
    /// printed a second time.
    pub(super) fn of(error: &figment::Error) -> ConfigError {
        let errors: Vec<String> = error.clone().into_iter().map(|error| one(&error)).collect();
        ConfigError::Invalid(errors.join("; "))
    }
}

fn one(error: &figment::Error) -> String {
    let mut key = error.path.join(".");
    let what = match &error.kind {
        Kind::UnknownField(field, known) => {
            if !key.ends_with(field.as_str()) {
                key = if key.is_empty() { field.clone() } else { format!("{key}.{field}") };
            }
            format!("unknown key{}; expected {}", meant(&key), OneOf(known))
        }
        Kind::UnknownVariant(found, known) => format!("found {found:?}, expected {}", OneOf(known)),
        Kind::InvalidType(found, expected) if expected.starts_with(['u', 'i']) => {
            format!("found {found}, expected a whole number")
        }
        Kind::InvalidType(found, expected) if expected.starts_with("struct") => {
            format!("found {found}, expected a table of keys")
        }
        other => other.to_string(),
    };
    let place = place(error.metadata.as_ref());
    if key.is_empty() { format!("{what}{place}") } else { format!("{key}{place}: {what}") }
}

/// The variable that was probably meant, if only the underscores are in the wrong places.
fn meant(key: &str) -> String {
    let defaults: toml::Table = super::DEFAULTS.parse().expect("the defaults are valid TOML");
    let keys = defaults.iter().flat_map(|(table, keys)| {
        let keys = keys.as_table().into_iter().flatten();
        keys.map(move |(key, _)| format!("{table}.{key}"))
    });
    let plain = |key: &str| key.replace(['.', '_'], "");
    let found = keys.into_iter().find(|known| plain(known) == plain(key));
    found
        .map(|known| format!(" (did you mean {known}, variable {}?)", setting::variable(&known)))
        .unwrap_or_default()
}

/// The place that gave a value, in brackets; empty for a default.
pub(super) fn place(of: Option<&Metadata>) -> String {
    match of {
        Some(Metadata { source: Some(source), .. }) => match source.file_path() {
            Some(path) => format!(" ({})", path.display()),
            None => String::new(),
        },
        Some(Metadata { name, .. }) if !name.starts_with("TOML") => format!(" ({name})"),
        _ => String::new(),
    }
}
