//! The facts that a proposal may speak of, one column each: the schema's, never a masked one or one made from it.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::condition::Condition;
use crate::facts::{Fact, Record};
use crate::masked;
use crate::ruleset::Ruleset;
use crate::schema::{Shape, Type};
use crate::task_facts::Facts;

/// The most columns: beyond it, a schema's last facts are left out.
const MAX_COLUMNS: usize = 64;
/// The most different texts of one column; a fact with more is a name or a number of something, not a kind.
const MAX_TEXTS: usize = 2_000;

/// One task's value in one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    /// The task has no such value.
    Absent,
    /// True or false.
    Flag(bool),
    /// A number.
    Number(Decimal),
    /// The place of a text in [`Column::texts`].
    Text(u32),
}

/// One fact, and how a rule reads it.
#[derive(Debug)]
pub(super) struct Column {
    /// As a rule writes it, such as `order.customer.tier`.
    pub(super) expression: String,
    /// The path by which a test sets it, such as `customer.tier`; none for what is computed.
    pub(super) path: Option<String>,
    /// The smallest step of a number.
    pub(super) unit: Decimal,
    /// Every text so far, in the order they came.
    pub(super) texts: Vec<String>,
    places: BTreeMap<String, u32>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// The names on the way, and what a rule reads where the value is nothing.
    Field(Vec<String>, Cell),
    /// How many entries the list at these names has.
    Length(Vec<String>),
    /// An expression that is true or false.
    Asked(Condition),
}

/// The columns of a ruleset; none without a schema.
pub(super) fn of(ruleset: &Ruleset) -> Vec<Column> {
    let Some(schema) = &ruleset.schema else { return Vec::new() };
    let mut found = Finder { ruleset, columns: Vec::new() };
    found.fields(&schema.fields, &mut Vec::new());
    for (derived, script) in schema.derived.iter().zip(&ruleset.derived) {
        if !masked::reads(script, &masked::names(schema, &ruleset.derived)) {
            let names = vec![derived.name.clone()];
            found.add(expression(&names), None, Source::Field(names, Cell::Absent), Decimal::new(1, 2));
        }
    }
    found.columns.truncate(MAX_COLUMNS);
    found.columns
}

impl Column {
    /// The value of a task whose facts are these.
    pub(super) fn read(&mut self, ruleset: &Ruleset, facts: &Facts) -> Cell {
        match &self.source {
            Source::Asked(condition) => condition.holds_of(ruleset, facts).map_or(Cell::Absent, Cell::Flag),
            Source::Length(names) => match at(facts, names) {
                Some(Fact::List(list)) => Cell::Number(Decimal::from(list.0.len())),
                _ => Cell::Absent,
            },
            Source::Field(names, nothing) => match at(facts, names) {
                Some(Fact::Nothing) => match nothing {
                    Cell::Text(_) => self.text(""),
                    Cell::Absent | Cell::Flag(_) | Cell::Number(_) => *nothing,
                },
                Some(Fact::Bool(flag)) => Cell::Flag(*flag),
                Some(Fact::Integer(number)) => Cell::Number(Decimal::from(*number)),
                Some(Fact::Decimal(number)) => Cell::Number(*number),
                Some(Fact::Text(text)) => self.text(text),
                Some(Fact::Part(text)) => self.text(text),
                Some(Fact::Moment(_) | Fact::Record(_) | Fact::List(_) | Fact::Names(_)) | None => {
                    Cell::Absent
                }
            },
        }
    }

    fn text(&mut self, text: &str) -> Cell {
        if let Some(place) = self.places.get(text) {
            return Cell::Text(*place);
        }
        if self.texts.len() >= MAX_TEXTS {
            return Cell::Absent;
        }
        let place = u32::try_from(self.texts.len()).expect("there are few");
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        Cell::Text(place)
    }
}

struct Finder<'a> {
    ruleset: &'a Ruleset,
    columns: Vec<Column>,
}

impl Finder<'_> {
    fn fields(&mut self, fields: &BTreeMap<String, Shape>, names: &mut Vec<String>) {
        for (name, shape) in fields.iter().filter(|(_, shape)| !shape.masked) {
            names.push(name.clone());
            let base = expression(names);
            if shape.optional {
                let (parent, last) = (expression(&names[..names.len() - 1]), quoted(name));
                self.ask(format!("{parent}.has({last})"));
            }
            match &shape.kind {
                // Below a record that may be missing, only whether it is there can be asked in one comparison.
                Type::Record(_) | Type::List(_) if shape.optional => {}
                Type::Record(fields) => self.fields(fields, names),
                Type::List(element) => self.list(&base, element, names),
                Type::Boolean => self.field(base, names, shape, Cell::Flag(false), Decimal::ONE),
                Type::Integer => self.field(base, names, shape, Cell::Number(Decimal::ZERO), Decimal::ONE),
                Type::Decimal => {
                    self.field(base, names, shape, Cell::Number(Decimal::ZERO), Decimal::new(1, 2));
                }
                Type::Money { scale } => {
                    self.field(base, names, shape, Cell::Number(Decimal::ZERO), Decimal::new(1, *scale));
                }
                Type::Text { choices } => {
                    let value = read(&base, shape.optional, &Cell::Text(0));
                    for list in self.lists(choices) {
                        self.ask(format!("{value} in lists.{list}"));
                    }
                    self.field(base, names, shape, Cell::Text(0), Decimal::ONE);
                }
                // A day is compared with a day that passes: no rule for tomorrow comes of it.
                Type::Date => {}
            }
            names.pop();
        }
    }

    fn list(&mut self, base: &str, element: &Shape, names: &[String]) {
        self.add(format!("{base}.len()"), None, Source::Length(names.to_vec()), Decimal::ONE);
        let Type::Record(fields) = &element.kind else { return };
        for (name, shape) in fields.iter().filter(|(_, shape)| !shape.masked && !shape.optional) {
            if let Type::Text { choices } = &shape.kind {
                for list in self.lists(choices) {
                    self.ask(format!("{base}.any_in({}, lists.{list})", quoted(name)));
                }
            }
        }
    }

    fn field(&mut self, base: String, names: &[String], shape: &Shape, nothing: Cell, unit: Decimal) {
        let text = read(&base, shape.optional, &nothing);
        self.add(text, Some(names.join(".")), Source::Field(names.to_vec(), nothing), unit);
    }

    fn ask(&mut self, text: String) {
        if let Ok(condition) = Condition::new(self.ruleset, &text) {
            self.add(text, None, Source::Asked(condition), Decimal::ONE);
        }
    }

    fn add(&mut self, expression: String, path: Option<String>, source: Source, unit: Decimal) {
        let (texts, places) = (Vec::new(), BTreeMap::new());
        self.columns.push(Column { expression, path, unit, texts, places, source });
    }

    /// The lists that a text may stand in.
    fn lists(&self, choices: &[String]) -> Vec<String> {
        let lists = self.ruleset.shared.iter().find(|(name, _)| name == "lists");
        let Some(lists) = lists.and_then(|(_, value)| value.clone().try_cast::<Record>()) else {
            return Vec::new();
        };
        let names = lists.names().filter(|name| is_word(name)).filter(|name| match lists.find(name) {
            Some(Fact::Names(entries)) => {
                choices.is_empty() || choices.iter().any(|choice| entries.contains(choice))
            }
            _ => false,
        });
        names.map(str::to_owned).collect()
    }
}

fn at<'a>(facts: &'a Facts, names: &[String]) -> Option<&'a Fact> {
    names.iter().try_fold(facts.order(), |fact, name| match fact {
        Fact::Record(record) => record.find(name),
        _ => None,
    })
}

/// How a rule reads a fact that may be nothing.
fn read(base: &str, optional: bool, nothing: &Cell) -> String {
    let default = match nothing {
        Cell::Flag(_) => "false",
        Cell::Number(_) => "0",
        Cell::Text(_) | Cell::Absent => "\"\"",
    };
    if optional { format!("({base} ?? {default})") } else { base.to_owned() }
}

/// `order.customer.tier`; a name that is not a plain word is written in brackets.
fn expression(names: &[String]) -> String {
    let mut text = "order".to_owned();
    for name in names {
        if is_word(name) {
            text.push_str(&format!(".{name}"));
        } else {
            text.push_str(&format!("[{}]", quoted(name)));
        }
    }
    text
}

/// A text as a rule writes it.
pub(super) fn quoted(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r")
    )
}

fn is_word(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
