//! What the parser says of a script, in words for its author: none of the engine's own types, and help for those who
//! come from another language.

use rhai::{LexError, ParseErrorType};

use crate::aliases;
use crate::ending;
use crate::engine::FORBIDDEN;
use crate::suggest;

/// The names that a script may have meant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) globals: &'a [String],
    pub(crate) fields: &'a [String],
}

/// A code, a message and a remedy. `found` is the word at which the parser stopped.
pub(crate) fn describe(
    given: Given<'_>,
    error: &ParseErrorType,
    found: &str,
) -> (&'static str, String, Option<String>) {
    let symbol = match error {
        ParseErrorType::Reserved(symbol) | ParseErrorType::UnknownOperator(symbol) => Some(symbol.as_str()),
        ParseErrorType::BadInput(LexError::ImproperSymbol(symbol, _)) => Some(symbol.as_str()),
        _ => None,
    };
    let forbidden = |symbol: &str| FORBIDDEN.iter().find(|(forbidden, _)| *forbidden == symbol);
    if let Some((symbol, remedy)) = symbol.and_then(forbidden) {
        return ("forbidden", format!("'{symbol}' is not allowed in rules"), Some((*remedy).to_owned()));
    }
    if let ParseErrorType::VariableUndefined(name) = error {
        let verdict = ending::NAMES.contains(&name.as_str());
        let call = || format!("a verdict is a call: {name}(\"a-code\", \"a text that says why\")");
        let hint = aliases::of_variable(name).map(str::to_owned).or_else(|| verdict.then(call));
        let field = given.fields.iter().any(|field| field == name);
        let hint = hint.or_else(|| field.then(|| format!("did you mean 'order.{name}'?")));
        let nearest = || suggest::nearest(name, given.globals.iter().map(String::as_str));
        let hint = hint.or_else(|| nearest().map(|known| format!("did you mean '{known}'?")));
        let all = || {
            let globals = given.globals.join(", ");
            format!("rules see {globals} and their own variables; a text is written in quotes: \"{name}\"")
        };
        let message = format!("there is no variable '{name}'");
        return ("unknown-variable", message, Some(hint.unwrap_or_else(all)));
    }
    ("syntax", message(error, symbol), remedy(error, symbol, found))
}

fn message(error: &ParseErrorType, symbol: Option<&str>) -> String {
    match (error, symbol) {
        (ParseErrorType::Reserved(word), _) if word.starts_with(char::is_alphabetic) => {
            format!("'{word}' is a word of the language")
        }
        (ParseErrorType::Reserved(symbol), _) => format!("'{symbol}' means nothing here"),
        (_, Some(symbol)) => format!("'{symbol}' is not an operator"),
        (ParseErrorType::BadInput(LexError::MalformedChar(_)), _) => "a text in single quotes".to_owned(),
        (ParseErrorType::MismatchedType(..), _) => "this is not true or false".to_owned(),
        (ParseErrorType::UnexpectedEOF, _) => "the text ends in the middle of an expression".to_owned(),
        (other, _) => {
            let mut message = other.to_string();
            if let Some(first) = message.get(..1) {
                let lower = first.to_lowercase();
                message.replace_range(..1, &lower);
            }
            message
        }
    }
}

fn remedy(error: &ParseErrorType, symbol: Option<&str>, found: &str) -> Option<String> {
    let word = symbol.or_else(|| (!found.is_empty()).then_some(found));
    let known = word.and_then(aliases::of_word).map(str::to_owned);
    match error {
        ParseErrorType::BadInput(LexError::MalformedChar(text)) => {
            Some(format!("write texts in double quotes: \"{text}\""))
        }
        ParseErrorType::BadInput(LexError::UnterminatedString) => {
            Some("a text ends on its line, with the quote it began with; `…` may span lines".to_owned())
        }
        ParseErrorType::UnexpectedEOF => Some("finish the expression, and close its brackets".to_owned()),
        ParseErrorType::Reserved(word) if known.is_none() && word.starts_with(char::is_alphabetic) => Some(format!(
            "to read a field with this name, write order[\"{word}\"]; choose another name for a variable"
        )),
        ParseErrorType::PropertyExpected => {
            let name = if found.is_empty() { "name" } else { found };
            Some(format!("write [\"{name}\"] for a field whose name is a word of the language"))
        }
        ParseErrorType::MismatchedType(..) => {
            Some("a condition is true or false, and so is each side of && and ||: a == x || a == y, or a in [x, y]".to_owned())
        }
        ParseErrorType::MissingToken(_, what) if what.contains("iteration variable") => {
            Some("write for item in order.items { … }".to_owned())
        }
        ParseErrorType::MissingToken(token, _) if token == "{" && is_exponent(found) => {
            Some("write the number out: 100, not 1e2".to_owned())
        }
        ParseErrorType::MissingToken(token, _) if token == "{" && known.is_none() => {
            Some("write if condition { … }: the braces are part of it".to_owned())
        }
        _ => known,
    }
}

/// `1e2`, or the end of `1.5e2`.
fn is_exponent(found: &str) -> bool {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    found.split_once(['e', 'E']).is_some_and(|(base, exponent)| is_digits(base) && is_digits(exponent))
}
