//! Functions that ask a function of the script about each entry of a list. Its errors and verdicts end them, and where a
//! yes or no is asked for, nothing else is an answer.

use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, FnPtr, NativeCallContext};

use crate::facts::{Fact, Failure, List};
use crate::kind::kind;
use crate::names::Names;
use crate::step_limit;

/// Gives scripts the functions.
pub(super) fn register(engine: &mut Engine) {
    of_lists::<List>(engine);
    of_lists::<Array>(engine);
    of_lists::<Names>(engine);
    engine.register_fn("map", |context: NativeCallContext<'_>, own: Array, gives: FnPtr| {
        own.values().map(|value| ask(&context, &gives, value)).collect::<Result<Array, Failure>>()
    });
    engine.register_fn("map", |context: NativeCallContext<'_>, list: List, gives: FnPtr| {
        facts(list.values().map(|value| ask(&context, &gives, value)))
    });
    engine.register_fn("map", |context: NativeCallContext<'_>, names: Names, gives: FnPtr| {
        facts(names.values().map(|value| ask(&context, &gives, value)))
    });
}

/// A list that a function can be asked about.
trait Entries: Clone + Send + Sync + 'static {
    fn values(&self) -> impl Iterator<Item = Dynamic>;

    /// The entries of which `keep` is true, one for each.
    fn kept(&self, keep: &[bool]) -> Self;
}

impl Entries for List {
    fn values(&self) -> impl Iterator<Item = Dynamic> {
        self.0.iter().map(Fact::to_dynamic)
    }

    fn kept(&self, keep: &[bool]) -> List {
        List(Arc::new(
            self.0.iter().zip(keep).filter(|(_, keep)| **keep).map(|(fact, _)| fact.clone()).collect(),
        ))
    }
}

impl Entries for Array {
    fn values(&self) -> impl Iterator<Item = Dynamic> {
        self.iter().cloned()
    }

    fn kept(&self, keep: &[bool]) -> Array {
        self.iter().zip(keep).filter(|(_, keep)| **keep).map(|(value, _)| value.clone()).collect()
    }
}

impl Entries for Names {
    fn values(&self) -> impl Iterator<Item = Dynamic> {
        self.iter().map(|name| name.to_owned().into())
    }

    fn kept(&self, keep: &[bool]) -> Names {
        self.of(self.iter().zip(keep).filter(|(_, keep)| **keep).map(|(name, _)| name.to_owned()).collect())
    }
}

fn of_lists<L: Entries>(engine: &mut Engine) {
    engine.register_fn("filter", |context: NativeCallContext<'_>, list: L, keeps: FnPtr| {
        let keep = list.values().map(|value| is_true(&context, &keeps, value));
        Ok::<_, Failure>(list.kept(&keep.collect::<Result<Vec<bool>, Failure>>()?))
    });
    engine.register_fn("some", |context: NativeCallContext<'_>, list: L, holds: FnPtr| {
        list.values().try_fold(
            false,
            |found, value| {
                if found { Ok(true) } else { is_true(&context, &holds, value) }
            },
        )
    });
    engine.register_fn("all", |context: NativeCallContext<'_>, list: L, holds: FnPtr| {
        list.values()
            .try_fold(true, |all, value| if all { is_true(&context, &holds, value) } else { Ok(false) })
    });
    engine.register_fn("find", |context: NativeCallContext<'_>, list: L, holds: FnPtr| {
        for value in list.values() {
            if is_true(&context, &holds, value.clone())? {
                return Ok(value);
            }
        }
        Ok::<_, Failure>(Dynamic::UNIT)
    });
    engine.register_fn("for_each", |context: NativeCallContext<'_>, list: L, does: FnPtr| {
        list.values().try_for_each(|value| ask(&context, &does, value).map(drop))
    });
    engine.register_fn("reduce", |context: NativeCallContext<'_>, list: L, adds: FnPtr, start: Dynamic| {
        list.values().try_fold(start, |so_far, value| {
            step_limit::charge(1);
            adds.call_within_context::<Dynamic>(&context, (so_far, value))
        })
    });
}

fn ask(context: &NativeCallContext<'_>, function: &FnPtr, value: Dynamic) -> Result<Dynamic, Failure> {
    function.call_within_context(context, (value,))
}

fn is_true(context: &NativeCallContext<'_>, function: &FnPtr, value: Dynamic) -> Result<bool, Failure> {
    let answer = ask(context, function, value)?;
    answer.as_bool().map_err(|_| format!("the function returned {}, not true or false", kind(&answer)).into())
}

/// What a function made of each entry of an order's list, as such a list.
fn facts(values: impl Iterator<Item = Result<Dynamic, Failure>>) -> Result<List, Failure> {
    let fact = |value: Dynamic| {
        let kind = kind(&value);
        Fact::from_dynamic(value).ok_or_else(|| {
            Failure::from(format!(
                "the function returned {kind} of its own: map over this list returns numbers, texts and facts"
            ))
        })
    };
    Ok(List(Arc::new(values.map(|value| fact(value?)).collect::<Result<_, Failure>>()?)))
}
