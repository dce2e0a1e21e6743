//! Comparisons and `in`: of equal types only, and with what a value can be.

use rhai::{Expr, Position};

use super::checker::Checker;
use super::known::{Kind, Known};
use crate::dates;
use crate::facts::{Fact, Record};
use crate::number;
use crate::schema::{Shape, Type};

impl<'a> Checker<'_, 'a> {
    pub(super) fn comparison(
        &mut self,
        operator: &str,
        (a, left): (&Known<'a>, &Expr),
        (b, right): (&Known<'a>, &Expr),
        position: Position,
    ) {
        self.compare(a, b, operator, right, position);
        // The other way round, for `"EUR" == order.currency`.
        if a.literal().is_some() && b.literal().is_none() {
            self.one_of(b, a, left);
        }
        self.one_number(b, a, operator, left);
    }

    /// `value in list`, which is contains(list, value).
    pub(super) fn membership(&mut self, list: &Expr, value: &Expr, position: Position) -> Known<'a> {
        let known = self.value(list);
        let known = self.sure(known, list.start_position());
        let asked = self.value(value);
        let asked = self.sure(asked, value.start_position());
        match known.kind() {
            Some(Kind::Record) => self.has_field(&known, &asked, value.start_position()),
            Some(Kind::List) => match list {
                Expr::Array(entries, _) => {
                    for entry in entries {
                        let known = self.quietly(|checker| checker.value(entry));
                        self.compare(&asked, &known, "in", entry, entry.start_position());
                    }
                }
                _ => {
                    self.entries(&asked, &known, list.start_position());
                    self.cased(value, &known, list.start_position());
                    self.compare(&asked, &known.element(), "in", list, position);
                }
            },
            Some(kind) => {
                let message = format!("in searches lists, not {}: {}", kind.name(), known.claim());
                let help = "write lists.NAME or [\"a\", \"b\"]; to search a text, use text.contains(\"…\")";
                self.find(position, "type-mismatch", message).help = Some(help.to_owned());
            }
            None => {}
        }
        Known::Boolean
    }

    pub(super) fn compare(
        &mut self,
        a: &Known<'a>,
        b: &Known<'a>,
        operator: &str,
        right: &Expr,
        position: Position,
    ) {
        let (Some(left_kind), Some(right_kind)) = (a.kind(), b.kind()) else { return };
        match (left_kind, right_kind) {
            (Kind::Nothing, _) | (_, Kind::Nothing) => {
                self.find(position, "type-mismatch", "a missing value cannot be compared".to_owned()).help =
                    Some("check with record.has(\"field\"), or give a default with ??".to_owned());
            }
            (Kind::Date, Kind::Text) => self.date(a, b, operator, position),
            (Kind::Text, Kind::Date) => self.date(b, a, operator, position),
            (left, right) if left != right => self.unequal(a, b, operator, position),
            (kind @ (Kind::Record | Kind::List | Kind::Function), _) => {
                let message = format!("{} cannot be compared using {operator}", kind.name());
                let help = "compare a field of it, or ask contains, some or all".to_owned();
                self.find(position, "type-mismatch", message).help = Some(help);
            }
            _ => {
                self.one_of(a, b, right);
                self.one_number(a, b, operator, right);
            }
        }
    }

    fn unequal(&mut self, a: &Known<'a>, b: &Known<'a>, operator: &str, position: Position) {
        let message = format!("cannot compare {} with {} using {operator}", a.describe(), b.describe());
        let help = match (a.kind(), b.kind()) {
            (Some(Kind::Date), Some(Kind::Number)) | (Some(Kind::Number), Some(Kind::Date)) => {
                Some("write a date in quotes: \"2026-11-22\"".to_owned())
            }
            (Some(Kind::Boolean), _) if operator == "in" => Some("write a !in b for !(a in b)".to_owned()),
            (Some(Kind::Boolean), Some(Kind::Number)) if operator != "==" => {
                Some("compare twice: a < b && b < c".to_owned())
            }
            (Some(Kind::Number), _) | (_, Some(Kind::Number)) => a
                .literal()
                .or(b.literal())
                .filter(|text| number::parse(text).is_some())
                .map(|text| format!("write {text} without quotes")),
            _ => None,
        };
        self.find(position, "type-mismatch", message).help = help;
    }

    /// A date with a text: one that is written out and says a date.
    fn date(&mut self, date: &Known<'a>, text: &Known<'a>, operator: &str, position: Position) {
        match text.literal() {
            Some(literal) if dates::parse(literal).is_ok() => {}
            Some(literal) => {
                let message = format!("'{literal}' is not a date, and {}", date.claim());
                self.find(position, "type-mismatch", message).help =
                    Some("write a day such as \"2026-11-22\", or a moment in RFC 3339".to_owned());
            }
            // The entries of a list are read as dates when they are compared.
            None if matches!(operator, "in" | "contains") => {}
            None => self.unequal(date, text, operator, position),
        }
    }

    /// `limits.tier[order.customer.tier]`: each choice has its parameter.
    pub(super) fn choice(
        &mut self,
        base: &Known<'a>,
        path: &str,
        shape: &Shape,
        position: Position,
    ) -> Known<'a> {
        let (Known::Given(given, Fact::Record(record)), Type::Text { choices, .. }) = (base, &shape.kind)
        else {
            return Known::Anything;
        };
        let missing: Vec<&str> =
            choices.iter().map(String::as_str).filter(|choice| record.find(choice).is_none()).collect();
        if !missing.is_empty() {
            let message = format!("{given} has no '{}', which {path} may be", missing.join("', '"));
            self.warn(position, "missing-parameter", message).help =
                Some("add it, or leave it out of the schema's choices".to_owned());
        }
        first_of(given, record)
    }

    /// The field that `has` and `in` ask for is one that the record can have.
    pub(super) fn has_field(&mut self, record: &Known<'a>, name: &Known<'a>, position: Position) {
        match name.literal().map(str::to_owned) {
            Some(name) if name.contains('.') => self.dotted(&name, position),
            Some(name) => drop(self.property(record, &name, position)),
            None => {
                if let Some(kind) = name.kind()
                    && kind != Kind::Text
                {
                    let message = format!("the name of a field is a text, and {}", name.claim());
                    self.find(position, "type-mismatch", message);
                }
            }
        }
    }

    /// A path where one name is asked for.
    pub(super) fn dotted(&mut self, name: &str, position: Position) {
        let message = format!("'{name}' is a path, but only one name is allowed here");
        let (first, rest) = name.split_once('.').unwrap_or((name, ""));
        self.find(position, "dotted-name", message).help =
            Some(format!("check one step at a time: record.{first}, then '{rest}'"));
    }
}

/// What is known of the entries of a parameter's table, if they are alike.
fn first_of<'a>(path: &str, record: &Record) -> Known<'a> {
    let all =
        record.names().filter_map(|name| Some(Known::Given(path.to_owned(), record.find(name)?.clone())));
    all.reduce(Known::or).unwrap_or(Known::Anything)
}
