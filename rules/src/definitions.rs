//! What scripts of a ruleset can name, as a `.d.rhai` file for editors.

use std::fmt::Write as _;

use crate::ruleset::Ruleset;
use crate::schema::{Shape, Type};

/// Our own functions: how they are called, and what they do. rhai's own are in its handbook.
const FUNCTIONS: [(&str, &str); 23] = [
    ("approve(code: String)", "The workflow goes on."),
    ("approve(code: String, text: String)", "The workflow goes on."),
    ("reject(code: String, text: String)", "The workflow takes its rejected path."),
    ("escalate(code: String, text: String)", "A person decides."),
    ("pass()", "This rule has nothing to say."),
    ("sum(list: List, field: String) -> Decimal", "The sum of a field."),
    ("sum(list: List) -> Decimal", "The sum of a list of numbers."),
    ("sum_product(list: List, a: String, b: String) -> Decimal", "The sum of the products of two fields."),
    ("max_of(list: List, field: String) -> Decimal", "The largest; nothing of an empty list."),
    ("min_of(list: List, field: String) -> Decimal", "The smallest; nothing of an empty list."),
    ("where_in(list: List, field: String, names: Names) -> List", "The records whose field is in the list."),
    ("any_in(list: List, field: String, names: Names) -> bool", "Whether a record's field is in the list."),
    ("join(list: List, field: String) -> String", "The texts of a field, joined by commas."),
    ("join(list: List) -> String", "The texts, joined by commas."),
    ("filter(list: List, keeps: Fn) -> List", "The entries for which the function is true."),
    ("some(list: List, holds: Fn) -> bool", "Whether the function is true of an entry."),
    ("all(list: List, holds: Fn) -> bool", "Whether the function is true of every entry."),
    ("contains(list: List, value: ?) -> bool", "What `value in list` asks."),
    ("has(record: Record, field: String) -> bool", "The record has the field, and something in it."),
    ("get(record: Record, field: String, default: ?) -> ?", "The field, or the default where it is missing."),
    (
        "money(amount: Decimal, places: int) -> String",
        "The amount as text with so many decimal places; 2 if not said.",
    ),
    ("decimal(text: String) -> Decimal", "The number in a text."),
    ("days_between(from: String, to: String) -> int", "Whole days from one date to another, in UTC."),
];

/// The definitions of one ruleset.
pub fn definitions(ruleset: &Ruleset) -> String {
    let mut text = String::from("module static;\n\n/// What the workflow passed.\n");
    if let Some(schema) = &ruleset.schema {
        text.push_str("///\n");
        for (name, shape) in &schema.fields {
            field(&mut text, &format!("order.{name}"), shape);
        }
        for derived in &schema.derived {
            let _ = writeln!(text, "/// `order.{}`: derived, {}", derived.name, derived.expression);
        }
    }
    text.push_str("let order: Record;\n\n");
    text.push_str(
        "/// `task.orderId`, `task.startTime`, `task.transactionId`, `task.workflow`, `task.now`: text\n",
    );
    text.push_str("/// `task.hasOrder`: boolean\nlet task: Record;\n\n");
    for (name, _) in &ruleset.shared {
        let files: Vec<&str> = ruleset
            .files
            .keys()
            .map(String::as_str)
            .filter(|path| {
                *path == format!("params/{name}.toml") || (name == "lists" && path.starts_with("lists/"))
            })
            .collect();
        let _ = write!(text, "/// {}\nlet {name}: Record;\n\n", files.join(", "));
    }
    for (signature, meaning) in FUNCTIONS {
        let _ = write!(text, "/// {meaning}\nfn {signature};\n\n");
    }
    text
}

fn field(text: &mut String, path: &str, shape: &Shape) {
    let kind = match &shape.kind {
        Type::Text { choices } if choices.is_empty() => "text".to_owned(),
        Type::Text { choices } => format!("text, one of {}", choices.join(", ")),
        Type::Integer => "integer".to_owned(),
        Type::Decimal => "decimal".to_owned(),
        Type::Money { scale } => format!("money, {scale} decimal places"),
        Type::Boolean => "boolean".to_owned(),
        Type::Date => "date".to_owned(),
        Type::Record(_) => "record".to_owned(),
        Type::List(_) => "list".to_owned(),
    };
    let optional = if shape.optional { ", optional" } else { "" };
    let _ = writeln!(text, "/// `{path}`: {kind}{optional}");
    match &shape.kind {
        Type::Record(fields) => {
            fields.iter().for_each(|(name, shape)| field(text, &format!("{path}.{name}"), shape));
        }
        Type::List(element) => match &element.kind {
            Type::Record(fields) => {
                fields.iter().for_each(|(name, shape)| field(text, &format!("{path}[].{name}"), shape));
            }
            _ => field(text, &format!("{path}[]"), element),
        },
        Type::Text { .. }
        | Type::Integer
        | Type::Decimal
        | Type::Money { .. }
        | Type::Boolean
        | Type::Date => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;

    #[test]
    fn every_function_of_ours_is_defined() {
        let engine = engine::new();
        for name in engine::functions(&engine).keys() {
            let is_ours = !engine::FROM_RHAI.contains(&name.as_str()) && name != "len" && name != "is_empty";
            let defined = FUNCTIONS.iter().any(|(signature, _)| signature.starts_with(&format!("{name}(")));
            assert!(defined || !is_ours, "{name}");
        }
    }
}
