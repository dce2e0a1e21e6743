//! What scripts can read by name: fields of the schema, derived facts, parameters and lists.

use std::collections::{BTreeMap, BTreeSet};

use rhai::Dynamic;

use super::known::{Doubt, Known};
use crate::aliases;
use crate::facts::{Fact, Record};
use crate::schema::{Schema, Shape, Type};
use crate::suggest;

/// The fields of `task`.
const TASK: [&str; 6] = ["orderId", "startTime", "transactionId", "workflow", "now", "hasOrder"];

/// What scripts of a ruleset can read.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    pub(super) schema: Option<&'a Schema>,
    shared: BTreeMap<&'a str, Record>,
    /// What is known of derived facts.
    derived: BTreeMap<String, Known<'a>>,
    /// The lists that some rule asks whether they have entries.
    asked: BTreeSet<String>,
}

/// A name that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl<'a> Fields<'a> {
    /// Without derived facts, which do not see each other.
    pub(crate) fn new(schema: Option<&'a Schema>, shared: &'a [(String, Dynamic)]) -> Fields<'a> {
        let record = |value: &Dynamic| value.clone().try_cast::<Record>();
        let shared = shared.iter().filter_map(|(name, value)| Some((name.as_str(), record(value)?)));
        Fields { schema, shared: shared.collect(), derived: BTreeMap::new(), asked: BTreeSet::new() }
    }

    /// Some rule asks whether these lists have entries: sums of them are no surprise then.
    pub(crate) fn ask(&mut self, lists: BTreeSet<String>) {
        self.asked.extend(lists);
    }

    /// Some rule asks whether the list at this path has entries.
    pub(super) fn is_asked(&self, path: &str) -> bool {
        self.asked.contains(path)
    }

    /// Makes a derived fact known.
    pub(crate) fn derive(&mut self, name: &str, known: Known<'a>) {
        let known = match known {
            // Scripts call it by its own name.
            Known::Text(_) => Known::Text(None),
            known => known,
        };
        self.derived.insert(name.to_owned(), known);
    }

    /// `order`, `task`, `lists` or a parameter file.
    pub(super) fn global(&self, name: &str) -> Option<Known<'a>> {
        match name {
            "order" => Some(Known::Order),
            "task" => Some(Known::Task),
            _ => {
                let record = self.shared.get(name)?;
                Some(Known::Given(name.to_owned(), Fact::Record(record.clone())))
            }
        }
    }

    /// The value of a record's field.
    pub(super) fn property(&self, base: &Known<'a>, name: &str) -> Result<Known<'a>, Missing> {
        match base {
            Known::Order => self.of_order(name),
            Known::Task => match name {
                "hasOrder" => Ok(Known::Boolean),
                "now" => Ok(Known::Date),
                // As the workflow wrote it: a moment, if it keeps to the message's form.
                "startTime" => Ok(Known::Anything),
                _ if TASK.contains(&name) => Ok(Known::Text(None)),
                _ => Err(missing("unknown-field", "task", name, TASK.into_iter())),
            },
            Known::Fact(path, Shape { kind: Type::Record(fields), .. }) => match fields.get(name) {
                Some(shape) => Ok(fact(path, name, shape)),
                None => Err(missing("unknown-field", path, name, fields.keys().map(String::as_str))),
            },
            Known::Given(path, Fact::Record(record)) => match record.find(name) {
                Some(fact) => Ok(Known::Given(format!("{path}.{name}"), fact.clone())),
                None => {
                    let code = if path == "lists" { "unknown-list" } else { "unknown-parameter" };
                    Err(missing(code, path, name, record.names()))
                }
            },
            Known::Record(fields) => match fields.get(name) {
                Some(known) => Ok(known.clone()),
                // Scripts may add fields to their own records.
                None => Ok(Known::Anything),
            },
            Known::Anything | Known::Maybe(..) => Ok(Known::Anything),
            other => {
                let message = format!("{} and has no field '{name}'", other.claim());
                let help = aliases::of_function(name).map(|ours| format!("write {ours}()"));
                Err(Missing { code: "unknown-field", message, help })
            }
        }
    }

    fn of_order(&self, name: &str) -> Result<Known<'a>, Missing> {
        let Some(schema) = self.schema else { return Ok(Known::Anything) };
        if let Some(known) = self.derived.get(name) {
            return Ok(known.clone());
        }
        if let Some(shape) = schema.fields.get(name) {
            return Ok(fact("order", name, shape));
        }
        if schema.derived.iter().any(|derived| derived.name == name) {
            let message = format!("order.{name} is derived, and derived facts do not see each other");
            return Err(Missing { code: "unknown-field", message, help: None });
        }
        let derived = self.derived.keys().map(String::as_str);
        Err(missing("unknown-field", "order", name, schema.fields.keys().map(String::as_str).chain(derived)))
    }

    /// The number at a path such as `order.customer.limit`, as caps and sums name it.
    pub(crate) fn number_at(&self, path: &str) -> Result<(), Missing> {
        let mut known = Known::Order;
        for name in path.split('.').skip(1) {
            known = self.property(&known, name)?.without_doubt();
        }
        match known.kind() {
            None | Some(super::known::Kind::Number) => Ok(()),
            // Without a money type an amount may come as text.
            Some(super::known::Kind::Text) if self.schema.is_none() => Ok(()),
            Some(_) => {
                let message = format!("{}, and only numbers can be summed", known.claim());
                Err(Missing { code: "type-mismatch", message, help: None })
            }
        }
    }

    /// The field at a path of an order in a test, such as `customer.tier` or `items.0.price`.
    pub(crate) fn in_order(&self, path: &str) -> Result<(), Missing> {
        let Some(schema) = self.schema else { return Ok(()) };
        if schema.derived.iter().any(|derived| derived.name == path) {
            let message = format!("'{path}' is derived from other facts: set those");
            return Err(Missing { code: "unknown-field", message, help: None });
        }
        let (mut fields, mut base) = (&schema.fields, "order".to_owned());
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let Some(shape) = fields.get(name) else {
                return Err(missing("unknown-field", &base, name, fields.keys().map(String::as_str)));
            };
            let mut kind = &shape.kind;
            base = format!("{base}.{name}");
            while let Type::List(element) = kind
                && names.next_if(|name| name.parse::<usize>().is_ok()).is_some()
            {
                kind = &element.kind;
                base.push_str("[]");
            }
            match kind {
                Type::Record(inner) => fields = inner,
                _ if names.peek().is_none() => return Ok(()),
                Type::List(_) => {
                    let message =
                        format!("{base} is a list: name an entry by its number, as in items.0.price");
                    return Err(Missing { code: "unknown-field", message, help: None });
                }
                kind => {
                    let message = format!("{base} is {} and has no fields", kind.name());
                    return Err(Missing { code: "unknown-field", message, help: None });
                }
            }
        }
        Ok(())
    }
}

fn fact<'a>(path: &str, name: &str, shape: &'a Shape) -> Known<'a> {
    let path = format!("{path}.{name}");
    let known = Known::Fact(path.clone(), shape);
    if shape.optional { Known::Maybe(Box::new(known), Doubt::Optional(path)) } else { known }
}

fn missing<'b>(code: &'static str, path: &str, name: &str, names: impl Iterator<Item = &'b str>) -> Missing {
    let names: Vec<&str> = names.collect();
    let help = match suggest::nearest(name, names.iter().copied()) {
        Some(nearest) => Some(format!("did you mean '{nearest}'?")),
        None if names.is_empty() => None,
        None => Some(format!("it has {}", names.join(", "))),
    };
    let message = match code {
        "unknown-list" => format!("there is no lists/{name}.txt"),
        "unknown-parameter" => format!("{path} has no parameter '{name}'"),
        _ => format!("{path} has no field '{name}'"),
    };
    Missing { code, message, help }
}
