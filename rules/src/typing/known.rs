//! What is known of a value before any script runs.

use std::collections::{BTreeMap, BTreeSet};

use rhai::Dynamic;

use crate::facts::Fact;
use crate::schema::{Shape, Type};

/// What is known of an expression's value.
#[derive(Debug, Clone)]
pub(crate) enum Known<'a> {
    Anything,
    Nothing,
    /// There is no value, because the rule or the function has ended.
    Never,
    Number,
    /// With the text itself, where it is written out.
    Text(Option<String>),
    Boolean,
    /// A moment: `task.now`.
    Date,
    Task,
    /// The order itself.
    Order,
    /// A fact of the schema.
    Fact(String, &'a Shape),
    /// Some entries of a list of the schema.
    Part(String, &'a Shape),
    /// A value of a parameter file, or `lists`.
    Given(String, Fact),
    /// A list of the script's own, with what is known of its entries.
    List(Box<Known<'a>>),
    /// A record of the script's own.
    Record(BTreeMap<String, Known<'a>>),
    /// A function, with the values that it captured.
    Function(String, Vec<Known<'a>>),
    /// That, or nothing.
    Maybe(Box<Known<'a>>, Doubt),
}

/// Why a value may be nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doubt {
    /// The field at this path is optional.
    Optional(String),
    /// The list may be empty, and its extremes are nothing then.
    Empty(String),
    /// Nothing may be found.
    NotFound,
    /// One branch has no value.
    NoValue,
}

/// What is sure at a place of a script.
pub(crate) type Sure = BTreeSet<Doubt>;

/// What is sure where a condition is true, and where it is false.
#[derive(Debug, Clone, Default)]
pub(crate) struct Implied {
    pub(crate) yes: Sure,
    pub(crate) no: Sure,
}

impl Implied {
    pub(crate) fn swapped(self) -> Implied {
        Implied { yes: self.no, no: self.yes }
    }

    pub(crate) fn yes(doubt: Option<Doubt>) -> Implied {
        Implied { yes: doubt.into_iter().collect(), no: Sure::new() }
    }
}

/// The types that scripts tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Number,
    Text,
    Boolean,
    Date,
    Record,
    List,
    Function,
    Nothing,
}

impl Kind {
    /// What messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Number => "a number",
            Kind::Text => "text",
            Kind::Boolean => "a boolean",
            Kind::Date => "a date",
            Kind::Record => "a record",
            Kind::List => "a list",
            Kind::Function => "a function",
            Kind::Nothing => "nothing",
        }
    }
}

impl<'a> Known<'a> {
    /// A text that is written out.
    pub(crate) fn text(text: &str) -> Known<'a> {
        Known::Text(Some(text.to_owned()))
    }

    /// The type, where it is sure.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Known::Anything | Known::Never => None,
            Known::Nothing => Some(Kind::Nothing),
            Known::Number => Some(Kind::Number),
            Known::Text(_) => Some(Kind::Text),
            Known::Boolean => Some(Kind::Boolean),
            Known::Date => Some(Kind::Date),
            Known::Task | Known::Order | Known::Record(_) => Some(Kind::Record),
            Known::Fact(_, shape) | Known::Part(_, shape) => Some(of_type(&shape.kind)),
            Known::Given(_, fact) => of_fact(fact),
            Known::List(_) => Some(Kind::List),
            Known::Function(..) => Some(Kind::Function),
            Known::Maybe(inner, _) => inner.kind(),
        }
    }

    /// The value's path: `order.customer.tier`.
    pub(crate) fn path(&self) -> Option<&str> {
        match self {
            Known::Order => Some("order"),
            Known::Task => Some("task"),
            Known::Fact(path, _) | Known::Given(path, _) => Some(path),
            Known::Maybe(inner, _) => inner.path(),
            _ => None,
        }
    }

    /// The text, where it is written out here or in a parameter file.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self {
            Known::Text(text) => text.as_deref(),
            Known::Given(_, Fact::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// An entry of this list.
    pub(crate) fn element(&self) -> Known<'a> {
        match self {
            Known::Fact(path, shape) | Known::Part(path, shape) => match &shape.kind {
                Type::List(element) => Known::Fact(format!("{path}[]"), element),
                _ => Known::Anything,
            },
            Known::List(element) => (**element).clone(),
            Known::Given(path, Fact::List(list)) => list
                .0
                .first()
                .map_or(Known::Anything, |first| Known::Given(format!("{path}[]"), first.clone())),
            Known::Given(_, Fact::Names(_)) => Known::Text(None),
            _ => Known::Anything,
        }
    }

    /// The value, without the doubt whether there is one.
    pub(crate) fn without_doubt(self) -> Known<'a> {
        match self {
            Known::Maybe(inner, _) => inner.without_doubt(),
            known => known,
        }
    }

    /// What is known of a value that is one of the two.
    pub(crate) fn or(self, other: Known<'a>) -> Known<'a> {
        match (self, other) {
            (Known::Never, other) | (other, Known::Never) => other,
            (Known::Nothing, Known::Nothing) => Known::Nothing,
            (Known::Nothing, Known::Maybe(inner, doubt)) | (Known::Maybe(inner, doubt), Known::Nothing) => {
                Known::Maybe(inner, doubt)
            }
            (Known::Nothing, other) | (other, Known::Nothing) => {
                Known::Maybe(Box::new(other), Doubt::NoValue)
            }
            (Known::Maybe(a, doubt), b) | (b, Known::Maybe(a, doubt)) => {
                Known::Maybe(Box::new(a.or(b.without_doubt())), doubt)
            }
            (Known::Fact(a, shape), Known::Fact(b, other)) if a == b && shape == other => {
                Known::Fact(a, shape)
            }
            (a, b) if a.kind().is_some() && a.kind() == b.kind() => match a.kind() {
                Some(Kind::Number) => Known::Number,
                Some(Kind::Text) => Known::Text(None),
                Some(Kind::Boolean) => Known::Boolean,
                Some(Kind::Date) => Known::Date,
                Some(Kind::List | Kind::Record | Kind::Function | Kind::Nothing) | None => Known::Anything,
            },
            _ => Known::Anything,
        }
    }

    /// What messages call it: `order.country, which is text,`.
    pub(crate) fn describe(&self) -> String {
        let kind = self.kind().map_or("a value", Kind::name);
        match self.path() {
            Some(path) => format!("{path}, which is {kind},"),
            None => kind.to_owned(),
        }
    }

    /// The same at the start of a sentence: `order.country is text`.
    pub(crate) fn claim(&self) -> String {
        let kind = self.kind().map_or("a value", Kind::name);
        match self.path() {
            Some(path) => format!("{path} is {kind}"),
            None => format!("this is {kind}"),
        }
    }
}

fn of_type(kind: &Type) -> Kind {
    match kind {
        Type::Integer | Type::Decimal | Type::Money { .. } => Kind::Number,
        Type::Text { .. } => Kind::Text,
        Type::Date => Kind::Date,
        Type::Boolean => Kind::Boolean,
        Type::Record(_) => Kind::Record,
        Type::List(_) => Kind::List,
    }
}

fn of_fact(fact: &Fact) -> Option<Kind> {
    match fact {
        Fact::Nothing => None,
        Fact::Bool(_) => Some(Kind::Boolean),
        Fact::Integer(_) | Fact::Decimal(_) => Some(Kind::Number),
        Fact::Text(_) | Fact::Part(_) => Some(Kind::Text),
        Fact::Moment(_) => Some(Kind::Date),
        Fact::Record(_) => Some(Kind::Record),
        Fact::List(_) | Fact::Names(_) => Some(Kind::List),
    }
}

/// What is known of a constant.
pub(crate) fn of_constant<'a>(value: &Dynamic) -> Known<'a> {
    if value.is_decimal() || value.is_int() {
        Known::Number
    } else if value.is_string() {
        Known::Text(value.clone().into_string().ok())
    } else if value.is_bool() {
        Known::Boolean
    } else if value.is_array() {
        Known::List(Box::new(Known::Anything))
    } else if let Some(function) = value.read_lock::<rhai::FnPtr>() {
        Known::Function(function.fn_name().to_owned(), Vec::new())
    } else {
        Known::Anything
    }
}

/// A list that may have no entry.
pub(crate) fn may_be_empty(shape: &Shape) -> bool {
    matches!(shape.kind, Type::List(_)) && shape.limits.min_length == 0
}
