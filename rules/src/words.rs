//! What the engine says of a failed script, in the words that scripts know: none of its own types.

use rhai::EvalAltResult;

use crate::compiled;

/// One error, without its place and without the errors it came through.
pub(crate) fn of(error: &EvalAltResult) -> String {
    match error {
        EvalAltResult::ErrorRuntime(message, _) => message.to_string(),
        EvalAltResult::ErrorFunctionNotFound(signature, _) => no_function(signature),
        EvalAltResult::ErrorDotExpr(message, _) => no_property(message),
        EvalAltResult::ErrorMismatchDataType(wanted, found, _)
        | EvalAltResult::ErrorMismatchOutputType(wanted, found, _) => {
            format!("this takes {}, not {}", kind_of(wanted), kind_of(found))
        }
        EvalAltResult::ErrorIndexingType(types, _) => {
            let value = types.split([' ', '[']).next().unwrap_or_default();
            format!("{} has no entry [ ] of this kind", kind_of(value))
        }
        EvalAltResult::ErrorFor(_) => {
            "a for loop goes over a list or a range, not over this value".to_owned()
        }
        EvalAltResult::ErrorDataTooLarge(what, _) => {
            format!("the {} became too large", if what.contains("tring") { "text" } else { "list or record" })
        }
        EvalAltResult::ErrorStackOverflow(_) => "functions call each other too deeply".to_owned(),
        other => {
            let mut bare = other.to_string();
            // The place is named once, at the front.
            if let Some(end) = bare.rfind(" (line ") {
                bare.truncate(end);
            }
            bare
        }
    }
}

/// `name (type, type)`.
fn no_function(signature: &str) -> String {
    let (name, types) = signature.split_once(" (").unwrap_or((signature, ""));
    if compiled::is_nameless(name) {
        return "the function is called with the wrong number of values".to_owned();
    }
    let kinds: Vec<&str> = types.strip_suffix(')').unwrap_or(types).split(", ").map(kind_of).collect();
    match types {
        ")" | "" => format!("{name} does not work without a value"),
        _ => {
            let kinds: Vec<&str> = kinds
                .into_iter()
                .map(|kind| if kind == "nothing" { "a missing value" } else { kind })
                .collect();
            format!("{name} cannot be called with {}", kinds.join(" and "))
        }
    }
}

/// `Unknown property 'x' - a getter is not registered for type 'decimal'`.
fn no_property(message: &str) -> String {
    let quoted: Vec<&str> = message.split('\'').skip(1).step_by(2).collect();
    match quoted.as_slice() {
        [property, kind] => format!("{} has no field '{property}'", kind_of(kind)),
        _ => message.to_owned(),
    }
}

/// What messages call one of the engine's types.
fn kind_of(name: &str) -> &'static str {
    match name.trim().trim_start_matches("&mut ").trim_start_matches('&') {
        "i64" | "decimal" | "range" | "range=" => "a number",
        "bool" => "true or false",
        "()" => "nothing",
        "record" | "map" => "a record",
        "list" | "list of names" | "array" => "a list",
        "date" => "a date",
        "Fn" => "a function",
        "char" | "string" | "str" => "text",
        name if name.contains("Decimal") || name.contains("int") => "a number",
        name if name.contains("String") => "text",
        name if name.contains("FnPtr") => "a function",
        _ => "a value of another kind",
    }
}
