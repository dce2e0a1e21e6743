//! A guard: its script, and what the oracle says of it.

use super::value::{Number, Value};

#[derive(Debug, Clone)]
pub(super) enum Guard {
    /// A field of the order, or of the item.
    Order(&'static str),
    Item(&'static str),
    /// `let least = 2;` and `limits.most`.
    Least,
    Most,
    Number(Number),
    Text(&'static str),
    Reckon(&'static str, Box<Guard>, Box<Guard>),
    Compare(&'static str, Box<Guard>, Box<Guard>),
    And(Box<Guard>, Box<Guard>),
    Or(Box<Guard>, Box<Guard>),
    Not(Box<Guard>),
    InTexts(Box<Guard>, Vec<&'static str>),
    InNames(Box<Guard>),
    InTags(Box<Guard>),
    Has(&'static str),
    Default(Box<Guard>, Box<Guard>),
    Shown(Box<Guard>),
    Some(Box<Guard>),
    All(Box<Guard>),
    Sum,
}

pub(super) const NAMES: [&str; 3] = ["DE", "B7", "silver"];

/// None where it is an error.
type Told = Option<Value>;

impl Guard {
    pub(super) fn script(&self) -> String {
        match self {
            Guard::Order(name) => format!("order.{name}"),
            Guard::Item(name) => format!("item.{name}"),
            Guard::Least => "least".to_owned(),
            Guard::Most => "limits.most".to_owned(),
            Guard::Number(number) => number.text(),
            Guard::Text(text) => format!("\"{text}\""),
            Guard::Reckon(operator, a, b) | Guard::Compare(operator, a, b) => {
                format!("({} {operator} {})", a.script(), b.script())
            }
            Guard::And(a, b) => format!("({} && {})", a.script(), b.script()),
            Guard::Or(a, b) => format!("({} || {})", a.script(), b.script()),
            Guard::Not(a) => format!("!({})", a.script()),
            Guard::InTexts(a, texts) => format!("({} in {texts:?})", a.script()),
            Guard::InNames(a) => format!("({} in lists.names)", a.script()),
            Guard::InTags(a) => format!("({} in order.tags)", a.script()),
            Guard::Has(name) => format!("order.has(\"{name}\")"),
            Guard::Default(a, b) => format!("({} ?? {})", a.script(), b.script()),
            Guard::Shown(a) => format!("(`<${{{}}}>` == \"<DE>\")", a.script()),
            Guard::Some(a) => format!("order.items.some(|item| {})", a.script()),
            Guard::All(a) => format!("order.items.all(|item| {})", a.script()),
            Guard::Sum => "order.items.sum(\"price\")".to_owned(),
        }
    }

    pub(super) fn told(&self, order: &Value, item: Option<&Value>) -> Told {
        let bool_of = |guard: &Guard| match guard.told(order, item)? {
            Value::Bool(value) => Some(value),
            _ => None,
        };
        Some(match self {
            Guard::Order(name) => order.field(name)?.clone(),
            Guard::Item(name) => item?.field(name)?.clone(),
            Guard::Least => Value::Number(Number { parts: 2, places: 0 }),
            Guard::Most => Value::Number(Number { parts: 55, places: 1 }),
            Guard::Number(number) => Value::Number(*number),
            Guard::Text(text) => Value::Text(text),
            Guard::Reckon(operator, a, b) => {
                reckoned(operator, &a.told(order, item)?, &b.told(order, item)?)?
            }
            Guard::Compare(operator, a, b) => {
                Value::Bool(compared(operator, &a.told(order, item)?, &b.told(order, item)?)?)
            }
            Guard::And(a, b) => Value::Bool(bool_of(a)? && bool_of(b)?),
            Guard::Or(a, b) => Value::Bool(bool_of(a)? || bool_of(b)?),
            Guard::Not(a) => Value::Bool(!bool_of(a)?),
            Guard::InTexts(a, texts) => Value::Bool(texts.contains(&a.told(order, item)?.text()?)),
            Guard::InNames(a) => Value::Bool(NAMES.contains(&a.told(order, item)?.text()?)),
            Guard::InTags(a) => {
                // What stands right of `in` is asked first, and every entry of it.
                let Value::List(tags) = order.field("tags")? else { return None };
                let wanted = a.told(order, item)?;
                let mut found = false;
                for tag in tags {
                    found |= compared("==", tag, &wanted)?;
                }
                Value::Bool(found)
            }
            Guard::Has(name) => Value::Bool(!matches!(order.field(name), None | Some(Value::Nothing))),
            Guard::Default(a, b) => match a.told(order, item)? {
                Value::Nothing => b.told(order, item)?,
                value => value,
            },
            Guard::Shown(a) => Value::Bool(match a.told(order, item)? {
                Value::Nothing | Value::List(_) | Value::Record(_) => return None,
                Value::Text(text) => text == "DE",
                Value::Joined(text) => text == "DE",
                Value::Bool(_) | Value::Number(_) => false,
            }),
            Guard::Some(a) => Value::Bool(
                each(a, order)?.try_fold(false, |found, holds| if found { Some(true) } else { holds() })?,
            ),
            Guard::All(a) => Value::Bool(
                each(a, order)?.try_fold(true, |all, holds| if all { holds() } else { Some(false) })?,
            ),
            Guard::Sum => {
                let Value::List(items) = order.field("items")? else { return None };
                let mut sum = Number { parts: 0, places: 0 };
                for item in items {
                    let Value::Number(price) = item.field("price")? else { return None };
                    sum = sum.with(*price, |a, b| a + b);
                }
                Value::Number(sum)
            }
        })
    }
}

/// Whether a guard holds of each item, asked one by one.
fn each<'a>(
    guard: &'a Guard,
    order: &'a Value,
) -> Option<impl Iterator<Item = impl FnOnce() -> Option<bool> + 'a> + 'a> {
    let Value::List(items) = order.field("items")? else { return None };
    Some(items.iter().map(move |item| {
        move || match guard.told(order, Some(item))? {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }))
}

fn reckoned(operator: &str, a: &Value, b: &Value) -> Told {
    if let (Value::Number(a), Value::Number(b)) = (a, b) {
        return Some(Value::Number(match operator {
            "+" => a.with(*b, |a, b| a + b),
            "-" => a.with(*b, |a, b| a - b),
            _ => Number { parts: a.parts * b.parts, places: a.places + b.places },
        }));
    }
    match (operator, a.text(), b.text()) {
        ("+", Some(a), Some(b)) => Some(Value::Joined(format!("{a}{b}"))),
        _ => None,
    }
}

fn compared(operator: &str, a: &Value, b: &Value) -> Option<bool> {
    let is_equality = operator == "==" || operator == "!=";
    let ordering = match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.order(*b),
        (Value::Bool(a), Value::Bool(b)) if is_equality => a.cmp(b),
        _ => {
            let (a, b) = (a.text()?, b.text()?);
            // Numbers and dates that came as text have no order.
            let is_unordered = |text: &str| {
                let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                is_number || (text.len() == 10 && text.starts_with("2026-"))
            };
            if !is_equality && (is_unordered(a) || is_unordered(b)) {
                return None;
            }
            a.cmp(b)
        }
    };
    Some(match operator {
        "==" => ordering.is_eq(),
        "!=" => ordering.is_ne(),
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        ">" => ordering.is_gt(),
        _ => ordering.is_ge(),
    })
}
