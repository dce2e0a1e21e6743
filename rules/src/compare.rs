//! Strict comparison: values of unequal types are an error, never silently unequal.
//!
//! rhai itself answers `order.amuont > 500`, `() > 500` and `"900" > 500` with false, which lets a misspelt guard
//! approve everything. Needs `set_fast_operators(false)`; the usual pairs are registered by type because looking up a
//! wildcard is slow.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;

use rhai::{Dynamic, Engine, ImmutableString};
use rust_decimal::Decimal;

use crate::arithmetic::number;
use crate::dates::{self, Moment};
use crate::facts::Failure;
use crate::kind::kind;
use crate::names::composed;
use crate::number;

const OPERATORS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

thread_local! {
    static NOTING: Cell<bool> = const { Cell::new(false) };
    static COMPARED: RefCell<Vec<Compared>> = const { RefCell::new(Vec::new()) };
}

/// The most comparisons of one run that are noted: a loop makes many.
const MAX_NOTED: usize = 10_000;

/// One comparison that a script made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) left: Operand,
    pub(crate) operator: &'static str,
    pub(crate) right: Operand,
    pub(crate) holds: bool,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operand {
    Number(Decimal),
    Text(String),
}

/// Notes what scripts compare while `run` runs on this thread. For tools only.
pub(crate) fn noting<T>(run: impl FnOnce() -> T) -> (T, Vec<Compared>) {
    COMPARED.take();
    NOTING.set(true);
    let result = run();
    NOTING.set(false);
    (result, COMPARED.take())
}

/// What was noted since it was last taken, while `noting` runs.
pub(crate) fn take_noted() -> Vec<Compared> {
    COMPARED.take()
}

fn note(operator: &'static str, holds: bool, operands: impl FnOnce() -> (Operand, Operand)) {
    if NOTING.get() {
        COMPARED.with_borrow_mut(|compared| {
            if compared.len() < MAX_NOTED {
                let (left, right) = operands();
                compared.push(Compared { left, operator, right, holds });
            }
        });
    }
}

/// Replaces rhai's comparisons.
pub(crate) fn register(engine: &mut Engine) {
    for operator in OPERATORS {
        let compare = move |a: Decimal, b: Decimal| {
            let holds = holds(operator, a.cmp(&b));
            note(operator, holds, || (Operand::Number(a), Operand::Number(b)));
            holds
        };
        engine.register_fn(operator, move |a: i64, b: i64| compare(a.into(), b.into()));
        engine.register_fn(operator, compare);
        engine.register_fn(operator, move |a: i64, b: Decimal| compare(a.into(), b));
        engine.register_fn(operator, move |a: Decimal, b: i64| compare(a, b.into()));
        engine.register_fn(operator, move |a: ImmutableString, b: ImmutableString| {
            compare_texts(operator, &a, &b)
        });
        engine.register_fn(operator, move |a: Dynamic, b: Dynamic| compare_others(operator, &a, &b));
    }
}

/// Whether two values are equal, as `==` asks.
pub(crate) fn equal(a: &Dynamic, b: &Dynamic) -> Result<bool, Failure> {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => Ok(a == b),
        _ => compare_others("==", a, b),
    }
}

/// Whether a comparison is true of two values that stand so to each other.
pub(crate) fn holds(operator: &str, ordering: Ordering) -> bool {
    match operator {
        "==" => ordering.is_eq(),
        "!=" => ordering.is_ne(),
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        ">" => ordering.is_gt(),
        _ => ordering.is_ge(),
    }
}

fn is_equality(operator: &str) -> bool {
    matches!(operator, "==" | "!=")
}

fn compare_texts(operator: &'static str, a: &str, b: &str) -> Result<bool, Failure> {
    if !is_equality(operator) {
        // "900" > "1000" is true of texts, and never meant; so is 18:00-08:00 before 20:00Z.
        if number::parse(a).is_some() || number::parse(b).is_some() {
            return Err(format!(
                "cannot order numbers given as text with {operator}: use decimal(...) first"
            )
            .into());
        }
        if dates::is_date(a) || dates::is_date(b) {
            return Err(
                format!("cannot order dates given as text with {operator}: use date(...) first").into()
            );
        }
    }
    let holds = holds(operator, text_order(a, b));
    note(operator, holds, || (Operand::Text(a.to_owned()), Operand::Text(b.to_owned())));
    Ok(holds)
}

/// Texts that a script puts together may be composed in another way than those it is given.
fn text_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { composed(a).cmp(&composed(b)) }
}

fn compare_others(operator: &'static str, a: &Dynamic, b: &Dynamic) -> Result<bool, Failure> {
    if let (true, Ok(a), Ok(b)) = (is_equality(operator), a.as_bool(), b.as_bool()) {
        return Ok(holds(operator, a.cmp(&b)));
    }
    let is_text = |value: &Dynamic| value.is_char() || value.is_string();
    if is_text(a) && is_text(b) {
        return compare_texts(operator, &a.to_string(), &b.to_string());
    }
    if let (Some(a), Some(b)) = (moment(a, b)?, moment(b, a)?) {
        return Ok(holds(operator, a.at().cmp(&b.at())));
    }
    // Not even `==`: a country that is missing is not a country that is allowed.
    let remedy = if a.is_unit() || b.is_unit() {
        ": check with has(\"…\") first, or give a default with ??"
    } else {
        ""
    };
    Err(format!("cannot compare {} with {} using {operator}{remedy}", kind(a), kind(b)).into())
}

/// A moment, or a text beside one.
fn moment(value: &Dynamic, other: &Dynamic) -> Result<Option<Moment>, Failure> {
    if let Some(moment) = value.read_lock::<Moment>() {
        return Ok(Some(moment.clone()));
    }
    if value.is_string() && other.is::<Moment>() {
        return Moment::parse(&value.to_string()).map(Some).map_err(Failure::from);
    }
    Ok(None)
}
