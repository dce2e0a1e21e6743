//! Applies update expressions to an item: every right side sees the item before the update (Update expressions,
//! developer guide).

use std::collections::BTreeSet;

use super::expression::{Operand, Source, Update};
use super::scope::{At, Scope};
use super::value::{Item, Value};

const WRONG_TYPE: &str = "An operand in the update expression has an incorrect data type";
const NO_SUCH_PATH: &str = "The document path provided in the update expression is invalid for update";

/// Returns the item after the update.
///
/// # Errors
///
/// The message of the `ValidationException`.
pub(super) fn apply(update: &Update, old: &Item, scope: Scope<'_>) -> Result<Item, String> {
    let mut new = old.clone();
    for (path, source) in &update.set {
        put(&mut new, &scope.path(path), evaluate(source, old, scope)?)?;
    }
    for path in &update.remove {
        remove(&mut new, &scope.path(path))?;
    }
    for (path, operand) in &update.add {
        let sum = added(scope.get(old, path), operand_value(operand, old, scope)?)?;
        put(&mut new, &scope.path(path), sum)?;
    }
    for (path, operand) in &update.delete {
        let Some(set) = scope.get(old, path) else { continue };
        match without(set, operand_value(operand, old, scope)?)? {
            Some(rest) => put(&mut new, &scope.path(path), rest)?,
            None => remove(&mut new, &scope.path(path))?,
        }
    }
    Ok(new)
}

/// Checks that no two actions have overlapping paths, and returns the attributes that the actions change.
///
/// # Errors
///
/// The message of the `ValidationException`.
pub(super) fn touched<'a>(update: &'a Update, scope: Scope<'a>) -> Result<BTreeSet<&'a str>, String> {
    let set = update.set.iter().map(|(path, _)| path);
    let others = update.add.iter().chain(&update.delete).map(|(path, _)| path);
    let paths: Vec<_> = set.chain(&update.remove).chain(others).map(|path| scope.path(path)).collect();
    for (number, path) in paths.iter().enumerate() {
        if paths[..number].iter().any(|other| other.starts_with(path) || path.starts_with(other)) {
            return Err(
                "Two document paths overlap with each other; must remove or rewrite one of these paths"
                    .to_owned(),
            );
        }
    }
    Ok(paths
        .iter()
        .filter_map(|path| match path[0] {
            At::Name(name) => Some(name),
            At::Index(_) => None,
        })
        .collect())
}

fn evaluate(source: &Source, old: &Item, scope: Scope<'_>) -> Result<Value, String> {
    match source {
        Source::Operand(operand) => operand_value(operand, old, scope).cloned(),
        Source::IfNotExists(path, otherwise) => match scope.get(old, path) {
            Some(value) => Ok(value.clone()),
            None => evaluate(otherwise, old, scope),
        },
        Source::ListAppend(left, right) => {
            match (evaluate(left, old, scope)?, evaluate(right, old, scope)?) {
                (Value::L(mut left), Value::L(right)) => {
                    left.extend(right);
                    Ok(Value::L(left))
                }
                _ => Err(WRONG_TYPE.to_owned()),
            }
        }
        Source::Plus(left, right) | Source::Minus(left, right) => {
            match (evaluate(left, old, scope)?, evaluate(right, old, scope)?) {
                (Value::N(left), Value::N(right)) => {
                    let right = if matches!(source, Source::Minus(..)) { right.negated() } else { right };
                    left.plus(right).map(Value::N)
                }
                _ => Err(WRONG_TYPE.to_owned()),
            }
        }
    }
}

fn operand_value<'a>(operand: &'a Operand, old: &'a Item, scope: Scope<'a>) -> Result<&'a Value, String> {
    match operand {
        Operand::Value(placeholder) => Ok(scope.value(placeholder)),
        Operand::Path(path) => scope.get(old, path).ok_or_else(|| {
            "The provided expression refers to an attribute that does not exist in the item".to_owned()
        }),
        Operand::Size(_) => {
            Err("The function is not allowed in an update expression; function: size".to_owned())
        }
    }
}

fn added(old: Option<&Value>, more: &Value) -> Result<Value, String> {
    match (old, more) {
        (None, Value::N(_) | Value::SS(_) | Value::NS(_) | Value::BS(_)) => Ok(more.clone()),
        (Some(Value::N(old)), Value::N(more)) => old.plus(*more).map(Value::N),
        (Some(Value::SS(old)), Value::SS(more)) => Ok(Value::SS(old | more)),
        (Some(Value::NS(old)), Value::NS(more)) => Ok(Value::NS(old | more)),
        (Some(Value::BS(old)), Value::BS(more)) => Ok(Value::BS(old | more)),
        _ => Err(WRONG_TYPE.to_owned()),
    }
}

/// Removes members from a set. Returns `None` if the set becomes empty, since DynamoDB has no empty sets.
fn without(set: &Value, less: &Value) -> Result<Option<Value>, String> {
    let rest = match (set, less) {
        (Value::SS(old), Value::SS(less)) => Value::SS(old - less),
        (Value::NS(old), Value::NS(less)) => Value::NS(old - less),
        (Value::BS(old), Value::BS(less)) => Value::BS(old - less),
        _ => return Err(WRONG_TYPE.to_owned()),
    };
    Ok(Some(rest).filter(|rest| rest.length() != Some(0)))
}

fn put(item: &mut Item, path: &[At<'_>], value: Value) -> Result<(), String> {
    let (At::Name(first), rest) = (path[0], &path[1..]) else { return Err(NO_SUCH_PATH.to_owned()) };
    let Some((last, steps)) = rest.split_last() else {
        item.insert(first.to_owned(), value);
        return Ok(());
    };
    let mut place = item.get_mut(first).ok_or(NO_SUCH_PATH)?;
    for step in steps {
        place = inside(place, *step).ok_or(NO_SUCH_PATH)?;
    }
    match (place, last) {
        (Value::M(map), At::Name(name)) => drop(map.insert((*name).to_owned(), value)),
        (Value::L(list), At::Index(index)) => match list.get_mut(*index) {
            Some(old) => *old = value,
            None => list.push(value),
        },
        _ => return Err(NO_SUCH_PATH.to_owned()),
    }
    Ok(())
}

fn remove(item: &mut Item, path: &[At<'_>]) -> Result<(), String> {
    let (At::Name(first), rest) = (path[0], &path[1..]) else { return Err(NO_SUCH_PATH.to_owned()) };
    let Some((last, steps)) = rest.split_last() else {
        item.remove(first);
        return Ok(());
    };
    let mut place = item.get_mut(first).ok_or(NO_SUCH_PATH)?;
    for step in steps {
        place = inside(place, *step).ok_or(NO_SUCH_PATH)?;
    }
    match (place, last) {
        (Value::M(map), At::Name(name)) => drop(map.remove(*name)),
        (Value::L(list), At::Index(index)) if *index < list.len() => drop(list.remove(*index)),
        (Value::L(_), At::Index(_)) => {}
        _ => return Err(NO_SUCH_PATH.to_owned()),
    }
    Ok(())
}

fn inside<'v>(value: &'v mut Value, step: At<'_>) -> Option<&'v mut Value> {
    match (value, step) {
        (Value::M(map), At::Name(name)) => map.get_mut(name),
        (Value::L(list), At::Index(index)) => list.get_mut(index),
        _ => None,
    }
}
