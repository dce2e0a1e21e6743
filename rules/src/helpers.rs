//! The functions scripts have for lists, money and dates, in place of loops.
//!
//! Receivers come by value: of a `&mut` one rhai would try to write the value back, at twice the cost. Work over a list
//! is charged to the rule's budget.

use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, FnPtr, ImmutableString, NativeCallContext};
use rust_decimal::Decimal;

use crate::budget;
use crate::compare::kind;
use crate::facts::{Fact, Failure, List, Names, Record};
use crate::{dates, number};

/// Gives scripts the functions.
pub(crate) fn register(engine: &mut Engine) {
    register_lists(engine);
    register_callbacks(engine);
    register_membership(engine);
    register_values(engine);
}

fn register_lists(engine: &mut Engine) {
    engine.register_fn("len", |list: List| whole(list.0.len()));
    engine.register_fn("is_empty", |list: List| list.0.is_empty());
    engine.register_fn("len", |names: Names| whole(names.0.len()));
    engine.register_fn("is_empty", |names: Names| names.0.is_empty());
    engine.register_fn("where_in", |list: List, field: &str, names: Names| list.where_in(field, &names.0));
    engine.register_fn("where_in", |list: List, field: &str, names: Array| {
        list.where_in(field, &sorted(names)?)
    });
    engine.register_fn("any_in", |list: List, field: &str, names: Names| {
        list.where_in(field, &names.0).map(|found| !found.0.is_empty())
    });
    engine.register_fn("any_in", |list: List, field: &str, names: Array| {
        list.where_in(field, &sorted(names)?).map(|found| !found.0.is_empty())
    });
    engine.register_fn("sum", |list: List, field: &str| list.sum(|fact| number_of(fact, field)));
    engine.register_fn("sum", |list: List| list.sum(|fact| as_number(fact, "the list")));
    engine.register_fn("sum_product", |list: List, a: &str, b: &str| {
        list.sum(|fact| {
            let product = number_of(fact, a)?.checked_mul(number_of(fact, b)?);
            product.ok_or_else(|| format!("{a} times {b} is too large").into())
        })
    });
    engine.register_fn("max_of", |list: List, field: &str| list.extreme(field, Decimal::max));
    engine.register_fn("min_of", |list: List, field: &str| list.extreme(field, Decimal::min));
    engine.register_fn("join", |list: List, field: &str| list.join(|fact| text_of(fact, field)));
    engine.register_fn("join", |list: List| list.join(|fact| as_text(fact, "the list")));
    engine.register_indexer_get(|list: &mut List, index: i64| {
        let found = usize::try_from(index).ok().and_then(|index| list.0.get(index));
        found
            .map(Fact::to_dynamic)
            .ok_or_else(|| Failure::from(format!("the list has {} entries, no [{index}]", list.0.len())))
    });
    engine.register_iterator::<List>();
}

/// Functions that ask a function of the script about each entry. Its errors and verdicts end them.
fn register_callbacks(engine: &mut Engine) {
    engine.register_fn("filter", |context: NativeCallContext<'_>, list: List, keeps: FnPtr| {
        let mut kept = Vec::new();
        for fact in list.0.iter() {
            if asks(&context, &keeps, fact)? {
                kept.push(fact.clone());
            }
        }
        Ok::<_, Failure>(List(Arc::new(kept)))
    });
    engine.register_fn("some", |context: NativeCallContext<'_>, list: List, holds: FnPtr| {
        list.0.iter().try_fold(false, |found, fact| Ok::<_, Failure>(found || asks(&context, &holds, fact)?))
    });
    engine.register_fn("all", |context: NativeCallContext<'_>, list: List, holds: FnPtr| {
        list.0.iter().try_fold(true, |all, fact| Ok::<_, Failure>(all && asks(&context, &holds, fact)?))
    });
}

fn asks(context: &NativeCallContext<'_>, function: &FnPtr, fact: &Fact) -> Result<bool, Failure> {
    let answer: Dynamic = function.call_within_context(context, (fact.to_dynamic(),))?;
    answer.as_bool().map_err(|_| format!("the function gave {}, not true or false", kind(&answer)).into())
}

fn register_membership(engine: &mut Engine) {
    // `x in list` calls contains(list, x).
    engine.register_fn("contains", |names: Names, name: ImmutableString| names.contains(&name));
    engine.register_fn("contains", |_: Names, other: Dynamic| -> Result<bool, Failure> {
        Err(format!("lists hold text: cannot look for {}", kind(&other)).into())
    });
    engine.register_fn("contains", |list: List, value: Dynamic| list.contains(&value));
    engine.register_fn("contains", |record: Record, name: ImmutableString| has(&record, &name));
    engine.register_fn("has", |record: Record, name: ImmutableString| has(&record, &name));
    engine.register_fn("contains", |array: Array, text: ImmutableString| -> Result<bool, Failure> {
        budget::charge(array.len());
        let mut found = false;
        for value in &array {
            let other = value.read_lock::<ImmutableString>();
            let other = other.ok_or_else(|| format!("cannot compare text with {}", kind(value)))?;
            found |= *other == text;
        }
        Ok(found)
    });
    engine.register_fn("get", |record: Record, name: ImmutableString, default: Dynamic| {
        match record.find(&name) {
            None | Some(Fact::Nothing) => default,
            Some(fact) => fact.to_dynamic(),
        }
    });
    engine.register_indexer_get(|record: &mut Record, name: ImmutableString| {
        record.get(&name).map(Fact::to_dynamic)
    });
}

fn register_values(engine: &mut Engine) {
    engine.register_fn("money", |amount: Decimal| money(amount, 2));
    engine.register_fn("money", |amount: i64| money(amount.into(), 2));
    engine.register_fn("money", |amount: Decimal, places: i64| money(amount, places));
    engine.register_fn("decimal", |text: &str| -> Result<Decimal, Failure> {
        number::parse(text).ok_or_else(|| format!("'{text}' is not a number").into())
    });
    engine.register_fn("decimal", |value: Decimal| value);
    engine.register_fn("decimal", |value: i64| Decimal::from(value));
    engine.register_fn("days_between", |from: &str, to: &str| {
        dates::days_between(from, to).map_err(Failure::from)
    });
}

impl IntoIterator for List {
    type Item = Dynamic;
    type IntoIter = ListIter;

    fn into_iter(self) -> ListIter {
        ListIter { list: self, next: 0 }
    }
}

/// A list's values, one by one, without copying the list.
#[derive(Debug)]
pub(crate) struct ListIter {
    list: List,
    next: usize,
}

impl Iterator for ListIter {
    type Item = Dynamic;

    fn next(&mut self) -> Option<Dynamic> {
        let fact = self.list.0.get(self.next)?;
        self.next += 1;
        Some(fact.to_dynamic())
    }
}

impl List {
    fn where_in(&self, field: &str, names: &[String]) -> Result<List, Failure> {
        budget::charge(self.0.len());
        let mut kept = Vec::new();
        for fact in self.0.iter() {
            let text = text_of(fact, field)?;
            if names.binary_search(&text).is_ok() {
                kept.push(fact.clone());
            }
        }
        Ok(List(Arc::new(kept)))
    }

    fn sum(&self, value: impl Fn(&Fact) -> Result<Decimal, Failure>) -> Result<Decimal, Failure> {
        budget::charge(self.0.len());
        let mut sum = Decimal::ZERO;
        for fact in self.0.iter() {
            sum = sum.checked_add(value(fact)?).ok_or("the sum is too large")?;
        }
        Ok(sum.normalize())
    }

    /// The extreme of a field; nothing of an empty list.
    fn extreme(&self, field: &str, choose: fn(Decimal, Decimal) -> Decimal) -> Result<Dynamic, Failure> {
        budget::charge(self.0.len());
        let mut best: Option<Decimal> = None;
        for fact in self.0.iter() {
            let number = number_of(fact, field)?;
            best = Some(best.map_or(number, |best| choose(best, number)));
        }
        Ok(best.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// At most 8 KB, as every text in a rule.
    fn join(&self, text: impl Fn(&Fact) -> Result<String, Failure>) -> Result<String, Failure> {
        budget::charge(self.0.len());
        let mut joined = String::new();
        for (n, fact) in self.0.iter().enumerate() {
            if n > 0 {
                joined.push_str(", ");
            }
            joined.push_str(&text(fact)?);
            if joined.len() > budget::MAX_STRING_BYTES {
                return Err("the joined text is too long".into());
            }
        }
        Ok(joined)
    }

    fn contains(&self, value: &Dynamic) -> Result<bool, Failure> {
        budget::charge(self.0.len());
        let wanted = Fact::from_dynamic(value.clone());
        let mut found = false;
        for fact in self.0.iter() {
            found |= match (fact, &wanted) {
                (Fact::Text(a), Some(Fact::Text(b))) => a == b,
                (Fact::Bool(a), Some(Fact::Bool(b))) => a == b,
                (Fact::Integer(_) | Fact::Decimal(_), Some(b @ (Fact::Integer(_) | Fact::Decimal(_)))) => {
                    as_number(fact, "")? == as_number(b, "")?
                }
                _ => return Err(format!("cannot compare {} with {}", fact.kind(), kind(value)).into()),
            };
        }
        Ok(found)
    }
}

impl Names {
    fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|entry| entry.as_str().cmp(name)).is_ok()
    }
}

fn field_of<'a>(fact: &'a Fact, field: &str) -> Result<&'a Fact, Failure> {
    match fact {
        Fact::Record(record) => record.get(field),
        other => Err(format!("the list holds {}, which has no '{field}'", other.kind()).into()),
    }
}

fn number_of(fact: &Fact, field: &str) -> Result<Decimal, Failure> {
    as_number(field_of(fact, field)?, field)
}

fn as_number(fact: &Fact, what: &str) -> Result<Decimal, Failure> {
    match fact {
        Fact::Integer(number) => Ok(Decimal::from(*number)),
        Fact::Decimal(number) => Ok(*number),
        other => Err(format!("{what} holds {}, not a number", other.kind()).into()),
    }
}

fn text_of(fact: &Fact, field: &str) -> Result<String, Failure> {
    as_text(field_of(fact, field)?, field)
}

fn as_text(fact: &Fact, what: &str) -> Result<String, Failure> {
    match fact {
        Fact::Text(text) => Ok(text.to_string()),
        Fact::Integer(_) | Fact::Decimal(_) | Fact::Bool(_) => Ok(fact.text().unwrap_or_default()),
        other => Err(format!("{what} holds {}, not text", other.kind()).into()),
    }
}

fn sorted(names: Array) -> Result<Vec<String>, Failure> {
    let mut texts = Vec::with_capacity(names.len());
    for name in names {
        let kind = kind(&name);
        texts.push(name.into_string().map_err(|_| format!("the list of names holds {kind}, not text"))?);
    }
    texts.sort();
    Ok(texts)
}

/// An amount with exactly so many decimal places, as people read it.
fn money(amount: Decimal, places: i64) -> Result<String, Failure> {
    let places = u32::try_from(places).ok().filter(|places| *places <= 8);
    let places = places.ok_or("money takes 0 to 8 decimal places")?;
    let rounded = amount.round_dp_with_strategy(places, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    Ok(format!("{rounded:.*}", places as usize))
}

/// The record has the field, and something in it.
fn has(record: &Record, name: &str) -> bool {
    !matches!(record.find(name), None | Some(Fact::Nothing))
}

/// A length as scripts count.
fn whole(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
