//! Strict arithmetic: numbers with numbers, texts with texts, and no result that was rounded.
//!
//! rhai itself joins a text with nothing, takes one text away from another, adds lists, and rounds decimals. No pair of
//! values is left to it: each operator ends in a function that takes anything and says what it wanted.

use std::ops::{Range, RangeInclusive};

use rhai::{Dynamic, Engine, ImmutableString};
use rust_decimal::Decimal;

use crate::exact;
use crate::facts::Failure;
use crate::kind::kind;
use crate::value_limits;

type Reckon = fn(Decimal, Decimal) -> Option<Decimal>;

const OPERATORS: [(&str, Reckon); 5] = [
    ("+", exact::add),
    ("-", exact::subtract),
    ("*", exact::multiply),
    ("/", exact::divide),
    ("%", exact::remainder),
];

/// Replaces rhai's operators.
pub(crate) fn register(engine: &mut Engine) {
    for (operator, reckon) in OPERATORS {
        let numbers = move |a: Decimal, b: Decimal| decimals(operator, reckon, a, b);
        engine.register_fn(operator, numbers);
        engine.register_fn(operator, move |a: i64, b: Decimal| numbers(a.into(), b));
        engine.register_fn(operator, move |a: Decimal, b: i64| numbers(a, b.into()));
        engine.register_fn(operator, move |a: i64, b: i64| integers(operator, a, b));
        engine.register_fn(operator, move |a: Dynamic, b: Dynamic| others(operator, &a, &b));
    }
    engine.register_fn("+", |a: ImmutableString, b: ImmutableString| joined(&a, &b));
    engine.register_fn("**", |a: i64, b: i64| {
        let power = u32::try_from(b).ok().and_then(|exponent| a.checked_pow(exponent));
        power.ok_or_else(|| Failure::from("the power is too large, or its exponent is negative"))
    });
    engine.register_fn("**", |a: Decimal, b: i64| {
        let power = exact::power(a, b);
        power.ok_or_else(|| Failure::from("the power has too many digits, or its exponent is negative"))
    });
    engine.register_fn("**", |a: Dynamic, b: Dynamic| others("**", &a, &b));
    register_signs(engine);
    register_ranges(engine);
    for operator in ["+", "-", "*", "/", "%", "**", "&", "|", "^"] {
        let assign = move |a: &mut Dynamic, b: Dynamic| -> Result<(), Failure> {
            *a = apply(operator, a, &b)?;
            Ok(())
        };
        engine.register_fn(format!("{operator}="), assign);
    }
}

fn register_signs(engine: &mut Engine) {
    engine.register_fn("-", |a: i64| a.checked_neg().ok_or_else(|| Failure::from("the number is too large")));
    engine.register_fn("-", |a: Decimal| -a);
    engine.register_fn("+", |a: i64| a);
    engine.register_fn("+", |a: Decimal| a);
    engine.register_fn("!", |a: bool| !a);
    for sign in ["-", "+"] {
        let refuse = move |a: Dynamic| -> Result<(), Failure> {
            Err(format!("{sign} takes a number, not {}", kind(&a)).into())
        };
        engine.register_fn(sign, refuse);
    }
    engine.register_fn("!", |a: Dynamic| -> Result<(), Failure> {
        Err(format!("! takes true or false, not {}", kind(&a)).into())
    });
    engine.register_fn("&", |a: bool, b: bool| a & b);
    engine.register_fn("|", |a: bool, b: bool| a | b);
    engine.register_fn("^", |a: bool, b: bool| a ^ b);
    for operator in ["&", "|", "^"] {
        engine.register_fn(operator, move |a: Dynamic, b: Dynamic| others(operator, &a, &b));
    }
}

fn register_ranges(engine: &mut Engine) {
    engine.register_fn("..", |from: i64, to: i64| from..to);
    engine.register_fn("..=", |from: i64, to: i64| from..=to);
    engine.register_fn("range", |from: i64, to: i64| from..to);
    engine.register_fn("range", |from: i64, to: i64, step: i64| {
        let step = usize::try_from(step).ok().filter(|step| *step > 0);
        let step =
            step.ok_or_else(|| Failure::from("the step of a range is a whole number of at least 1"))?;
        Ok::<_, Failure>(Steps { range: from..to, step })
    });
    for operator in ["..", "..="] {
        engine.register_fn(operator, move |a: Dynamic, b: Dynamic| others(operator, &a, &b));
    }
    engine.register_iterator::<Range<i64>>();
    engine.register_iterator::<RangeInclusive<i64>>();
    engine.register_iterator::<Steps>();
}

/// The numbers of a range, some of them left out.
#[derive(Debug, Clone)]
struct Steps {
    range: Range<i64>,
    step: usize,
}

impl IntoIterator for Steps {
    type Item = i64;
    type IntoIter = std::iter::StepBy<Range<i64>>;

    fn into_iter(self) -> Self::IntoIter {
        self.range.step_by(self.step)
    }
}

fn decimals(operator: &str, reckon: Reckon, a: Decimal, b: Decimal) -> Result<Decimal, Failure> {
    // No value is shown: it may be masked.
    reckon(a, b).ok_or_else(|| match operator {
        "/" | "%" if b.is_zero() => "cannot divide by 0".into(),
        "/" => "the quotient has more digits than can be kept exactly: say how many places you want with \
                divide(a, b, places)"
            .into(),
        _ => format!("the result of {operator} has more digits than can be kept exactly (28)").into(),
    })
}

fn integers(operator: &str, a: i64, b: i64) -> Result<Dynamic, Failure> {
    let whole = match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "%" if b != 0 => a.checked_rem(b),
        // Of money, 10 / 4 is 2.5.
        _ => return decimals(operator, exact::divide, a.into(), b.into()).map(Dynamic::from),
    };
    whole.map(Dynamic::from).ok_or_else(|| format!("the result of {operator} is too large").into())
}

/// An operator on any two values.
fn apply(operator: &str, a: &Dynamic, b: &Dynamic) -> Result<Dynamic, Failure> {
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        return match operator {
            "**" => {
                let power = u32::try_from(b).ok().and_then(|exponent| a.checked_pow(exponent));
                let power = power.map(Dynamic::from);
                power.ok_or_else(|| "the power is too large, or its exponent is negative".into())
            }
            "&" | "|" | "^" => others(operator, &a.into(), &b.into()),
            _ => integers(operator, a, b),
        };
    }
    if let (Some(x), Some(y)) = (number(a), number(b))
        && let Some((_, reckon)) = OPERATORS.iter().find(|(known, _)| *known == operator)
    {
        return decimals(operator, *reckon, x, y).map(Dynamic::from);
    }
    if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        match operator {
            "&" => return Ok((a & b).into()),
            "|" => return Ok((a | b).into()),
            "^" => return Ok((a ^ b).into()),
            _ => {}
        }
    }
    others(operator, a, b)
}

/// A number as a decimal.
pub(crate) fn number(value: &Dynamic) -> Option<Decimal> {
    value.as_int().map(Decimal::from).or_else(|_| value.as_decimal()).ok()
}

/// What is left: texts, and what an operator never takes.
fn others(operator: &str, a: &Dynamic, b: &Dynamic) -> Result<Dynamic, Failure> {
    let is_text = |value: &Dynamic| value.is_string() || value.is_char();
    if operator == "+" && is_text(a) && is_text(b) {
        return joined(&a.to_string(), &b.to_string()).map(Dynamic::from);
    }
    let wanted = match operator {
        "+" => "two numbers or two texts",
        ".." | "..=" => "two whole numbers",
        "**" => "a number and a whole number",
        "&" | "|" | "^" => "true or false on both sides",
        _ => "two numbers",
    };
    let remedy = if a.is_unit() || b.is_unit() {
        ": check with has(\"…\") first, or give a default with ??"
    } else if operator == "+" && (is_text(a) || is_text(b)) {
        ": put values into a text with `… ${value} …`"
    } else if is_text(a) || is_text(b) {
        ": a number that came as text is read with decimal(…)"
    } else {
        ""
    };
    if operator == "**" && number(a).is_some() && number(b).is_some() {
        return Err("the exponent of ** is a whole number".into());
    }
    Err(format!("{operator} takes {wanted}, not {} and {}{remedy}", kind(a), kind(b)).into())
}

fn joined(a: &str, b: &str) -> Result<ImmutableString, Failure> {
    if a.len() + b.len() > value_limits::MAX_STRING_BYTES {
        return Err("the joined text is too long".into());
    }
    Ok(format!("{a}{b}").into())
}
