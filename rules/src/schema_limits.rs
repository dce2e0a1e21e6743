//! Reading what `schema/order.toml` asks of a field besides its type.

use rust_decimal::Decimal;
use serde_json::Value;
use toml_edit::{Item, TableLike};

use crate::document::Document;
use crate::limits::{Case, Limits, Pattern};
use crate::number;
use crate::schema::{Shape, Type};

/// The settings that are read here.
pub(crate) const KEYS: [&str; 7] = ["min", "max", "min_length", "pattern", "trim", "case", "unique"];

/// Reads the settings of a field into its shape. Of a list, `min_length` and `unique` speak of the list, the others of
/// its entries. Err says which setting is wrong and why.
pub(crate) fn read(
    document: &Document,
    path: &str,
    table: &dyn TableLike,
    shape: &mut Shape,
) -> Result<(), String> {
    let mut values = Limits {
        min: decimal(document, path, table, "min")?,
        max: decimal(document, path, table, "max")?,
        min_length: 0,
        pattern: text(path, table, "pattern")?
            .map(|pattern| {
                Pattern::new(pattern).map_err(|problem| format!("pattern of '{path}' is {problem}"))
            })
            .transpose()?,
        trim: flag(path, table, "trim")?,
        case: match text(path, table, "case")? {
            None => None,
            Some("upper") => Some(Case::Upper),
            Some("lower") => Some(Case::Lower),
            Some(_) => return Err(format!("case of '{path}' is not \"upper\" or \"lower\"")),
        },
        unique: false,
    };
    let whole = Limits {
        min_length: length(path, table)?,
        unique: flag(path, table, "unique")?,
        ..Limits::default()
    };
    let kind = match &shape.kind {
        Type::List(element) => &element.kind,
        kind => kind,
    };
    suit(path, kind, &values)?;
    if let Type::Text { choices } = kind
        && let Some(choice) = choices.iter().find(|choice| values.normal(choice) != choice.as_str())
    {
        return Err(format!("choices of '{path}' has '{choice}', which no value equals after trim and case"));
    }
    let is_entry = path.contains("[].") && !matches!(shape.kind, Type::Record(_));
    match &mut shape.kind {
        Type::List(element) => {
            element.limits = values;
            shape.limits = whole;
        }
        Type::Text { .. } if !whole.unique || is_entry => {
            values.min_length = whole.min_length;
            values.unique = whole.unique;
            shape.limits = values;
        }
        _ if whole.min_length > 0 => return Err(format!("'{path}': min_length is for text and list")),
        _ if whole.unique && !is_entry => {
            return Err(format!("'{path}': unique is for list, and for a field of a list's records"));
        }
        _ => {
            values.unique = whole.unique;
            shape.limits = values;
        }
    }
    Ok(())
}

/// Err says which setting the type does not have.
fn suit(path: &str, kind: &Type, limits: &Limits) -> Result<(), String> {
    let is_number = matches!(kind, Type::Integer | Type::Decimal | Type::Money { .. });
    if (limits.min.is_some() || limits.max.is_some()) && !is_number {
        return Err(format!("'{path}': min and max are for integer, decimal and money"));
    }
    if limits.min.zip(limits.max).is_some_and(|(min, max)| min > max) {
        return Err(format!("'{path}': min is more than max"));
    }
    let has_text_settings = limits.pattern.is_some() || limits.trim || limits.case.is_some();
    if has_text_settings && !matches!(kind, Type::Text { .. }) {
        return Err(format!("'{path}': pattern, trim and case are for text"));
    }
    Ok(())
}

fn decimal(
    document: &Document,
    path: &str,
    table: &dyn TableLike,
    key: &str,
) -> Result<Option<Decimal>, String> {
    if table.get(key).is_none() {
        return Ok(None);
    }
    let text = match document.value(table, key).map_err(|error| error.message)? {
        Value::Number(number) => number.as_str().to_owned(),
        Value::String(text) => text,
        _ => String::new(),
    };
    number::parse(&text).map(Some).ok_or_else(|| format!("{key} of '{path}' is not a number"))
}

fn length(path: &str, table: &dyn TableLike) -> Result<usize, String> {
    let Some(item) = table.get("min_length") else { return Ok(0) };
    let length =
        item.as_integer().and_then(|length| usize::try_from(length).ok()).filter(|length| *length > 0);
    length.ok_or_else(|| format!("min_length of '{path}' is not a whole number of at least 1"))
}

fn text<'a>(path: &str, table: &'a dyn TableLike, key: &str) -> Result<Option<&'a str>, String> {
    let text = |item: &'a Item| item.as_str().ok_or_else(|| format!("{key} of '{path}' is not text"));
    table.get(key).map(text).transpose()
}

/// A setting that is true or false; false where it is absent.
pub(crate) fn flag(path: &str, table: &dyn TableLike, key: &str) -> Result<bool, String> {
    let flag = |item: &Item| item.as_bool().ok_or_else(|| format!("{key} of '{path}' is not true or false"));
    table.get(key).map_or(Ok(false), flag)
}
