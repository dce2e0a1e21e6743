//! What scripts of a ruleset can name, as a `.d.rhai` file for editors.

use std::fmt::Write as _;

use crate::ruleset::Ruleset;
use crate::schema::{Shape, Type};

/// The functions: how they are called, and what they do. `len`, `is_empty` and `to_string` explain themselves.
const FUNCTIONS: [(&str, &str); 62] = [
    ("approve(code: String)", "The workflow goes on."),
    ("approve(code: String, text: String)", "The workflow goes on."),
    ("reject(code: String, text: String)", "The workflow takes its rejected path."),
    ("escalate(code: String, text: String)", "A person decides."),
    ("pass()", "The rule has no answer."),
    ("sum(list: List, field: String) -> Decimal", "The sum of a field."),
    ("sum(list: List) -> Decimal", "The sum of a list of numbers."),
    ("sum_product(list: List, a: String, b: String) -> Decimal", "The sum of the products of two fields."),
    ("max_of(list: List, field: String) -> Decimal", "The largest value; nothing for an empty list."),
    ("min_of(list: List, field: String) -> Decimal", "The smallest value; nothing for an empty list."),
    ("where_in(list: List, field: String, names: Names) -> List", "The records whose field is in the list."),
    ("any_in(list: List, field: String, names: Names) -> bool", "Whether a record's field is in the list."),
    ("join(list: List, field: String) -> String", "The texts of a field, joined by commas."),
    ("join(list: List) -> String", "The texts, joined by commas."),
    ("filter(list: List, keeps: Fn) -> List", "The entries for which the function is true."),
    ("some(list: List, holds: Fn) -> bool", "Whether the function is true for some entry."),
    ("all(list: List, holds: Fn) -> bool", "Whether the function is true for every entry."),
    ("find(list: List, holds: Fn) -> ?", "The first entry for which the function is true, or nothing."),
    ("map(list: List, gives: Fn) -> List", "The result of the function for each entry."),
    ("reduce(list: List, adds: Fn, start: ?) -> ?", "Combines the start value with each entry in turn."),
    ("for_each(list: List, does: Fn)", "Calls the function with each entry."),
    ("push(list: List, value: ?)", "Adds an entry to a list of your own."),
    ("pop(list: List) -> ?", "Takes the last entry from a list of your own."),
    ("range(from: int, to: int, step: int) -> List", "The numbers from one to below another, for a loop."),
    (
        "contains(list: List, value: ?) -> bool",
        "Whether a list has the entry, as `value in list`; or whether a text contains another.",
    ),
    ("has(record: Record, field: String) -> bool", "Whether the record has the field, with a value."),
    ("get(record: Record, field: String, default: ?) -> ?", "The field, or the default where it is missing."),
    ("keys(record: Record) -> List", "The names in a record of your own."),
    (
        "money(amount: Decimal, places: int) -> String",
        "The amount as text with that number of decimal places; without it, with at least 2.",
    ),
    ("decimal(text: String) -> Decimal", "The number in a text."),
    ("parse_int(text: String) -> int", "The whole number in a text."),
    ("divide(a: Decimal, b: Decimal, places: int) -> Decimal", "The quotient, rounded half up."),
    ("abs(x: Decimal) -> Decimal", "The number without its sign."),
    ("min(a: Decimal, b: Decimal) -> Decimal", "The smaller."),
    ("max(a: Decimal, b: Decimal) -> Decimal", "The larger."),
    ("floor(x: Decimal) -> Decimal", "The whole number below."),
    ("ceiling(x: Decimal) -> Decimal", "The whole number above."),
    ("int(x: Decimal) -> Decimal", "The number without its decimal places."),
    ("fraction(x: Decimal) -> Decimal", "The decimal places."),
    (
        "round(x: Decimal, places: int) -> Decimal",
        "Rounded to that number of decimal places, halves to even.",
    ),
    (
        "round_up(x: Decimal, places: int) -> Decimal",
        "Rounded to that number of decimal places, away from zero.",
    ),
    (
        "round_down(x: Decimal, places: int) -> Decimal",
        "Rounded to that number of decimal places, towards zero.",
    ),
    (
        "round_half_up(x: Decimal, places: int) -> Decimal",
        "Rounded to that number of decimal places, halves away from zero.",
    ),
    (
        "round_half_down(x: Decimal, places: int) -> Decimal",
        "Rounded to that number of decimal places, halves towards zero.",
    ),
    ("to_upper(text: String) -> String", "In upper case."),
    ("to_lower(text: String) -> String", "In lower case."),
    ("trim(text: String) -> String", "Without blanks at both ends."),
    ("replace(text: String, part: String, by: String) -> String", "The text with each such part replaced."),
    (
        "matches(text: String, pattern: String) -> bool",
        "Whether the regular expression matches the whole text.",
    ),
    ("starts_with(text: String, part: String) -> bool", "Whether the text begins with the part."),
    ("ends_with(text: String, part: String) -> bool", "Whether the text ends with the part."),
    (
        "index_of(text: String, part: String) -> int",
        "The position of a part, counted from 0; -1 if there is none.",
    ),
    ("sub_string(text: String, start: int) -> String", "The text from a character on."),
    ("sub_string(text: String, start: int, len: int) -> String", "That many characters of the text."),
    ("split(text: String) -> List", "The words."),
    ("split(text: String, separator: String) -> List", "The parts between separators."),
    ("date(text: String) -> Date", "The date or moment in a text."),
    ("days_between(from: Date, to: Date) -> int", "Whole days from one date to another, in UTC."),
    ("hours_between(from: Date, to: Date) -> int", "Whole hours from one moment to another."),
    (
        "weekday(date: Date, zone: String) -> int",
        "The weekday, 1 for Monday to 7 for Sunday, in a time zone such as \"Europe/Berlin\".",
    ),
    ("hour(date: Date, zone: String) -> int", "The hour, 0 to 23, in a time zone such as \"Europe/Berlin\"."),
    ("len(value: ?) -> int", "How many entries, fields or characters."),
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
    text.push_str("/// `task.orderId`, `task.startTime`, `task.transactionId`, `task.workflow`: text\n");
    text.push_str("/// `task.now`: date\n/// `task.hasOrder`: boolean\nlet task: Record;\n\n");
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
    let _ = writeln!(text, "/// `{path}`: {kind}{}{optional}", shape.limits);
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
    fn every_function_is_defined() {
        let engine = engine::new();
        for name in engine::functions(&engine).keys() {
            let is_plain = name == "is_empty" || name == "to_string";
            let defined = FUNCTIONS.iter().any(|(signature, _)| signature.starts_with(&format!("{name}(")));
            assert!(defined || is_plain, "{name}");
        }
    }
}
