//! The read-only values a script sees: what the workflow passed, parameters and lists.

mod record;

use std::ops::{Deref, Range};
use std::sync::Arc;

use rhai::{Dynamic, EvalAltResult, ImmutableString};
use rust_decimal::Decimal;

use crate::dates::Moment;
use crate::evaluation::FactRead;
use crate::json::Json;
use crate::names::Names;
use crate::short_text::ShortText;

pub(crate) use record::{
    Field, Layout, Record, Slot, forget_masked_reads, has_read_masked, note_masked_read,
};

/// The most facts, and the longest value of one, that an evaluation keeps.
const MAX_FACTS_KEPT: usize = 100;
const MAX_VALUE_CHARS: usize = 100;

/// A value that a script can read and never change.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    Nothing,
    Bool(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(ImmutableString),
    Part(Part),
    Moment(Moment),
    Record(Record),
    List(List),
    Names(Names),
}

/// Values in an order.
#[derive(Debug, Clone)]
pub(crate) struct List(pub(crate) Arc<Vec<Fact>>);

/// A part of a text that several facts share: it becomes a script's own text only where a script reads it.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    whole: Arc<str>,
    range: Range<usize>,
}

impl Part {
    /// The bytes `range` of `whole`, which must begin and end between characters.
    pub(crate) fn of(whole: &Arc<str>, range: Range<usize>) -> Part {
        Part { whole: whole.clone(), range }
    }
}

impl Deref for Part {
    type Target = str;

    fn deref(&self) -> &str {
        &self.whole[self.range.clone()]
    }
}

/// A rhai error, as host functions return it.
pub(crate) type Failure = Box<EvalAltResult>;

impl Fact {
    /// The value a script computes with.
    pub(crate) fn to_dynamic(&self) -> Dynamic {
        match self {
            Fact::Nothing => Dynamic::UNIT,
            Fact::Bool(value) => (*value).into(),
            Fact::Integer(value) => (*value).into(),
            Fact::Decimal(value) => (*value).into(),
            Fact::Text(value) => value.clone().into(),
            Fact::Part(value) => ImmutableString::from(&**value).into(),
            Fact::Moment(value) => Dynamic::from(value.clone()),
            Fact::Record(value) => Dynamic::from(value.clone()),
            Fact::List(value) => Dynamic::from(value.clone()),
            Fact::Names(value) => Dynamic::from(value.clone()),
        }
    }

    /// Reads back a value that a script gave, if it is one that facts can hold.
    pub(crate) fn from_dynamic(value: Dynamic) -> Option<Fact> {
        let value = match value.try_cast_result::<Decimal>() {
            Ok(number) => return Some(Fact::Decimal(number.normalize())),
            Err(value) => value,
        };
        if let Ok(number) = value.as_int() {
            Some(Fact::Integer(number))
        } else if let Ok(flag) = value.as_bool() {
            Some(Fact::Bool(flag))
        } else if value.is_unit() {
            Some(Fact::Nothing)
        } else if value.is_string() {
            value.into_immutable_string().ok().map(Fact::Text)
        } else {
            let value = match value.try_cast_result::<List>() {
                Ok(list) => return Some(Fact::List(list)),
                Err(value) => value,
            };
            match value.try_cast_result::<Moment>() {
                Ok(moment) => Some(Fact::Moment(moment)),
                Err(value) => value.try_cast::<Record>().map(Fact::Record),
            }
        }
    }

    /// What messages call its type.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Fact::Nothing => "nothing",
            Fact::Bool(_) => "a boolean",
            Fact::Integer(_) | Fact::Decimal(_) => "a number",
            Fact::Text(_) | Fact::Part(_) => "text",
            Fact::Moment(_) => "a date",
            Fact::Record(_) => "a record",
            Fact::List(_) | Fact::Names(_) => "a list",
        }
    }

    /// The value as text; none for records and lists.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Fact::Nothing => Some("nothing".to_owned()),
            Fact::Bool(value) => Some(value.to_string()),
            Fact::Integer(value) => Some(value.to_string()),
            Fact::Decimal(value) => Some(value.to_string()),
            Fact::Text(value) => Some(value.to_string()),
            Fact::Part(value) => Some((**value).to_owned()),
            Fact::Moment(value) => Some(value.text().to_owned()),
            Fact::Record(_) | Fact::List(_) | Fact::Names(_) => None,
        }
    }

    fn short_text(&self) -> Option<ShortText> {
        let text = match self {
            Fact::Nothing => "nothing".into(),
            Fact::Bool(value) => ShortText::of(value),
            Fact::Integer(value) => ShortText::of(value),
            Fact::Decimal(value) => ShortText::of(value),
            Fact::Text(value) => value.as_str().into(),
            Fact::Part(value) => (**value).into(),
            Fact::Moment(value) => value.text().into(),
            Fact::Record(_) | Fact::List(_) | Fact::Names(_) => return None,
        };
        Some(text.shortened(MAX_VALUE_CHARS))
    }
}

/// The first facts by path, each once.
pub(crate) fn union(mut reads: Vec<FactRead>) -> Vec<FactRead> {
    reads.sort_unstable();
    reads.dedup_by(|a, b| a.path == b.path);
    reads.truncate(MAX_FACTS_KEPT);
    reads
}

/// Whether reading a value is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watch {
    Reads,
    Nothing,
}

/// A JSON value as facts, with every number a decimal.
pub(crate) fn from_json(path: &Arc<str>, value: Json<'_>, watch: Watch) -> Fact {
    match value {
        Json::Null => Fact::Nothing,
        Json::Bool(value) => Fact::Bool(value),
        Json::Number(number) => Fact::Decimal(number),
        Json::Text(text) => Fact::Text(text.as_ref().into()),
        Json::List(values) => {
            let path = Arc::from(format!("{path}[]"));
            Fact::List(List(Arc::new(
                values.into_iter().map(|value| from_json(&path, value, watch)).collect(),
            )))
        }
        Json::Record(values) => {
            let mut fields = Vec::with_capacity(values.len());
            for (name, value) in values {
                let needs_path = matches!(value, Json::List(_) | Json::Record(_));
                let path = if needs_path { Arc::from(format!("{path}.{name}")) } else { path.clone() };
                let value = from_json(&path, value, watch);
                fields.push(Field::new(name.into_owned(), value));
            }
            Fact::Record(Record::new(path.clone(), fields, watch))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(json: &str) -> Record {
        match from_json(&"order".into(), crate::json::parser::parse(json).unwrap(), Watch::Reads) {
            Fact::Record(record) => record,
            other => panic!("{other:?}"),
        }
    }

    fn taken(order: &Record) -> Vec<FactRead> {
        let mut reads = Vec::new();
        order.take_reads(&mut reads);
        union(reads)
    }

    #[test]
    fn a_name_that_is_not_there_is_an_error_with_a_suggestion() {
        let order = order(r#"{"amount":100.10,"customer":{"tier":"gold"}}"#);
        let error = order.get("amuont").unwrap_err().to_string();
        assert!(error.contains("order has no field 'amuont' (did you mean 'amount'?)"), "{error}");
        let Ok(Fact::Record(customer)) = order.get("customer") else { panic!("a record") };
        let error = customer.get("zip").unwrap_err().to_string();
        assert!(error.contains("order.customer has no field 'zip' (it has tier)"), "{error}");
    }

    #[test]
    fn what_was_read_is_told_once() {
        let order =
            order(r#"{"amount":100.10,"unread":1,"items":[{"price":1},{"price":2}],"customer":{"id":"c"}}"#);
        order.get("amount").unwrap();
        for item in match order.get("items").unwrap() {
            Fact::List(list) => list.0.iter(),
            other => panic!("{other:?}"),
        } {
            let Fact::Record(item) = item else { panic!("a record") };
            item.get("price").unwrap();
        }
        let reads: Vec<_> =
            taken(&order).into_iter().map(|read| (read.path.to_string(), read.value)).collect();
        let expected =
            [("order.amount", Some("100.1")), ("order.items", None), ("order.items[].price", None)];
        let expected = expected.map(|(path, value)| (path.to_owned(), value.map(ShortText::from)));
        assert_eq!(reads, expected);
        assert_eq!(taken(&order), []);
    }
}
