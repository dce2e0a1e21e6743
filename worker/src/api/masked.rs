//! An order without the values that its schema masks, for callers who may only read.
//!
//! Everything else stays as it was written: parsing and writing it again would change numbers, and drop one of two fields
//! of the same name.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::tasks::order::fields;

/// What stands in the place of a masked value.
const MASKED: &str = "\"(masked)\"";
/// What stands in the place of a value that cannot be searched for masked fields.
const NOT_SEARCHED: &str = "\"(not shown)\"";
/// Deeper levels are not searched, and so not shown.
const MOST_LEVELS: usize = 64;

/// An order in which every field of a masked name is replaced, wherever it stands.
pub(super) fn without(order: &RawValue, masked: &BTreeSet<String>) -> Box<RawValue> {
    if masked.is_empty() {
        return order.to_owned();
    }
    let mut text = String::with_capacity(order.get().len());
    // A text in place of a record may hold anything.
    if fields(order.get()).is_some() || elements(order.get()).is_some() {
        write(order.get(), masked, 0, &mut text);
    } else {
        text.push_str(NOT_SEARCHED);
    }
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn write(value: &str, masked: &BTreeSet<String>, level: usize, text: &mut String) {
    let is_group = matches!(value.as_bytes().first(), Some(b'{' | b'['));
    if is_group && level >= MOST_LEVELS {
        text.push_str(NOT_SEARCHED);
    } else if let Some(fields) = fields(value) {
        text.push('{');
        for (number, (name, value)) in fields.into_iter().enumerate() {
            let separator = if number == 0 { "" } else { "," };
            let quoted = serde_json::to_string(&name).unwrap_or_default();
            text.push_str(&format!("{separator}{quoted}:"));
            if masked.contains(&name) {
                text.push_str(MASKED);
            } else {
                write(value.get(), masked, level + 1, text);
            }
        }
        text.push('}');
    } else if let Some(elements) = elements(value) {
        text.push('[');
        for (number, value) in elements.into_iter().enumerate() {
            text.push_str(if number == 0 { "" } else { "," });
            write(value.get(), masked, level + 1, text);
        }
        text.push(']');
    } else if is_group {
        text.push_str(NOT_SEARCHED);
    } else {
        text.push_str(value);
    }
}

fn elements(text: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(order: &str, masked: &[&str]) -> String {
        let raw = RawValue::from_string(order.to_owned()).unwrap();
        without(&raw, &masked.iter().map(|name| (*name).to_owned()).collect()).get().to_owned()
    }

    #[test]
    fn a_masked_name_is_replaced_wherever_it_stands() {
        let order = r#"{"amount": 1.50, "customer": {"id": {"n": "secret"}, "tier": "gold"}, "items": [{"id": "secret"}], "id": "secret", "\u0069d": "secret"}"#;
        let expected = r#"{"amount":1.50,"customer":{"id":"(masked)","tier":"gold"},"items":[{"id":"(masked)"}],"id":"(masked)","id":"(masked)"}"#;
        assert_eq!(shown(order, &["id"]), expected);
        assert_eq!(shown(order, &[]), order);
    }

    #[test]
    fn what_cannot_be_searched_is_not_shown() {
        for order in [r#""{\"id\":\"secret\"}""#, "7"] {
            assert_eq!(shown(order, &["id"]), NOT_SEARCHED, "{order}");
        }
        let deep = format!("{}{}{}", r#"{"a":"#.repeat(100), r#"{"id":"secret"}"#, "}".repeat(100));
        assert!(!shown(&deep, &["id"]).contains("secret"));
        let lists = format!("{}{}{}", "[".repeat(100_000), r#"{"id":"secret"}"#, "]".repeat(100_000));
        assert!(!shown(&lists, &["id"]).contains("secret"));
    }
}
