//! The names and values that a request defines for its expressions, and the values that paths lead to.

use std::collections::{BTreeMap, BTreeSet};

use super::expression::{Condition, Parsed, Path, Step};
use super::value::{Item, Value};

/// The placeholders and what they stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    names: &'a BTreeMap<String, String>,
    values: &'a BTreeMap<String, Value>,
}

/// One step of a resolved path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At<'a> {
    Name(&'a str),
    Index(usize),
}

impl<'a> Scope<'a> {
    /// Creates a scope from a request; `None` is the same as an empty map.
    pub(super) fn new(
        names: Option<&'a BTreeMap<String, String>>,
        values: Option<&'a BTreeMap<String, Value>>,
    ) -> Scope<'a> {
        static NO_NAMES: BTreeMap<String, String> = BTreeMap::new();
        static NO_VALUES: BTreeMap<String, Value> = BTreeMap::new();
        Scope { names: names.unwrap_or(&NO_NAMES), values: values.unwrap_or(&NO_VALUES) }
    }

    /// Checks that each placeholder of an expression is defined.
    pub(super) fn check<T>(self, parsed: &Parsed<T>) -> Result<(), String> {
        if let Some(name) = parsed.names.iter().find(|name| !self.names.contains_key(*name)) {
            return Err(format!(
                "An expression attribute name used in the document path is not defined; attribute name: {name}"
            ));
        }
        if let Some(value) = parsed.values.iter().find(|value| !self.values.contains_key(*value)) {
            return Err(format!(
                "An expression attribute value used in expression is not defined; attribute value: {value}"
            ));
        }
        Ok(())
    }

    /// Checks that every definition is used by an expression.
    pub(super) fn check_unused(self, names: &BTreeSet<&str>, values: &BTreeSet<&str>) -> Result<(), String> {
        let unused = |defined: Vec<&str>, kind: &str| match defined.as_slice() {
            [] => Ok(()),
            keys => Err(format!(
                "Value provided in ExpressionAttribute{kind} unused in expressions: keys: {{{}}}",
                keys.join(", ")
            )),
        };
        unused(self.names.keys().map(String::as_str).filter(|key| !names.contains(key)).collect(), "Names")?;
        unused(self.values.keys().map(String::as_str).filter(|key| !values.contains(key)).collect(), "Values")
    }

    /// The value of a placeholder that [`Scope::check`] has checked.
    pub(super) fn value(self, placeholder: &str) -> &'a Value {
        self.values.get(placeholder).expect("checked placeholders are defined")
    }

    /// A path with its aliases resolved.
    pub(super) fn path(self, path: &'a Path) -> Vec<At<'a>> {
        path.0.iter().map(|step| self.step(step)).collect()
    }

    /// The attribute with which a path begins.
    pub(super) fn first(self, path: &'a Path) -> &'a str {
        match self.step(&path.0[0]) {
            At::Name(name) => name,
            At::Index(_) => unreachable!("the parser makes each path begin with a name"),
        }
    }

    /// The value in an item that a path leads to.
    pub(super) fn get<'i>(self, item: &'i Item, path: &'a Path) -> Option<&'i Value> {
        let mut value = item.get(self.first(path))?;
        for step in &path.0[1..] {
            value = match (value, self.step(step)) {
                (Value::M(map), At::Name(name)) => map.get(name)?,
                (Value::L(list), At::Index(index)) => list.get(index)?,
                _ => return None,
            };
        }
        Some(value)
    }

    fn step(self, step: &'a Step) -> At<'a> {
        match step {
            Step::Index(index) => At::Index(*index),
            Step::Name(name) if name.starts_with('#') => {
                At::Name(self.names.get(name).expect("checked placeholders are defined"))
            }
            Step::Name(name) => At::Name(name),
        }
    }
}

impl Condition {
    /// Every path that the condition reads.
    pub(super) fn paths<'c>(&'c self, out: &mut Vec<&'c Path>) {
        use super::expression::Operand;
        let mut operand = |operand: &'c Operand| match operand {
            Operand::Path(path) | Operand::Size(path) => out.push(path),
            Operand::Value(_) => {}
        };
        match self {
            Condition::And(left, right) | Condition::Or(left, right) => {
                left.paths(out);
                right.paths(out);
            }
            Condition::Not(inner) => inner.paths(out),
            Condition::Compare(_, left, right)
            | Condition::BeginsWith(left, right)
            | Condition::Contains(left, right) => [left, right].into_iter().for_each(operand),
            Condition::Between(value, low, high) => [value, low, high].into_iter().for_each(operand),
            Condition::In(value, choices) => {
                operand(value);
                choices.iter().for_each(operand);
            }
            Condition::Exists(path) | Condition::NotExists(path) => out.push(path),
            Condition::HasType(path, kind) => {
                operand(kind);
                out.push(path);
            }
        }
    }
}
