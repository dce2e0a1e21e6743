//! The order as a person reads it: one line for each field, in the order in which the workflow sent them, masked fields
//! masked.
//!
//! Each value is shown as it was written: parsing and writing it again would change numbers, and drop one of two fields
//! of the same name.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::plain_text::plain;
use crate::tasks::order::fields;

/// Deeper levels are not shown.
const MOST_LEVELS: usize = 8;
/// The most lines that are shown at once; the others are folded.
pub(super) const SHOWN_LINES: usize = 40;
/// The most lines of all.
const MOST_LINES: usize = 2_000;
/// Longer texts are folded.
const SHOWN_CHARS: usize = 200;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: String,
    /// How deep it stands, from 0.
    pub(super) level: usize,
    pub(super) value: Value,
}

/// The content of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// The fields below belong to it.
    Group,
    Text(String),
    /// The beginning of a long text, and the whole.
    Long(String, String),
    Masked,
    /// It is not shown, and why.
    Hidden(&'static str),
}

/// The lines of an order.
pub(super) fn lines(order: &RawValue, masked: &BTreeSet<String>) -> Vec<Line> {
    let mut lines = Vec::new();
    match fields(order.get()) {
        Some(fields) => add_fields(fields, 0, masked, &mut lines),
        None => add("order".to_owned(), order, 0, masked, &mut lines),
    }
    if lines.len() > MOST_LINES {
        lines.truncate(MOST_LINES);
        lines.push(Line {
            name: "…".to_owned(),
            level: 0,
            value: Value::Hidden("there is more than can be shown"),
        });
    }
    lines
}

fn add_fields(
    fields: Vec<(String, &RawValue)>,
    level: usize,
    masked: &BTreeSet<String>,
    lines: &mut Vec<Line>,
) {
    for (name, value) in fields {
        if lines.len() > MOST_LINES {
            return;
        }
        if masked.contains(&name) {
            lines.push(Line { name: plain(&name), level, value: Value::Masked });
        } else {
            add(plain(&name), value, level, masked, lines);
        }
    }
}

fn add(name: String, value: &RawValue, level: usize, masked: &BTreeSet<String>, lines: &mut Vec<Line>) {
    let text = value.get();
    let is_group = matches!(text.as_bytes().first(), Some(b'{' | b'['));
    if is_group && level >= MOST_LEVELS {
        lines.push(Line { name, level, value: Value::Hidden("it is nested too deep to be shown") });
        return;
    }
    if let Some(fields) = fields(text) {
        lines.push(Line { name, level, value: Value::Group });
        add_fields(fields, level + 1, masked, lines);
    } else if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) {
        if elements.is_empty() {
            lines.push(Line { name, level, value: Value::Text("none".to_owned()) });
            return;
        }
        lines.push(Line { name: name.clone(), level, value: Value::Group });
        for (number, element) in elements.into_iter().enumerate() {
            if lines.len() > MOST_LINES {
                return;
            }
            add(format!("{name} {}", number + 1), element, level + 1, masked, lines);
        }
    } else {
        let shown =
            serde_json::from_str::<String>(text).map_or_else(|_| text.to_owned(), |text| plain(&text));
        lines.push(Line { name, level, value: folded(shown) });
    }
}

fn folded(text: String) -> Value {
    let start: String = text.chars().take(SHOWN_CHARS).collect();
    if start.len() == text.len() { Value::Text(text) } else { Value::Long(start, text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(order: &str, masked: &[&str]) -> Vec<String> {
        let raw = RawValue::from_string(order.to_owned()).unwrap();
        let masked = masked.iter().map(|name| (*name).to_owned()).collect();
        let text = |value: &Value| match value {
            Value::Group => ":".to_owned(),
            Value::Text(text) => format!("={text}"),
            Value::Long(start, whole) => format!("={}..{}", start.chars().count(), whole.chars().count()),
            Value::Masked => "=***".to_owned(),
            Value::Hidden(why) => format!("={why}"),
        };
        let lines = lines(&raw, &masked);
        lines
            .iter()
            .map(|line| format!("{}{}{}", ".".repeat(line.level), line.name, text(&line.value)))
            .collect()
    }

    #[test]
    fn an_order_is_shown_as_it_was_sent() {
        let order = r#"{"z":1.50,"amount":12345678901234567890.10,"a":{"b":null,"c":[true,{"d":"x\u202ey"}],"e":[]},"z":2}"#;
        assert_eq!(
            shown(order, &[]),
            [
                "z=1.50",
                "amount=12345678901234567890.10",
                "a:",
                ".b=null",
                ".c:",
                "..c 1=true",
                "..c 2:",
                "...d=x\u{fffd}y",
                ".e=none",
                "z=2"
            ]
        );
        assert_eq!(shown("\"text\"", &[]), ["order=text"]);
        let long = format!(r#"{{"note":"{}"}}"#, "ä".repeat(300));
        assert_eq!(shown(&long, &[]), ["note=200..300"]);
    }

    #[test]
    fn a_masked_field_is_masked_wherever_it_stands_with_all_below() {
        let order = r#"{"customer":{"id":{"n":"secret"},"tier":"gold"},"items":[{"id":"secret","sku":"s"}],"id":"secret"}"#;
        let shown = shown(order, &["id"]);
        assert!(!shown.join(" ").contains("secret"), "{shown:?}");
        assert_eq!(shown.iter().filter(|line| line.ends_with("id=***")).count(), 3, "{shown:?}");
        let deep = format!("{}{}{}", r#"{"a":"#.repeat(20), r#"{"id":"secret"}"#, "}".repeat(20));
        assert!(!self::shown(&deep, &["id"]).join(" ").contains("secret"));
    }

    #[test]
    fn a_huge_order_ends() {
        let order = format!("[{}]", vec!["{\"a\":1}"; 5_000].join(","));
        let lines = shown(&order, &[]);
        assert!(lines.len() <= MOST_LINES + 2, "{}", lines.len());
        assert!(lines.last().unwrap().contains("more than can be shown"));
    }
}
