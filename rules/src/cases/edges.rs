//! Just below, at and just above each number that a rule compares a base's fact with.
//!
//! The numbers are seen while the rules run on the bases, so that `limits.tier[order.tier] / 10` is one too.

use std::collections::BTreeSet;
use std::fmt;

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Number, Value};

use super::case::{Case, Expect};
use super::paths::assign;
use crate::compare::{self, Compared, Operand};
use crate::evaluation::Evaluation;
use crate::number;
use crate::ruleset::Ruleset;
use crate::schema::{Schema, Type};

/// The most edges that are tried, over all bases.
const MAX_EDGES: usize = 2_000;

/// What the rules say of a base with one fact moved to an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// The base's name.
    pub base: String,
    /// The fact, such as `order.amount`.
    pub path: String,
    /// Its value.
    pub value: String,
    /// What came of it.
    pub verdict: String,
    /// Some case has the same outcome and code.
    pub covered: bool,
}

/// The cases at the edges of one base.
pub(super) fn around(ruleset: &Ruleset, name: &str, base: &Value) -> Vec<Case> {
    let case = |order: Value, path: &str, value: &str| Case {
        file: name.to_owned(),
        line: 0,
        name: format!("{path} = {value}"),
        row: None,
        order: Some(order),
        task: serde_json::Map::new(),
        expect: Expect::default(),
    };
    let ((), compared) = compare::noting(|| {
        super::with_task(&case(base.clone(), "", ""), |task| drop(ruleset.evaluate(task)));
    });
    let numbers_of = |compared: &Compared| match (&compared.left, &compared.right) {
        (Operand::Number(left), Operand::Number(right)) => Some((*left, *right)),
        _ => None,
    };
    let compared: Vec<(Decimal, Decimal)> = compared.iter().filter_map(numbers_of).collect();
    let mut facts = Vec::new();
    numbers(base, String::new(), &mut facts);
    let mut edges = BTreeSet::new();
    for (path, fact) in &facts {
        let unit = unit(ruleset.schema.as_ref(), path);
        let others = compared.iter().filter_map(|(a, b)| match (a == fact, b == fact) {
            (true, false) => Some(*b),
            (false, true) => Some(*a),
            (true, true) | (false, false) => None,
        });
        for other in others.chain(compared.iter().any(|(a, b)| a == fact && b == fact).then_some(*fact)) {
            for edge in [other.checked_sub(unit), Some(other), other.checked_add(unit)] {
                edges.extend(edge.map(|edge| (path.clone(), edge.normalize())));
            }
        }
    }
    let moved = edges.into_iter().take(MAX_EDGES).filter_map(|(path, value)| {
        let mut order = base.clone();
        let number: Number = value.to_string().parse().ok()?;
        assign(&mut order, &path, Some(Value::Number(number))).ok()?;
        Some(case(order, &path, &value.to_string()))
    });
    moved.collect()
}

/// Tells an edge's case and what came of it.
pub(super) fn tell(case: &Case, evaluation: &Evaluation, covered: bool) -> Edge {
    let (path, value) = case.name.split_once(" = ").unwrap_or((&case.name, ""));
    Edge {
        base: case.file.clone(),
        path: format!("order.{path}"),
        value: value.to_owned(),
        verdict: super::describe(evaluation),
        covered,
    }
}

/// The numbers of an order with their paths; of a list, those of its first entry.
fn numbers(value: &Value, path: String, found: &mut Vec<(String, Decimal)>) {
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Number(number) => found.extend(number::parse(number.as_str()).map(|number| (path, number))),
        Value::Array(values) => {
            if let Some(first) = values.first() {
                numbers(first, inside("0"), found);
            }
        }
        Value::Object(map) => map.iter().for_each(|(name, value)| numbers(value, inside(name), found)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// The smallest step of a fact: a whole number's is 1, an amount's is of its scale, others' is a hundredth.
fn unit(schema: Option<&Schema>, path: &str) -> Decimal {
    let mut fields = schema.map(|schema| &schema.fields);
    for name in path.split('.').filter(|name| name.parse::<usize>().is_err()) {
        let mut kind = fields.and_then(|fields| fields.get(name)).map(|shape| &shape.kind);
        if let Some(Type::List(element)) = kind {
            kind = Some(&element.kind);
        }
        match kind {
            Some(Type::Record(inner)) => fields = Some(inner),
            Some(Type::Integer) => return Decimal::ONE,
            Some(Type::Money { scale }) => return Decimal::new(1, *scale),
            Some(Type::Decimal | Type::Text { .. } | Type::Boolean | Type::Date | Type::List(_)) | None => {
                break;
            }
        }
    }
    Decimal::new(1, 2)
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} = {}: {}", self.base, self.path, self.value, self.verdict)
    }
}
