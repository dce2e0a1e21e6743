//! What an order must look like before any rule sees it: `schema/order.toml`.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::ImmutableString;
use rust_decimal::Decimal;

use crate::dates::Moment;
use crate::facts::{Fact, Field, List, Record, Watch};
use crate::json::Json;
use crate::limits::{Limits, repeated, short};
use crate::number;

/// The most problems of one order that are reported.
const MAX_PROBLEMS: usize = 10;

/// A field's type and what else is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: Type,
    pub(crate) optional: bool,
    pub(crate) masked: bool,
    pub(crate) limits: Limits,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    /// Text, one of `choices` unless there are none.
    Text {
        choices: Vec<String>,
    },
    Integer,
    Decimal,
    /// A number, or a number written as text, with at most so many decimal places.
    Money {
        scale: u32,
    },
    Boolean,
    /// A date, or a moment in RFC 3339, as text.
    Date,
    Record(BTreeMap<String, Shape>),
    List(Box<Shape>),
}

/// A ruleset's schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schema {
    /// The workflow may pass no order at all.
    pub(crate) optional: bool,
    /// The field with the name of the person whom the task is for, such as `customer.agent`.
    pub(crate) requester: Option<String>,
    pub(crate) fields: BTreeMap<String, Shape>,
    /// Name and expression, in the order of the file, with the line of each.
    pub(crate) derived: Vec<Derived>,
}

/// A fact that is computed once from the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Derived {
    pub(crate) name: String,
    pub(crate) expression: String,
    pub(crate) line: usize,
}

impl Type {
    /// What messages call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Type::Text { .. } => "text",
            Type::Integer => "a whole number",
            Type::Decimal => "a number",
            Type::Money { .. } => "an amount",
            Type::Boolean => "true or false",
            Type::Date => "a date",
            Type::Record(_) => "a record",
            Type::List(_) => "a list",
        }
    }
}

impl Schema {
    /// Every way in which an order does not fit. Those that fit are read by [`Plan`](crate::reading::Plan).
    pub(crate) fn problems(&self, order: Json<'_>) -> Vec<String> {
        let mut reader = Reader { problems: Vec::new(), masked: false };
        reader.record(&Arc::from("order"), &self.fields, order);
        reader.problems
    }

    /// How much of a path inside an order may be shown: up to the first masked field, whose keys are part of its value.
    pub(crate) fn shown(&self, path: &str) -> usize {
        let (mut fields, mut end) = (&self.fields, 0);
        loop {
            let rest = &path[end..];
            let is_next = |name: &str| {
                let after = rest.strip_prefix(name);
                after.is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
            };
            let named = fields.iter().filter(|(name, _)| is_next(name)).max_by_key(|(name, _)| name.len());
            let Some((name, mut shape)) = named else { return path.len() };
            end += name.len();
            while let Type::List(entry) = &shape.kind
                && !shape.masked
                && path[end..].starts_with("[]")
            {
                (shape, end) = (entry, end + 2);
            }
            if shape.masked {
                return end;
            }
            match &shape.kind {
                Type::Record(inner) if path[end..].starts_with('.') => (fields, end) = (inner, end + 1),
                _ => return path.len(),
            }
        }
    }

    /// The paths that every order must have, for those who passed none.
    pub(crate) fn required(&self) -> Vec<String> {
        let required = self.fields.iter().filter(|(_, shape)| !shape.optional);
        required.map(|(name, _)| format!("order.{name}")).collect()
    }
}

struct Reader {
    problems: Vec<String>,
    /// The current value is inside a masked fact.
    masked: bool,
}

impl Reader {
    fn problem(&mut self, problem: String) -> Option<Fact> {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
        None
    }

    fn record(
        &mut self,
        path: &Arc<str>,
        shapes: &BTreeMap<String, Shape>,
        value: Json<'_>,
    ) -> Option<Record> {
        let Json::Record(values) = value else {
            self.problem(format!("{path} is {}, not a record", value.kind()));
            return None;
        };
        let mut values = values.into_iter().peekable();
        let mut fields = Vec::with_capacity(shapes.len());
        // Both are sorted by name.
        for (name, shape) in shapes {
            while values.next_if(|(other, _)| other.as_ref() < name.as_str()).is_some() {}
            let value = match values.next_if(|(other, _)| other == name).map(|(_, value)| value) {
                None | Some(Json::Null) if shape.optional => Some(Fact::Nothing),
                None => self.problem(format!("{path}.{name} is missing")),
                Some(value) => self.fact(path, Some(name), shape, value),
            };
            if let Some(value) = value {
                fields.push(Field::new(name.clone(), value));
            }
        }
        Some(Record::new(path.clone(), fields, Watch::Nothing))
    }

    /// The value of the field `name` of the record at `path`, or the value at `path` itself. Full paths are only
    /// put together where they are kept.
    fn fact(&mut self, path: &Arc<str>, name: Option<&str>, shape: &Shape, value: Json<'_>) -> Option<Fact> {
        let full = || name.map_or_else(|| path.clone(), |name| Arc::from(format!("{path}.{name}")));
        let is_masked = self.masked || shape.masked;
        let fact = match (&shape.kind, value) {
            (Type::Record(shapes), value) => {
                let outside = std::mem::replace(&mut self.masked, is_masked);
                let record = self.record(&full(), shapes, value).map(Fact::Record);
                self.masked = outside;
                return record;
            }
            (Type::List(element), Json::List(values)) => {
                let outside = std::mem::replace(&mut self.masked, is_masked);
                let list = self.list(&full(), &shape.limits, element, values);
                self.masked = outside;
                return list;
            }
            (Type::Boolean, Json::Bool(value)) => Ok(Fact::Bool(value)),
            (Type::Text { choices }, Json::Text(text)) => text_fact::<String>(choices, &shape.limits, &text),
            (Type::Date, Json::Text(text)) => Moment::parse(&text).map(Fact::Moment).map_err(|_| {
                format!("'{}', neither a date such as 2026-11-22 nor a moment in RFC 3339", short(&text))
            }),
            (Type::Integer, Json::Number(number)) => integer(number),
            (Type::Decimal, Json::Number(number)) => Ok(Fact::Decimal(number)),
            (Type::Money { scale }, Json::Number(number)) => money(*scale, number),
            (Type::Money { scale }, Json::Text(text)) => {
                amount(&text).and_then(|number| money(*scale, number))
            }
            (kind, value) => {
                return self.problem(format!("{} is {}, not {}", full(), value.kind(), kind.name()));
            }
        };
        let fact = fact.and_then(|fact| match &fact {
            Fact::Integer(number) => shape.limits.check_number((*number).into()).map(|()| fact),
            Fact::Decimal(number) => shape.limits.check_number(*number).map(|()| fact),
            _ => Ok(fact),
        });
        fact.map_err(|problem| {
            let problem = if is_masked { "not a value that the schema allows" } else { &problem };
            self.problem(format!("{} is {problem}", full()));
        })
        .ok()
    }

    fn list(
        &mut self,
        path: &Arc<str>,
        limits: &Limits,
        shape: &Shape,
        values: Vec<Json<'_>>,
    ) -> Option<Fact> {
        if values.len() < limits.min_length {
            let (count, least) = (values.len(), limits.min_length);
            let entries = if count == 1 { "entry" } else { "entries" };
            return self.problem(format!("{path} has {count} {entries}, fewer than {least}"));
        }
        let path = Arc::from(format!("{path}[]"));
        let facts: Vec<Fact> =
            values.into_iter().filter_map(|value| self.fact(&path, None, shape, value)).collect();
        self.unique(&path, limits, shape, &facts);
        Some(Fact::List(List(Arc::new(facts))))
    }

    /// Entries that must differ and do not.
    fn unique(&mut self, path: &str, limits: &Limits, shape: &Shape, facts: &[Fact]) {
        let inside_masked = self.masked;
        let mut twice = |path: &str, masked: bool, value: Option<String>| {
            let Some(value) = value else { return };
            let value = if masked || inside_masked { "the same".to_owned() } else { format!("'{value}'") };
            self.problem(format!("{path} is {value} in two entries"));
        };
        if limits.unique {
            twice(path, shape.masked, repeated(facts.iter()));
        }
        let Type::Record(fields) = &shape.kind else { return };
        for (name, field) in fields.iter().filter(|(_, field)| field.limits.unique) {
            let values = facts.iter().filter_map(|fact| match fact {
                Fact::Record(record) => record.peek(name),
                _ => None,
            });
            twice(&format!("{path}.{name}"), field.masked, repeated(values));
        }
    }
}

/// A text that fits its choices and limits. Err says how it does not.
pub(crate) fn text_fact<T>(choices: &[T], limits: &Limits, text: &str) -> Result<Fact, String>
where
    T: AsRef<str> + Clone + Into<ImmutableString>,
{
    let text = limits.normal(text);
    limits.check_text(&text)?;
    let text = text.as_ref();
    if choices.is_empty() {
        return Ok(Fact::Text(text.into()));
    }
    match choices.iter().find(|choice| choice.as_ref() == text) {
        Some(choice) => Ok(Fact::Text(choice.clone().into())),
        None => {
            let choices: Vec<&str> = choices.iter().map(AsRef::as_ref).collect();
            Err(format!("'{}', not one of {}", short(text), choices.join(", ")))
        }
    }
}

/// A whole number. Err says how it is none.
pub(crate) fn integer(number: Decimal) -> Result<Fact, String> {
    let whole = if number.fract().is_zero() { i64::try_from(number.trunc()).ok() } else { None };
    whole.map(Fact::Integer).ok_or_else(|| format!("{number}, not a whole number"))
}

/// The number in a text. Err says how it is none.
pub(crate) fn amount(text: &str) -> Result<Decimal, String> {
    number::parse(text)
        .ok_or_else(|| format!("'{}', which is not an amount that can be kept exactly", short(text)))
}

/// An amount, which always has exactly `scale` decimal places, however it was spelt. Err says how it is none.
pub(crate) fn money(scale: u32, mut number: Decimal) -> Result<Fact, String> {
    if number.scale() > scale {
        return Err(format!("{number}, with more than {scale} decimal places"));
    }
    number.rescale(scale);
    if number.scale() != scale {
        return Err(format!("{number}, with more digits than can be kept exactly (28)"));
    }
    Ok(Fact::Decimal(number))
}

#[cfg(test)]
mod tests {
    use crate::reading::Plan;
    use crate::schema_file;

    fn problems(order: &str) -> String {
        let text = r#"
            [fields]
            amount = "money"
            currency = { type = "text", choices = ["EUR", "USD"] }
            card = { type = "text", optional = true, masked = true }
            "customer.age" = "integer"
            "items[].price" = { type = "money", scale = 3 }
            tags = { type = "list", of = "text", optional = true }
        "#;
        let schema = schema_file::parse("schema/order.toml", text).unwrap();
        let problems = schema.problems(crate::json::parser::parse(order).unwrap());
        match Plan::new(&schema).read(order) {
            Some(record) => {
                assert_eq!(problems, [""; 0], "both readings agree");
                let amount = record.find("amount").and_then(|fact| fact.text()).unwrap();
                format!("ok {amount}")
            }
            None => problems.join("; "),
        }
    }

    #[test]
    fn an_order_fits_or_every_misfit_is_named() {
        let good = r#"{"amount":AMOUNT,"currency":"EUR","customer":{"age":40.0},"items":[{"price":1.125}]}"#;
        for (amount, expected) in [
            ("100", "ok 100.00"),
            ("100.0", "ok 100.00"),
            ("\"12345678901234567890.10\"", "ok 12345678901234567890.10"),
            ("0.001", "order.amount is 0.001, with more than 2 decimal places"),
            ("\"ten\"", "order.amount is 'ten', which is not an amount that can be kept exactly"),
            ("null", "order.amount is null, not an amount"),
            (
                "1e28",
                "order.amount is 10000000000000000000000000000, with more digits than can be kept exactly (28)",
            ),
        ] {
            assert_eq!(problems(&good.replace("AMOUNT", amount)), expected);
        }
        let bad = r#"{"currency":"XXX","card":7,"customer":{"age":1.5},"items":[{"price":1},{}],"tags":"x"}"#;
        let expected = [
            "order.amount is missing",
            "order.card is a number, not text",
            "order.currency is 'XXX', not one of EUR, USD",
            "order.customer.age is 1.5, not a whole number",
            "order.items[].price is missing",
            "order.tags is text, not a list",
        ];
        assert_eq!(problems(bad), expected.join("; "));
        assert_eq!(problems("[]"), "order is a list, not a record");
    }
}
