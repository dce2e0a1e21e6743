//! Evaluates conditions on an item (Comparison operator and function reference, developer guide).

use std::borrow::Cow;

use super::expression::{Comparison, Condition, Operand};
use super::number::Number;
use super::scope::Scope;
use super::value::{Item, Value};

/// Returns whether a condition holds. An item that does not exist is evaluated as an empty one.
///
/// If an operand is absent or has another type, every comparison is false except `<>`, which is true.
pub(super) fn holds(condition: &Condition, item: &Item, scope: Scope<'_>) -> bool {
    let value = |operand| operand_value(operand, item, scope);
    match condition {
        Condition::And(left, right) => holds(left, item, scope) && holds(right, item, scope),
        Condition::Or(left, right) => holds(left, item, scope) || holds(right, item, scope),
        Condition::Not(inner) => !holds(inner, item, scope),
        Condition::Compare(comparison, left, right) => {
            compare(*comparison, value(left).as_deref(), value(right).as_deref())
        }
        Condition::Between(operand, low, high) => {
            let operand = value(operand);
            compare(Comparison::GreaterOrEqual, operand.as_deref(), value(low).as_deref())
                && compare(Comparison::LessOrEqual, operand.as_deref(), value(high).as_deref())
        }
        Condition::In(operand, choices) => {
            let operand = value(operand);
            choices
                .iter()
                .any(|choice| compare(Comparison::Equal, operand.as_deref(), value(choice).as_deref()))
        }
        Condition::Exists(path) => scope.get(item, path).is_some(),
        Condition::NotExists(path) => scope.get(item, path).is_none(),
        Condition::HasType(path, kind) => {
            scope.get(item, path).map(Value::kind) == value(kind).as_deref().and_then(Value::as_text)
        }
        Condition::BeginsWith(text, prefix) => match (value(text).as_deref(), value(prefix).as_deref()) {
            (Some(Value::S(text)), Some(Value::S(prefix))) => text.starts_with(prefix.as_str()),
            _ => false,
        },
        Condition::Contains(whole, part) => match (value(whole).as_deref(), value(part).as_deref()) {
            (Some(whole), Some(part)) => contains(whole, part),
            _ => false,
        },
    }
}

fn operand_value<'a>(operand: &'a Operand, item: &'a Item, scope: Scope<'a>) -> Option<Cow<'a, Value>> {
    match operand {
        Operand::Value(placeholder) => Some(Cow::Borrowed(scope.value(placeholder))),
        Operand::Path(path) => scope.get(item, path).map(Cow::Borrowed),
        Operand::Size(path) => {
            let length = scope.get(item, path)?.length()?;
            Some(Cow::Owned(Value::N(Number::from(i64::try_from(length).ok()?))))
        }
    }
}

fn compare(comparison: Comparison, left: Option<&Value>, right: Option<&Value>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return comparison == Comparison::NotEqual };
    match comparison {
        Comparison::Equal => return left == right,
        Comparison::NotEqual => return left != right,
        Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => {}
    }
    let is_ordered = matches!(
        (left, right),
        (Value::S(_), Value::S(_)) | (Value::N(_), Value::N(_)) | (Value::B(_), Value::B(_))
    );
    is_ordered
        && match comparison {
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
            Comparison::Equal | Comparison::NotEqual => unreachable!("returned above"),
        }
}

fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::S(whole), Value::S(part)) => whole.contains(part.as_str()),
        (Value::SS(set), Value::S(part)) => set.contains(part),
        (Value::NS(set), Value::N(part)) => set.contains(part),
        (Value::BS(set), Value::B(part)) => set.contains(part),
        (Value::L(list), part) => list.contains(part),
        _ => false,
    }
}
