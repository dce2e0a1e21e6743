//! Attribute values of DynamoDB: to write, and as read.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use statemachine::format::{self, Newer};

/// The names of `#attribute` placeholders: each stands for itself, since several are reserved words of DynamoDB.
pub(crate) fn names(expressions: &[&str]) -> HashMap<String, String> {
    let placeholders = expressions.iter().flat_map(|expression| expression.split('#').skip(1));
    placeholders
        .map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>())
        .map(|name| (format!("#{name}"), name))
        .collect()
}

pub(crate) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A text attribute; none where the item has none, or another type.
pub(crate) fn text_of(item: &HashMap<String, AttributeValue>, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

/// A whole number; none where the item has none, another type, or one beyond 64 bits.
pub(crate) fn number_of(item: &HashMap<String, AttributeValue>, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Checks that this version knows the format of an item of the control table.
pub(crate) fn check_format(item: &HashMap<String, AttributeValue>) -> Result<(), Newer> {
    let digits = item.get(format::ATTRIBUTE).map(|value| match value {
        AttributeValue::N(digits) => digits.as_str(),
        _ => "(not a number)",
    });
    format::check(digits, format::CONTROL)
}

/// The largest counter that is read: half of what 64 bits hold, so that counting on never overflows.
const COUNTER_MAX: i64 = i64::MAX / 2;

/// A counter; none where the item has none, or an edit by hand left something else than 0 to [`COUNTER_MAX`].
pub(crate) fn counter_of(item: &HashMap<String, AttributeValue>, name: &str) -> Option<i64> {
    number_of(item, name).filter(|counter| (0..=COUNTER_MAX).contains(counter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_placeholder_is_named_once() {
        let names = names(&["SET #a = :a, #listAt = #listAt + :one", "#decision.#id = :id AND #a = :b"]);
        let mut sorted: Vec<_> = names.into_iter().collect();
        sorted.sort();
        let expected = ["a", "decision", "id", "listAt"].map(|name| (format!("#{name}"), name.to_owned()));
        assert_eq!(sorted, expected);
    }
}
