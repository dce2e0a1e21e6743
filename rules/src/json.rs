//! An order's JSON text, read literally: every number exact, every key once, no key with a special meaning.
//!
//! Not `serde_json::Value`: its maps keep the last of two equal keys without a word, and with `arbitrary_precision` and
//! `raw_value` they take an object for a number, or for other JSON, when its key is one that the library uses for
//! itself.

pub(crate) mod parser;

use std::borrow::Cow;
use std::fmt;

use rust_decimal::Decimal;

use crate::number;

/// The deepest nesting that is read: that of `serde_json`, and far from the end of a thread's stack.
const MAX_DEPTH: usize = 128;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    /// Sorted by key, each key once.
    Record(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It is not JSON, from this byte on.
    Syntax(usize),
    /// It is nested too deeply.
    Depth,
    /// Two fields of one record have this path.
    Twice(String),
    /// The number at this path needs more digits than a decimal keeps. The number itself is not named: it may be masked.
    Inexact(String),
}

impl Json<'_> {
    /// What messages call its type.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "true or false",
            Json::Number(_) => "a number",
            Json::Text(_) => "text",
            Json::List(_) => "a list",
            Json::Record(_) => "a record",
        }
    }
}

impl Problem {
    /// Puts the name of what the problem is inside of in front of its path.
    fn inside(self, name: &str) -> Problem {
        match self {
            Problem::Twice(path) => Problem::Twice(under(name, &path)),
            Problem::Inexact(path) => Problem::Inexact(under(name, &path)),
            other @ (Problem::Syntax(_) | Problem::Depth) => other,
        }
    }

    /// In words, about `what`, whose text this is. `shown` gives how much of a path may be shown: the keys inside a masked
    /// field belong to its value.
    pub(crate) fn describe(self, what: &str, text: &str, shown: impl Fn(&str) -> usize) -> String {
        let cut = |path: &str| match shown(path) {
            end if end < path.len() => format!("a field inside {}", under(what, &path[..end])),
            _ => under(what, path),
        };
        match self {
            Problem::Syntax(offset) => {
                let (line, column) = crate::document::line_and_column(text, offset);
                format!("the {what} is not JSON: error at line {line}, column {column}")
            }
            Problem::Depth => format!("the {what} is nested more than {MAX_DEPTH} levels deep"),
            Problem::Twice(path) => Problem::Twice(cut(&path)).to_string(),
            Problem::Inexact(path) => Problem::Inexact(cut(&path)).to_string(),
        }
    }
}

/// A path behind the name of what it is inside of.
fn under(name: &str, path: &str) -> String {
    match path {
        "" => name.to_owned(),
        path if path.starts_with('[') => format!("{name}{path}"),
        path => format!("{name}.{path}"),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Syntax(offset) => write!(f, "not JSON from byte {offset} on"),
            Problem::Depth => write!(f, "more than {MAX_DEPTH} levels deep"),
            Problem::Twice(path) => write!(f, "{path} occurs twice"),
            Problem::Inexact(path) => write!(f, "{path} has more digits than can be kept exactly (28)"),
        }
    }
}

/// A value that another reader made, such as a parameter.
pub(crate) fn of(value: serde_json::Value) -> Result<Json<'static>, Problem> {
    use serde_json::Value;
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(value),
        Value::Number(number) => {
            Json::Number(number::parse(number.as_str()).ok_or(Problem::Inexact(String::new()))?)
        }
        Value::String(text) => Json::Text(text.into()),
        Value::Array(values) => {
            let values = values.into_iter().map(|value| of(value).map_err(|problem| problem.inside("[]")));
            Json::List(values.collect::<Result<_, _>>()?)
        }
        Value::Object(map) => {
            let fields = map.into_iter().map(|(name, value)| {
                let value = of(value).map_err(|problem| problem.inside(&name))?;
                Ok((Cow::Owned(name), value))
            });
            record(fields.collect::<Result<_, Problem>>()?)?
        }
    })
}

fn record<'a>(mut fields: Vec<(Cow<'a, str>, Json<'a>)>) -> Result<Json<'a>, Problem> {
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    match fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) if pair[0].0.is_empty() => Err(Problem::Twice("''".to_owned())),
        Some(pair) => Err(Problem::Twice(pair[0].0.clone().into_owned())),
        None => Ok(Json::Record(fields)),
    }
}

#[cfg(test)]
mod tests;
