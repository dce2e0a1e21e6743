//! Texts beside a field whose schema leaves them no chance: another case, a pattern that they do not match.

use rhai::{Expr, Position};
use rust_decimal::Decimal;

use super::checker::Checker;
use super::known::Known;
use crate::always::{self, Literal};
use crate::facts::Fact;
use crate::names::Fold;
use crate::schema::{Shape, Type};
use crate::suggest;

impl<'a> Checker<'_, 'a> {
    /// A field is only compared with what it can be.
    pub(super) fn one_of(&mut self, a: &Known<'a>, b: &Known<'a>, right: &Expr) {
        let (Known::Fact(path, shape), Some(text)) = (a, b.literal()) else { return };
        let Some(why) = never(shape, text) else { return };
        let message = format!("{path} is never '{text}'");
        self.find(right.start_position(), "never-equal", message).help = Some(why);
    }

    /// A field is only equal to a number that it can be: a quantity is never 2.5.
    pub(super) fn one_number(&mut self, a: &Known<'a>, b: &Known<'a>, operator: &str, right: &Expr) {
        let (Known::Fact(path, shape), "==" | "!=" | "in" | "contains") = (a, operator) else { return };
        let Some(number) = written(b, right) else { return };
        let Some(why) = never_number(shape, number) else { return };
        let code = if operator == "!=" { "always-true" } else { "never-true" };
        let message = format!("{path} is never {number}");
        self.find(right.start_position(), code, message).help = Some(why);
    }

    /// `order.currency.starts_with("D")` where no choice does.
    pub(super) fn part(&mut self, name: &str, values: &[Known<'a>], position: Position) {
        let [Known::Fact(path, shape), part] = values else { return };
        let (Some(part), Type::Text { choices }) = (part.literal(), &shape.kind) else { return };
        let (holds, says): (fn(&str, &str) -> bool, _) = match name {
            "starts_with" => (|text, part| text.starts_with(part), "begins with"),
            "ends_with" => (|text, part| text.ends_with(part), "ends with"),
            "contains" => (|text, part| text.contains(part), "contains"),
            _ => return,
        };
        let why = match shape.limits.case {
            Some(case) if !case.fits(part) => format!("the schema reads it in {} case", case.name()),
            _ if !choices.is_empty() && !choices.iter().any(|choice| holds(choice, part)) => {
                format!("it is one of {}", choices.join(", "))
            }
            _ => return,
        };
        let message = format!("{path} never {says} '{part}'");
        self.find(position, "never-true", message).help = Some(why);
    }

    /// Each entry of a list can be equal to the text that is looked for in it.
    pub(super) fn entries(&mut self, value: &Known<'a>, list: &Known<'a>, position: Position) {
        let (Known::Fact(path, shape), Known::Given(given, Fact::Names(names))) = (value, list) else {
            return;
        };
        let found = names.iter().find_map(|entry| {
            // A list that takes upper and lower case for the same finds the text as the schema reads it.
            let compared = match names.fold() {
                Fold::Form => entry.to_owned(),
                Fold::Case => shape.limits.normal(entry).into_owned(),
            };
            never(shape, &compared).map(|why| (entry.to_owned(), why))
        });
        let Some((entry, why)) = found else { return };
        let message = format!("{given} has '{entry}', which {path} never is");
        self.warn(position, "never-equal", message).help = Some(why);
    }

    /// A text in lower case is on no list in upper case.
    pub(super) fn cased(&mut self, value: &Expr, list: &Known<'a>, position: Position) {
        let (Some(case), Known::Given(given, Fact::Names(names))) = (always::cased(value), list) else {
            return;
        };
        let other = names.iter().find(|entry| names.fold() == Fold::Form && !case.fits(entry));
        let Some(other) = other.map(str::to_owned) else { return };
        let message = format!("{given} has '{other}', and {} never gives that", case.function());
        self.warn(position, "never-equal", message).help =
            Some(format!("leave out {}, or let the list ignore case: fold = \"case\"", case.function()));
    }
}

/// A number that is written out, here or in a parameter file.
fn written(known: &Known<'_>, expr: &Expr) -> Option<Decimal> {
    match (known, always::literal(expr)) {
        (Known::Given(_, Fact::Integer(number)), _) => Some((*number).into()),
        (Known::Given(_, Fact::Decimal(number)), _) => Some(*number),
        (_, Some(Literal::Number(number))) => Some(number),
        _ => None,
    }
}

/// Why no number of this shape is ever equal to this one.
fn never_number(shape: &Shape, number: Decimal) -> Option<String> {
    let places = number.normalize().scale();
    match shape.kind {
        Type::Integer if places > 0 => return Some("the schema says that it is a whole number".to_owned()),
        Type::Money { scale } if places > scale => {
            return Some(format!("the schema says that it has at most {scale} decimal places"));
        }
        _ => {}
    }
    match (shape.limits.min, shape.limits.max) {
        (Some(min), _) if number < min => Some(format!("the schema says that it is at least {min}")),
        (_, Some(max)) if number > max => Some(format!("the schema says that it is at most {max}")),
        _ => None,
    }
}

/// Why no text of this shape is ever equal to this one.
fn never(shape: &Shape, text: &str) -> Option<String> {
    let Type::Text { choices } = &shape.kind else { return None };
    if choices.is_empty() || choices.iter().any(|choice| choice == text) {
        return shape.limits.never(text);
    }
    let nearest = suggest::nearest(text, choices.iter().map(String::as_str));
    Some(match nearest {
        Some(nearest) => format!("did you mean '{nearest}'?"),
        None => format!("it is one of {}", choices.join(", ")),
    })
}
