//! The read-only values a script sees: what the workflow passed, parameters and lists.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rhai::{Dynamic, EvalAltResult, ImmutableString};
use rust_decimal::Decimal;

use crate::dates::Moment;
use crate::evaluation::{FactRead, shorten};
use crate::json::Json;
use crate::names::Names;
use crate::suggest;

/// The most facts, and the longest value of one, that an evaluation keeps.
const MAX_FACTS_KEPT: usize = 100;
const MAX_VALUE_CHARS: usize = 100;

thread_local! {
    static MASKED_READ: Cell<bool> = const { Cell::new(false) };
}

/// Forgets that this thread read a masked fact.
pub(crate) fn forget_masked_reads() {
    MASKED_READ.set(false);
}

/// Whether this thread read a masked fact since it was last forgotten: what came of it may tell its value.
pub(crate) fn has_read_masked() -> bool {
    MASKED_READ.get()
}

/// A value that a script can read and never change.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    Nothing,
    Bool(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(ImmutableString),
    Moment(Moment),
    Record(Record),
    List(List),
    Names(Names),
}

/// Named values. Reading a name it does not have is an error, not nothing.
#[derive(Debug, Clone)]
pub(crate) struct Record(Arc<RecordData>);

#[derive(Debug)]
struct RecordData {
    /// How messages call it: `order.customer`, `order.items[]`.
    path: Arc<str>,
    /// What to say of a name that is not there; where it is empty, the nearest name is suggested.
    absent: Option<&'static str>,
    /// Sorted by name.
    fields: Vec<Field>,
}

/// A named value of a record.
#[derive(Debug)]
pub(crate) struct Field {
    name: String,
    value: Fact,
    masked: bool,
    /// A script looked at it. Parameters and lists are shared between threads and not watched.
    read: Option<AtomicBool>,
}

/// Values in an order.
#[derive(Debug, Clone)]
pub(crate) struct List(pub(crate) Arc<Vec<Fact>>);

/// A rhai error, as host functions return it.
pub(crate) type Failure = Box<EvalAltResult>;

impl Field {
    /// A fact whose reading is noted.
    pub(crate) fn watched(name: String, value: Fact) -> Field {
        Field { name, value, masked: false, read: Some(AtomicBool::new(false)) }
    }

    /// A value whose reading is not noted.
    pub(crate) fn unwatched(name: String, value: Fact) -> Field {
        Field { name, value, masked: false, read: None }
    }

    /// The same, with its value kept out of what is stored and shown.
    pub(crate) fn masked(mut self, masked: bool) -> Field {
        self.masked = masked;
        self
    }
}

impl Record {
    /// A record of fields with different names.
    pub(crate) fn new(path: Arc<str>, mut fields: Vec<Field>) -> Record {
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        Record(Arc::new(RecordData { path, absent: None, fields }))
    }

    /// A record without fields, and what to say to those who ask.
    pub(crate) fn absent(path: &str, why: &'static str) -> Record {
        Record(Arc::new(RecordData { path: path.into(), absent: Some(why), fields: Vec::new() }))
    }

    /// A copy whose readings are noted, whatever this one's are.
    pub(crate) fn watched(&self) -> Record {
        let watch = |field: &Field| {
            let value = match &field.value {
                Fact::Record(record) => Fact::Record(record.watched()),
                other => other.clone(),
            };
            Field::watched(field.name.clone(), value).masked(field.masked)
        };
        let fields = self.0.fields.iter().map(watch).collect();
        Record::new(self.0.path.clone(), fields)
    }

    /// The same record with more fields.
    pub(crate) fn with(self, more: Vec<Field>) -> Record {
        let path = self.0.path.clone();
        let copy = |field: &Field| Field {
            name: field.name.clone(),
            value: field.value.clone(),
            masked: field.masked,
            read: field.read.as_ref().map(|read| AtomicBool::new(read.load(Ordering::Relaxed))),
        };
        let fields = match Arc::try_unwrap(self.0) {
            Ok(data) => data.fields,
            Err(shared) => shared.fields.iter().map(copy).collect(),
        };
        Record::new(path, fields.into_iter().chain(more).collect())
    }

    /// The value of a name, not noted.
    pub(crate) fn peek(&self, name: &str) -> Option<&Fact> {
        self.field(name).map(|field| &field.value)
    }

    fn field(&self, name: &str) -> Option<&Field> {
        let fields = &self.0.fields;
        fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok().map(|i| &fields[i])
    }

    /// The value of a name, noted as read.
    pub(crate) fn find(&self, name: &str) -> Option<&Fact> {
        let field = self.field(name)?;
        if let Some(read) = &field.read {
            read.store(true, Ordering::Relaxed);
        }
        if field.masked {
            MASKED_READ.set(true);
        }
        Some(&field.value)
    }

    /// Whether a name's value is kept out of what is stored and shown.
    pub(crate) fn is_masked(&self, name: &str) -> bool {
        self.0.fields.iter().any(|field| field.name == name && field.masked)
    }

    /// Its names, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.fields.iter().map(|field| field.name.as_str())
    }

    /// The value of a name for a script.
    pub(crate) fn get(&self, name: &str) -> Result<&Fact, Failure> {
        self.find(name).ok_or_else(|| self.unknown(name).into())
    }

    /// What to say of a name that is not there.
    fn unknown(&self, name: &str) -> String {
        let path = &self.0.path;
        match self.0.absent {
            Some(why) => format!("there is no {path}.{name}: {why}"),
            None => {
                let names = self.0.fields.iter().map(|field| field.name.as_str());
                format!("{path} has no field '{name}'{}", suggest::did_you_mean(name, names))
            }
        }
    }

    /// Collects the facts that were read since they were last collected, and forgets that they were.
    pub(crate) fn take_reads(&self) -> Vec<FactRead> {
        let mut reads = Vec::new();
        self.collect_reads(&mut reads);
        reads
    }

    fn collect_reads(&self, reads: &mut Vec<FactRead>) {
        for field in &self.0.fields {
            if !field.read.as_ref().is_some_and(|read| read.swap(false, Ordering::Relaxed)) {
                continue;
            }
            let path = format!("{}.{}", self.0.path, field.name);
            // Of a list's many records only the paths are kept.
            let is_element = self.0.path.contains("[]");
            let value = if field.masked || is_element { None } else { field.value.short_text() };
            reads.push(FactRead { path, value });
            match &field.value {
                Fact::Record(record) => record.collect_reads(reads),
                Fact::List(list) => list.0.iter().for_each(|fact| {
                    if let Fact::Record(record) = fact {
                        record.collect_reads(reads);
                    }
                }),
                Fact::Nothing | Fact::Bool(_) | Fact::Integer(_) => {}
                Fact::Decimal(_) | Fact::Text(_) | Fact::Moment(_) | Fact::Names(_) => {}
            }
        }
    }
}

impl Fact {
    /// The value a script computes with.
    pub(crate) fn to_dynamic(&self) -> Dynamic {
        match self {
            Fact::Nothing => Dynamic::UNIT,
            Fact::Bool(value) => (*value).into(),
            Fact::Integer(value) => (*value).into(),
            Fact::Decimal(value) => (*value).into(),
            Fact::Text(value) => value.clone().into(),
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
            Fact::Text(_) => "text",
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
            Fact::Moment(value) => Some(value.text().to_string()),
            Fact::Record(_) | Fact::List(_) | Fact::Names(_) => None,
        }
    }

    fn short_text(&self) -> Option<String> {
        let mut text = self.text()?;
        shorten(&mut text, MAX_VALUE_CHARS);
        Some(text)
    }
}

/// The first facts by path, each once.
pub(crate) fn union<'a>(reads: impl IntoIterator<Item = &'a FactRead>) -> Vec<FactRead> {
    let mut reads: Vec<&FactRead> = reads.into_iter().collect();
    reads.sort();
    reads.dedup_by(|a, b| a.path == b.path);
    reads.into_iter().take(MAX_FACTS_KEPT).cloned().collect()
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
                fields.push(match watch {
                    Watch::Reads => Field::watched(name.into_owned(), value),
                    Watch::Nothing => Field::unwatched(name.into_owned(), value),
                });
            }
            Fact::Record(Record::new(path.clone(), fields))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(json: &str) -> Record {
        match from_json(&"order".into(), crate::json::parse(json).unwrap(), Watch::Reads) {
            Fact::Record(record) => record,
            other => panic!("{other:?}"),
        }
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
            union(&order.take_reads()).into_iter().map(|read| (read.path, read.value)).collect();
        let expected =
            [("order.amount", Some("100.1")), ("order.items", None), ("order.items[].price", None)];
        let expected = expected.map(|(path, value)| (path.to_owned(), value.map(str::to_owned)));
        assert_eq!(reads, expected);
        assert_eq!(order.take_reads(), []);
    }
}
