//! The fields of an order by their paths, such as `customer.tier` or `items.0.price`.

use serde_json::{Map, Value};

/// Sets or removes the value at a path such as `customer.tier` or `items.0.price`; a table merges into a table.
pub(crate) fn assign(target: &mut Value, path: &str, value: Option<Value>) -> Result<(), String> {
    put(target, path, value).map_err(|problem| format!("'{path}': {problem}"))
}

fn put(target: &mut Value, path: &str, value: Option<Value>) -> Result<(), String> {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let missing = || "there is nothing there".to_owned();
    if let Value::Array(values) = target {
        let index: usize = head.parse().map_err(|_| format!("'{head}' is not the number of an entry"))?;
        return match (rest, value) {
            (Some(rest), value) => put(values.get_mut(index).ok_or_else(missing)?, rest, value),
            (None, Some(value)) => values.get_mut(index).map(|old| *old = value).ok_or_else(missing),
            (None, None) => (index < values.len()).then(|| drop(values.remove(index))).ok_or_else(missing),
        };
    }
    let Value::Object(map) = target else { return Err(missing()) };
    match (rest, value) {
        (Some(rest), value) => put(map.entry(head).or_insert_with(|| Value::Object(Map::new())), rest, value),
        (None, Some(Value::Object(fields))) if matches!(map.get(head), Some(Value::Object(_))) => {
            let existing = map.get_mut(head).ok_or_else(missing)?;
            fields.into_iter().try_for_each(|(name, value)| put(existing, &name, Some(value)))
        }
        (None, Some(value)) => {
            map.insert(head.to_owned(), value);
            Ok(())
        }
        (None, None) => map.remove(head).map(drop).ok_or_else(missing),
    }
}

/// The paths of an order's fields; of a list those of each entry.
pub(crate) fn paths_of(value: &Value, path: &str, found: &mut Vec<String>) {
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            found.push(inside(name));
            paths_of(value, &inside(name), found);
        }),
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(n, value)| paths_of(value, &inside(&n.to_string()), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
