//! The functions that every script is given: which fields they name, which values they want, what they give.

use rhai::{Expr, Position};

use super::checker::Checker;
use super::known::{Doubt, Kind, Known, may_be_empty};
use crate::aliases;
use crate::dates;
use crate::suggest;

const OF_RECORDS: [&str; 3] = ["has", "get", "contains"];
const OF_NUMBERS: [&str; 4] = ["sum", "sum_product", "max_of", "min_of"];
const OF_TEXTS: [&str; 3] = ["where_in", "any_in", "join"];
const GIVE_NUMBERS: [&str; 23] = [
    "abs",
    "divide",
    "ceiling",
    "days_between",
    "decimal",
    "floor",
    "fraction",
    "hour",
    "hours_between",
    "index_of",
    "int",
    "len",
    "max",
    "min",
    "parse_int",
    "round",
    "round_down",
    "round_half_down",
    "round_half_up",
    "round_up",
    "sum",
    "sum_product",
    "weekday",
];
const GIVE_TEXTS: [&str; 8] =
    ["join", "money", "replace", "sub_string", "to_lower", "to_string", "to_upper", "trim"];
const GIVE_BOOLEANS: [&str; 9] =
    ["all", "any_in", "contains", "ends_with", "has", "is_empty", "matches", "some", "starts_with"];

/// What the functions want that take any value and fail for most, from the given argument on.
const WANT: [(&str, usize, Kind); 12] = [
    ("date", 0, Kind::Date),
    ("days_between", 0, Kind::Date),
    ("divide", 0, Kind::Number),
    ("ends_with", 1, Kind::Text),
    ("hour", 0, Kind::Date),
    ("hours_between", 0, Kind::Date),
    ("max", 0, Kind::Number),
    ("min", 0, Kind::Number),
    ("replace", 1, Kind::Text),
    ("split", 1, Kind::Text),
    ("starts_with", 1, Kind::Text),
    ("weekday", 0, Kind::Date),
];

/// The function takes names of fields behind its receiver.
pub(super) fn names_fields(name: &str) -> bool {
    [OF_RECORDS.as_slice(), &OF_NUMBERS, &OF_TEXTS].iter().any(|names| names.contains(&name))
}

/// What to write instead of a method that a value does not have.
pub(super) fn hint(name: &str, methods: &[&str]) -> Option<String> {
    if let Some(ours) = aliases::of_function(name).filter(|ours| methods.iter().any(|method| method == ours))
    {
        return Some(format!("write {ours}"));
    }
    match suggest::nearest(name, methods.iter().copied()) {
        Some(nearest) => Some(format!("did you mean '{nearest}'?")),
        None if methods.is_empty() => None,
        None => Some(format!("it has {}", methods.join(", "))),
    }
}

impl<'a> Checker<'_, 'a> {
    /// The fields that a function is given by name are there, and of the type it works on.
    pub(super) fn field_names(
        &mut self,
        name: &str,
        values: &[Known<'a>],
        args: &[&Expr],
        position: Position,
        is_method: bool,
    ) {
        let place = |n: usize| {
            let at = args.get(n - usize::from(is_method)).map(|arg| arg.start_position());
            at.filter(|at| !at.is_none()).unwrap_or(position)
        };
        let Some(receiver) = values.first() else { return };
        if OF_RECORDS.contains(&name) {
            if receiver.kind() == Some(Kind::Record) || (receiver.kind().is_none() && name != "contains") {
                self.has_field(receiver, &values[1], place(1));
            }
            return;
        }
        let element = receiver.element();
        let last = if name == "sum_product" { 2 } else { 1 };
        for (n, value) in values.iter().enumerate().skip(1).take(last) {
            let Some(field) = value.literal().map(str::to_owned) else { continue };
            if field.contains('.') {
                self.dotted(&field, place(n));
                continue;
            }
            if element.kind().is_some_and(|kind| kind != Kind::Record) {
                let message = format!("{} and its entries have no fields", receiver.claim());
                self.find(place(n), "type-mismatch", message);
                continue;
            }
            let known = self.property(&element, &field, place(n));
            let known = self.sure(known, place(n));
            let wants_number = OF_NUMBERS.contains(&name);
            let fits = match known.kind() {
                None => true,
                Some(Kind::Number) => true,
                Some(Kind::Text) => !wants_number,
                Some(Kind::Boolean | Kind::Date) => name == "join",
                Some(Kind::List | Kind::Record | Kind::Function | Kind::Nothing) => false,
            };
            if let (true, Some(list)) = (matches!(name, "where_in" | "any_in"), values.get(2)) {
                self.entries(&known, list, place(2));
                self.compare(&known, &list.element(), name, args[args.len() - 1], place(2));
                continue;
            }
            if !fits {
                let wanted = if wants_number { "numbers" } else { "texts" };
                let message = format!("{name} takes {wanted}, and {}", known.claim());
                self.find(place(n), "type-mismatch", message);
            }
        }
    }

    /// The entries themselves are summed or joined, without a field.
    pub(super) fn whole_entries(&mut self, name: &str, list: &Known<'a>, position: Position) {
        let Some(kind) = list.element().kind() else { return };
        let (fits, wanted) = match name {
            "sum" => (kind == Kind::Number, "numbers"),
            _ => (!matches!(kind, Kind::Record | Kind::List | Kind::Function), "texts"),
        };
        if !fits {
            let message = format!("{name} of a list takes {wanted}, and {}", list.element().claim());
            let help = (kind == Kind::Record).then(|| format!("name a field: list.{name}(\"field\")"));
            self.find(position, "type-mismatch", message).help = help;
        }
    }

    /// The values are what a function that takes any value works with.
    pub(super) fn wanted(&mut self, name: &str, values: &[Known<'a>], position: Position) {
        let Some((_, first, wanted)) = WANT.iter().find(|(known, ..)| *known == name) else { return };
        // Of a date's functions the second value names a zone.
        let one = matches!(name, "date" | "hour" | "weekday");
        for known in values.iter().skip(*first).take(if one { 1 } else { values.len() }) {
            let Some(kind) = known.kind() else { continue };
            let fits = match (wanted, kind) {
                (Kind::Date, Kind::Text) => known.literal().is_none_or(|text| dates::parse(text).is_ok()),
                (wanted, kind) => *wanted == kind,
            };
            if !fits {
                let claim = match known.literal() {
                    Some(text) => format!("'{text}' is not one"),
                    None => known.claim(),
                };
                let message = format!("{name} takes {}, and {claim}", wanted.name());
                self.find(position, "type-mismatch", message);
            }
        }
    }
}

/// What a call gives.
pub(super) fn result<'a>(
    checker: &mut Checker<'_, 'a>,
    name: &str,
    values: &[Known<'a>],
    position: Position,
) -> Known<'a> {
    let Some(first) = values.first() else { return Known::Anything };
    match name {
        "filter" | "where_in" => match first {
            Known::Fact(path, shape) | Known::Part(path, shape) => Known::Part(path.clone(), shape),
            other => other.clone(),
        },
        "find" => Known::Maybe(Box::new(first.element()), Doubt::NotFound),
        "map" => match values.get(1) {
            Some(Known::Function(function, captured)) => {
                let mut given = captured.clone();
                given.push(first.element());
                let element = checker.quietly(|checker| checker.apply(function, given));
                Known::List(Box::new(element))
            }
            _ => Known::Anything,
        },
        "max_of" | "min_of" => match first {
            Known::Fact(path, shape) if may_be_empty(shape) => {
                Known::Maybe(Box::new(Known::Number), Doubt::Empty(path.clone()))
            }
            Known::Part(..) => Known::Maybe(Box::new(Known::Number), Doubt::NotFound),
            _ => Known::Number,
        },
        "get" => match (first.kind(), values.get(1).and_then(Known::literal), values.get(2)) {
            (Some(Kind::Record), Some(field), Some(default)) => {
                let known = checker.quietly(|checker| checker.property(first, field, position));
                known.without_doubt().or(default.clone())
            }
            _ => Known::Anything,
        },
        "date" => Known::Date,
        "split" | "keys" => Known::List(Box::new(Known::Text(None))),
        "range" => Known::List(Box::new(Known::Number)),
        _ if GIVE_NUMBERS.contains(&name) => Known::Number,
        _ if GIVE_TEXTS.contains(&name) => Known::Text(None),
        _ if GIVE_BOOLEANS.contains(&name) => Known::Boolean,
        _ => Known::Anything,
    }
}
