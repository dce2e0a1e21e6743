//! An order that fits its schema, read from its text straight into facts.
//!
//! The schema is made ready once: the names of each record, sorted, in one layout for all orders. Anything that does not fit
//! ends the reading at once; [`Schema::problems`](crate::schema::Schema::problems) then reads the text again and says
//! why. A test holds the two readings against each other.

use std::borrow::Cow;
use std::sync::Arc;

use rhai::ImmutableString;

use crate::dates::Moment;
use crate::facts::{Fact, Layout, List, Record, Slot};
use crate::json::Problem;
use crate::json::parser::Parser;
use crate::limits::{Limits, repeated};
use crate::schema::{self, Schema, Shape, Type};

/// A schema, ready to read orders.
#[derive(Debug)]
pub(crate) struct Plan {
    order: RecordPlan,
}

#[derive(Debug)]
struct RecordPlan {
    layout: Arc<Layout>,
    /// In the order of the layout.
    fields: Vec<FieldPlan>,
}

#[derive(Debug)]
struct FieldPlan {
    optional: bool,
    /// Masked itself, or inside a masked record or list.
    masked: bool,
    limits: Limits,
    value: ValuePlan,
}

#[derive(Debug)]
enum ValuePlan {
    Text(Vec<ImmutableString>),
    Integer,
    Decimal,
    Money(u32),
    Boolean,
    Date,
    Record(RecordPlan),
    List {
        element: Box<FieldPlan>,
        /// The fields of its records in which no two are equal.
        unique: Vec<String>,
    },
}

/// The order does not fit, or is no JSON.
struct Misfit;

impl From<Problem> for Misfit {
    fn from(_: Problem) -> Misfit {
        Misfit
    }
}

impl Plan {
    pub(crate) fn new(schema: &Schema) -> Plan {
        let derived = schema.derived.iter().map(|derived| derived.name.as_str());
        let names = schema.fields.keys().map(String::as_str);
        let layout = Arc::new(Layout::watched("order".into(), names, derived));
        let fields = schema.fields.iter();
        let fields = fields.map(|(name, shape)| FieldPlan::new(&format!("order.{name}"), shape, false));
        Plan { order: RecordPlan { layout, fields: fields.collect() } }
    }

    /// The facts of an order that fits.
    pub(crate) fn read(&self, text: &str) -> Option<Record> {
        let mut parser = Parser::new(text);
        let record = self.order.read(&mut parser).ok()?;
        parser.is_at_end().then_some(record)
    }
}

impl RecordPlan {
    fn read(&self, parser: &mut Parser<'_>) -> Result<Record, Misfit> {
        parser.skip_blanks();
        if parser.peek() != Some(b'{') {
            return Err(Misfit);
        }
        parser.nested(|parser| {
            let mut slots: Vec<Slot> = Vec::with_capacity(self.fields.len());
            let absent = |field: &FieldPlan| Slot::new(Fact::Nothing, field.masked);
            slots.extend(self.fields.iter().map(absent));
            let mut given = Given::new(self.fields.len());
            parser.fields(|parser, name| {
                let Some(place) = self.layout.place(&name) else {
                    given.add_other(name);
                    return parser.value().map(drop).map_err(Misfit::from);
                };
                let field = &self.fields[place];
                given.once(place)?;
                slots[place] = Slot::new(field.read(parser)?, field.masked);
                Ok(())
            })?;
            given.others_once()?;
            let is_missing = |(place, field): (usize, &FieldPlan)| !field.optional && !given.has(place);
            if self.fields.iter().enumerate().any(is_missing) {
                return Err(Misfit);
            }
            Ok(Record::of(self.layout.clone(), slots))
        })
    }
}

/// The fields that a record's text has given so far.
struct Given<'a> {
    first: u64,
    /// Those from the 65th on.
    rest: Vec<bool>,
    /// The first name that the schema does not know: most orders have one at most.
    other: Option<Cow<'a, str>>,
    /// Further ones.
    others: Vec<Cow<'a, str>>,
}

impl<'a> Given<'a> {
    fn new(fields: usize) -> Self {
        Given { first: 0, rest: vec![false; fields.saturating_sub(64)], other: None, others: Vec::new() }
    }

    fn has(&self, place: usize) -> bool {
        match place.checked_sub(64) {
            None => self.first & (1 << place) != 0,
            Some(place) => self.rest[place],
        }
    }

    fn once(&mut self, place: usize) -> Result<(), Misfit> {
        if self.has(place) {
            return Err(Misfit);
        }
        match place.checked_sub(64) {
            None => self.first |= 1 << place,
            Some(place) => self.rest[place] = true,
        }
        Ok(())
    }

    fn add_other(&mut self, name: Cow<'a, str>) {
        match self.other {
            None => self.other = Some(name),
            Some(_) => self.others.push(name),
        }
    }

    fn others_once(&mut self) -> Result<(), Misfit> {
        if self.others.is_empty() {
            return Ok(());
        }
        self.others.extend(self.other.take());
        self.others.sort_unstable();
        let twice = self.others.windows(2).any(|pair| pair[0] == pair[1]);
        if twice { Err(Misfit) } else { Ok(()) }
    }
}

impl FieldPlan {
    fn new(path: &str, shape: &Shape, inside_masked: bool) -> FieldPlan {
        let masked = inside_masked || shape.masked;
        let value = match &shape.kind {
            Type::Text { choices } => {
                ValuePlan::Text(choices.iter().map(|choice| choice.as_str().into()).collect())
            }
            Type::Integer => ValuePlan::Integer,
            Type::Decimal => ValuePlan::Decimal,
            Type::Money { scale } => ValuePlan::Money(*scale),
            Type::Boolean => ValuePlan::Boolean,
            Type::Date => ValuePlan::Date,
            Type::Record(shapes) => {
                let names = shapes.keys().map(String::as_str);
                let layout = Arc::new(Layout::watched(path.into(), names, std::iter::empty()));
                let field = |(name, shape): (&String, &Shape)| {
                    FieldPlan::new(&format!("{path}.{name}"), shape, masked)
                };
                ValuePlan::Record(RecordPlan { layout, fields: shapes.iter().map(field).collect() })
            }
            Type::List(element) => {
                let unique = match &element.kind {
                    Type::Record(shapes) => {
                        let unique = shapes.iter().filter(|(_, shape)| shape.limits.unique);
                        unique.map(|(name, _)| name.clone()).collect()
                    }
                    _ => Vec::new(),
                };
                let element = Box::new(FieldPlan::new(&format!("{path}[]"), element, masked));
                ValuePlan::List { element, unique }
            }
        };
        FieldPlan { optional: shape.optional, masked, limits: shape.limits.clone(), value }
    }

    /// The value of a field, which may be null if it is optional.
    fn read(&self, parser: &mut Parser<'_>) -> Result<Fact, Misfit> {
        parser.skip_blanks();
        if self.optional && parser.peek() == Some(b'n') {
            parser.value()?;
            return Ok(Fact::Nothing);
        }
        self.value(parser)
    }

    fn value(&self, parser: &mut Parser<'_>) -> Result<Fact, Misfit> {
        parser.skip_blanks();
        let next = parser.peek();
        let fact = match (&self.value, next) {
            (ValuePlan::Text(choices), Some(b'"')) => {
                let text = parser.string()?;
                return schema::text_fact(choices, &self.limits, &text).map_err(|_| Misfit);
            }
            (ValuePlan::Date, Some(b'"')) => {
                let text = parser.string()?;
                return Moment::parse(&text).map(Fact::Moment).map_err(|_| Misfit);
            }
            (ValuePlan::Boolean, Some(b't' | b'f')) => {
                let value = next == Some(b't');
                parser.value()?;
                return Ok(Fact::Bool(value));
            }
            (ValuePlan::Record(plan), _) => return plan.read(parser).map(Fact::Record),
            (ValuePlan::List { element, unique }, Some(b'[')) => {
                return self.list(parser, element, unique);
            }
            (ValuePlan::Integer, Some(b'-' | b'0'..=b'9')) => schema::integer(parser.number()?),
            (ValuePlan::Decimal, Some(b'-' | b'0'..=b'9')) => Ok(Fact::Decimal(parser.number()?)),
            (ValuePlan::Money(scale), Some(b'-' | b'0'..=b'9')) => schema::money(*scale, parser.number()?),
            (ValuePlan::Money(scale), Some(b'"')) => {
                schema::amount(&parser.string()?).and_then(|number| schema::money(*scale, number))
            }
            _ => return Err(Misfit),
        };
        let fact = fact.map_err(|_| Misfit)?;
        let number = match &fact {
            Fact::Integer(number) => (*number).into(),
            Fact::Decimal(number) => *number,
            _ => return Err(Misfit),
        };
        self.limits.check_number(number).map_err(|_| Misfit)?;
        Ok(fact)
    }

    fn list(&self, parser: &mut Parser<'_>, element: &FieldPlan, unique: &[String]) -> Result<Fact, Misfit> {
        let facts = parser.nested(|parser| {
            let mut facts = Vec::new();
            parser.entries(|parser| {
                facts.push(element.value(parser)?);
                Ok::<(), Misfit>(())
            })?;
            Ok::<_, Misfit>(facts)
        })?;
        let of_field = |name: &String| {
            let values = facts.iter().filter_map(|fact| match fact {
                Fact::Record(record) => record.peek(name),
                _ => None,
            });
            repeated(values).is_some()
        };
        let is_repeated = self.limits.unique && repeated(facts.iter()).is_some();
        if facts.len() < self.limits.min_length || is_repeated || unique.iter().any(of_field) {
            return Err(Misfit);
        }
        Ok(Fact::List(List(Arc::new(facts))))
    }
}
