//! A stored item without AWS: what the table, the stream and the Lambda each convert from and to.

use std::collections::BTreeMap;

use crate::format::{self, Newer};
use crate::status::State;

/// One attribute value. Only the types a task uses; the rest is [`Value::Other`], kept apart so that a foreign
/// attribute is noticed where it matters and ignored elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `S`
    Text(String),
    /// `N`, as the text DynamoDB keeps.
    Number(String),
    /// `M`
    Map(Item),
    /// `B`
    Bytes(Vec<u8>),
    /// Any other type.
    Other,
}

/// Attributes by name.
pub type Item = BTreeMap<String, Value>;

/// An item that is not what its table should hold. Names the attribute, never its value: it may be the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The attribute is absent.
    #[error("attribute {0} is missing")]
    Missing(&'static str),
    /// The attribute has another type, or a value outside its range.
    #[error("attribute {0} is not {1}")]
    Not(&'static str, &'static str),
    /// A newer version wrote it.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// Status, decision and delivery do not go together.
    #[error("no task can have {0}")]
    Impossible(State),
    /// The attribute holds the task token, which no other attribute may hold.
    #[error("attribute {0} holds the task token")]
    HoldsToken(&'static str),
}

/// Checks that this version knows the format of a task's item.
///
/// # Errors
///
/// [`Newer`] when it does not.
pub fn check_format(item: &Item) -> Result<(), Newer> {
    let digits = item.get(format::ATTRIBUTE).map(|value| match value {
        Value::Number(digits) => digits.as_str(),
        Value::Text(_) | Value::Map(_) | Value::Bytes(_) | Value::Other => "(not a number)",
    });
    format::check(digits, format::TASK)
}

/// The text of an attribute that must be there.
///
/// # Errors
///
/// [`Malformed`] when it is absent or not a string.
pub fn text(item: &Item, name: &'static str) -> Result<String, Malformed> {
    optional_text(item, name)?.ok_or(Malformed::Missing(name))
}

/// The text of an attribute that may be absent.
///
/// # Errors
///
/// [`Malformed`] when it is there and not a string.
pub fn optional_text(item: &Item, name: &'static str) -> Result<Option<String>, Malformed> {
    match item.get(name) {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Malformed::Not(name, "a string")),
    }
}

/// The whole number of an attribute that may be absent.
///
/// # Errors
///
/// [`Malformed`] when it is there and not a whole number of 64 bits.
pub fn optional_number(item: &Item, name: &'static str) -> Result<Option<i64>, Malformed> {
    match item.get(name) {
        None => Ok(None),
        Some(Value::Number(digits)) => {
            digits.parse().map(Some).map_err(|_| Malformed::Not(name, "a whole number of 64 bits"))
        }
        Some(_) => Err(Malformed::Not(name, "a number")),
    }
}

/// The map of an attribute that may be absent.
///
/// # Errors
///
/// [`Malformed`] when it is there and not a map.
pub fn optional_map<'a>(item: &'a Item, name: &'static str) -> Result<Option<&'a Item>, Malformed> {
    match item.get(name) {
        None => Ok(None),
        Some(Value::Map(map)) => Ok(Some(map)),
        Some(_) => Err(Malformed::Not(name, "a map")),
    }
}

/// Puts a text under a name, or nothing when there is none.
pub fn put_text(item: &mut Item, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        item.insert(name.to_owned(), Value::Text(text.to_owned()));
    }
}

/// Puts a whole number under a name, or nothing when there is none.
pub fn put_number(item: &mut Item, name: &str, number: Option<i64>) {
    if let Some(number) = number {
        item.insert(name.to_owned(), Value::Number(number.to_string()));
    }
}
