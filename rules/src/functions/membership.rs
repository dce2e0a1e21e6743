//! What `in` and `contains` ask.

use std::ops::{Range, RangeInclusive};

use rhai::{Array, Dynamic, Engine, ImmutableString, Map, NativeCallContext};
use rust_decimal::Decimal;

use super::{records, whole};
use crate::arithmetic::number;
use crate::compare::equal;
use crate::dates::Moment;
use crate::facts::{Fact, Failure, List, Record};
use crate::kind::kind;
use crate::names::Names;
use crate::{compiled, step_limit};

/// Gives scripts the functions. `x in list` calls contains(list, x).
pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("contains", |names: Names, name: ImmutableString| names.contains(&name));
    engine.register_fn("contains", |names: Names, value: Dynamic| {
        step_limit::charge(names.len());
        names_hold(&names, &value)
    });
    engine.register_fn("contains", |list: List, value: Dynamic| {
        step_limit::charge(list.0.len());
        among(list.0.iter().map(Fact::to_dynamic), &value)
    });
    engine.register_fn("contains", |own: Array, text: ImmutableString| {
        step_limit::charge(own.len());
        let mut found = false;
        for value in &own {
            match value.read_lock::<ImmutableString>() {
                Some(other) if *other == text => found = true,
                Some(other) if other.is_ascii() || text.is_ascii() => {}
                _ => found |= equal(value, &text.clone().into())?,
            }
        }
        Ok::<_, Failure>(found)
    });
    engine.register_fn("contains", |own: Array, value: Dynamic| {
        step_limit::charge(own.len());
        among(own.iter().cloned(), &value)
    });
    engine.register_fn("contains", |record: Record, name: ImmutableString| records::has(&record, &name));
    engine.register_fn("contains", |own: Map, name: ImmutableString| own.contains_key(name.as_str()));
    engine.register_fn("contains", |range: Range<i64>, value: Dynamic| {
        let value = in_range(&value)?;
        Ok::<_, Failure>(value >= range.start.into() && value < range.end.into())
    });
    engine.register_fn("contains", |range: RangeInclusive<i64>, value: Dynamic| {
        let value = in_range(&value)?;
        Ok::<_, Failure>(value >= (*range.start()).into() && value <= (*range.end()).into())
    });
    engine.register_fn("contains", |context: NativeCallContext<'_>, text: ImmutableString, part: Dynamic| {
        // "" and "A" are in "DE,AT".
        if !compiled::is_method(context.call_position()) {
            return Err(Failure::from(
                "in searches lists, not texts: to search a text, use text.contains(\"…\")",
            ));
        }
        if !part.is_string() && !part.is_char() {
            return Err(format!("contains looks for text, not {}", kind(&part)).into());
        }
        Ok(text.contains(part.to_string().as_str()))
    });
    engine.register_fn("contains", |list: Dynamic, value: Dynamic| -> Result<bool, Failure> {
        Err(format!("cannot look for {} in {}", kind(&value), kind(&list)).into())
    });
    engine.register_fn("index_of", |own: Array, value: Dynamic| -> Result<i64, Failure> {
        step_limit::charge(own.len());
        let mut place = -1;
        for (n, other) in own.iter().enumerate() {
            if equal(other, &value)? && place < 0 {
                place = whole(n);
            }
        }
        Ok(place)
    });
}

/// Whether a value is among others, all of which it must be comparable with.
fn among(values: impl Iterator<Item = Dynamic>, wanted: &Dynamic) -> Result<bool, Failure> {
    let mut found = false;
    for value in values {
        found |= equal(&value, wanted)?;
    }
    Ok(found)
}

fn in_range(value: &Dynamic) -> Result<Decimal, Failure> {
    number(value).ok_or_else(|| format!("a range holds numbers: cannot look for {}", kind(value)).into())
}

/// Whether a value is an entry: a text as it is written, a date by the moment it means.
pub(super) fn names_hold(names: &Names, value: &Dynamic) -> Result<bool, Failure> {
    if let Ok(name) = value.as_immutable_string_ref() {
        return Ok(names.contains(&name));
    }
    let Some(moment) = value.read_lock::<Moment>() else {
        return Err(format!("lists hold text: cannot look for {}", kind(value)).into());
    };
    let mut found = false;
    for entry in names.iter() {
        let date = Moment::parse(entry)
            .map_err(|_| Failure::from("cannot look for a date: the list has an entry that is not a date"))?;
        found |= date.at() == moment.at();
    }
    Ok(found)
}
