//! Functions of numbers. A function that rounds has this in its name, and is told how.

use rhai::{Dynamic, Engine};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::arithmetic::number;
use crate::facts::Failure;
use crate::kind::kind;
use crate::number;

const ROUNDINGS: [(&str, RoundingStrategy); 5] = [
    ("round", RoundingStrategy::MidpointNearestEven),
    ("round_up", RoundingStrategy::AwayFromZero),
    ("round_down", RoundingStrategy::ToZero),
    ("round_half_up", RoundingStrategy::MidpointAwayFromZero),
    ("round_half_down", RoundingStrategy::MidpointTowardZero),
];

/// Gives scripts the functions.
pub(super) fn register(engine: &mut Engine) {
    for (name, strategy) in ROUNDINGS {
        engine.register_fn(name, move |value: Decimal, places: i64| {
            Ok::<_, Failure>(value.round_dp_with_strategy(decimal_places(places, 28)?, strategy))
        });
        engine.register_fn(name, move |value: i64, places: i64| decimal_places(places, 28).map(|_| value));
    }
    engine.register_fn("round", |value: Decimal| value.round());
    engine.register_fn("floor", |value: Decimal| value.floor());
    engine.register_fn("ceiling", |value: Decimal| value.ceil());
    engine.register_fn("int", |value: Decimal| value.trunc());
    engine.register_fn("fraction", |value: Decimal| value.fract());
    for name in ["round", "floor", "ceiling", "int"] {
        engine.register_fn(name, |value: i64| value);
    }
    engine.register_fn("fraction", |_: i64| 0_i64);
    engine.register_fn("abs", |value: Decimal| value.abs());
    engine.register_fn("abs", |value: i64| {
        value.checked_abs().ok_or_else(|| Failure::from("the number is too large"))
    });
    engine.register_fn("max", |a: Dynamic, b: Dynamic| extreme("max", a, b));
    engine.register_fn("min", |a: Dynamic, b: Dynamic| extreme("min", a, b));
    engine.register_fn("divide", |a: Dynamic, b: Dynamic, places: i64| divide(&a, &b, places));
    // Never rounded: 100.004 that reads "100.00 is above 100.00" would mislead a reviewer.
    engine.register_fn("money", |amount: Decimal| money(amount, amount.normalize().scale().max(2).into()));
    engine.register_fn("money", |amount: i64| money(amount.into(), 2));
    engine.register_fn("money", |amount: Decimal, places: i64| money(amount, places));
    engine.register_fn("money", |amount: i64, places: i64| money(amount.into(), places));
    engine.register_fn("decimal", |text: &str| {
        number::parse(text).ok_or_else(|| Failure::from("the text is not a number that can be kept exactly"))
    });
    engine.register_fn("decimal", |value: Decimal| value);
    engine.register_fn("decimal", |value: i64| Decimal::from(value));
    engine.register_fn("parse_int", |text: &str| {
        let whole = number::parse(text).filter(|number| number.fract().is_zero());
        let whole = whole.and_then(|number| i64::try_from(number).ok());
        whole.ok_or_else(|| Failure::from("the text is not a whole number"))
    });
}

fn decimal_places(places: i64, most: u32) -> Result<u32, Failure> {
    let places = u32::try_from(places).ok().filter(|places| *places <= most);
    places.ok_or_else(|| format!("decimal places are 0 to {most}").into())
}

fn extreme(name: &str, a: Dynamic, b: Dynamic) -> Result<Dynamic, Failure> {
    let (Some(x), Some(y)) = (number(&a), number(&b)) else {
        return Err(format!("{name} takes two numbers, not {} and {}", kind(&a), kind(&b)).into());
    };
    let is_first = if name == "max" { x >= y } else { x <= y };
    Ok(if is_first { a } else { b })
}

/// The quotient, rounded half up to so many places.
fn divide(a: &Dynamic, b: &Dynamic, places: i64) -> Result<Decimal, Failure> {
    let places = decimal_places(places, 20)?;
    let (Some(a), Some(b)) = (number(a), number(b)) else {
        return Err(format!("divide takes two numbers, not {} and {}", kind(a), kind(b)).into());
    };
    if b.is_zero() {
        return Err("cannot divide by 0".into());
    }
    let quotient = a.checked_div(b).ok_or_else(|| Failure::from("the quotient is too large"))?;
    Ok(quotient.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero))
}

/// An amount with exactly so many decimal places, as people read it.
fn money(amount: Decimal, places: i64) -> Result<String, Failure> {
    let places = decimal_places(places, 28)?;
    let rounded = amount.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    Ok(format!("{rounded:.*}", places as usize))
}
