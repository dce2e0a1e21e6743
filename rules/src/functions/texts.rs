//! Functions of texts. None changes a text in place.

use std::cell::RefCell;
use std::collections::BTreeMap;

use regex::Regex;
use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext};
use rust_decimal::Decimal;

use super::whole;
use crate::dates::Moment;
use crate::facts::Failure;
use crate::kind::kind;
use crate::pattern;
use crate::{step_limit, value_limits};

/// What asking a pattern costs a rule besides the length of its text, in steps, and how many are kept compiled.
const PATTERN_STEPS: usize = 20;
const MAX_PATTERNS: usize = 64;

thread_local! {
    static PATTERNS: RefCell<BTreeMap<ImmutableString, Regex>> = const { RefCell::new(BTreeMap::new()) };
    static FAULT: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Gives scripts the functions.
pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("len", |text: ImmutableString| whole(text.chars().count()));
    engine.register_fn("is_empty", |text: ImmutableString| text.is_empty());
    engine.register_fn("to_upper", |text: ImmutableString| text.to_uppercase());
    engine.register_fn("to_lower", |text: ImmutableString| text.to_lowercase());
    engine.register_fn("trim", |text: ImmutableString| text.trim().to_owned());
    engine.register_fn("starts_with", |text: ImmutableString, part: Dynamic| {
        part_of("starts_with", &part).map(|part| text.starts_with(&part))
    });
    engine.register_fn("ends_with", |text: ImmutableString, part: Dynamic| {
        part_of("ends_with", &part).map(|part| text.ends_with(&part))
    });
    engine.register_fn("index_of", |text: ImmutableString, part: Dynamic| {
        part_of("index_of", &part).map(|part| index_of(&text, &part))
    });
    engine.register_fn("sub_string", |text: ImmutableString, start: i64| sub_string(&text, start, i64::MAX));
    engine.register_fn("sub_string", |text: ImmutableString, start: i64, len: i64| {
        sub_string(&text, start, len)
    });
    engine.register_fn("split", |text: ImmutableString| parts(text.split_whitespace()));
    engine.register_fn("split", |text: ImmutableString, separator: Dynamic| {
        let separator = part_of("split", &separator)?;
        if separator.is_empty() {
            return Err("split takes a separator that is not empty".into());
        }
        parts(text.split(separator.as_str()))
    });
    engine.register_fn("replace", |text: ImmutableString, part: Dynamic, by: Dynamic| {
        replace(&text, &part_of("replace", &part)?, &part_of("replace", &by)?)
    });
    engine.register_fn("matches", |text: ImmutableString, pattern: ImmutableString| matches(&text, &pattern));
    register_texts_of_values(engine);
}

/// `to_string`, which rhai also calls for a `${…}` in a text.
fn register_texts_of_values(engine: &mut Engine) {
    engine.register_fn("to_string", |text: ImmutableString| text);
    engine.register_fn("to_string", |letter: char| letter.to_string());
    engine.register_fn("to_string", |value: bool| value.to_string());
    engine.register_fn("to_string", |value: i64| value.to_string());
    engine.register_fn("to_string", |value: Decimal| value.to_string());
    engine.register_fn("to_string", |moment: Moment| ImmutableString::from(moment.text()));
    engine.register_fn("to_string", |context: NativeCallContext<'_>, value: Dynamic| {
        let (what, remedy) = match kind(&value) {
            "nothing" => ("a missing value", "check with has(\"…\") first, or give a default with ??"),
            "a list" => ("a list", "use join"),
            other => (other, "name one of its fields"),
        };
        let message = format!("{what} cannot be put into a text: {remedy}");
        let fault: Failure = EvalAltResult::ErrorRuntime(message.into(), context.call_position()).into();
        // Inside a text rhai would write something of its own and go on.
        FAULT.set(Some(EvalAltResult::ErrorRuntime(fault_message(&fault), context.call_position()).into()));
        Err::<ImmutableString, _>(fault)
    });
}

fn fault_message(fault: &Failure) -> Dynamic {
    match &**fault {
        EvalAltResult::ErrorRuntime(message, _) => message.clone(),
        other => other.to_string().into(),
    }
}

/// The error of this thread's script that rhai did not pass on, and forgets it.
pub(crate) fn take_fault() -> Option<Failure> {
    FAULT.take()
}

/// Whether a pattern matches the whole text.
fn matches(text: &str, wanted: &ImmutableString) -> Result<bool, Failure> {
    step_limit::charge(PATTERN_STEPS + text.len() / 8);
    PATTERNS.with_borrow_mut(|patterns| {
        if !patterns.contains_key(wanted) {
            let regex = pattern::whole(wanted).map_err(|problem| format!("matches got {problem}"))?;
            if patterns.len() >= MAX_PATTERNS {
                patterns.clear();
            }
            patterns.insert(wanted.clone(), regex);
        }
        Ok(patterns.get(wanted).is_some_and(|regex| regex.is_match(text)))
    })
}

fn part_of(function: &str, part: &Dynamic) -> Result<String, Failure> {
    if part.is_string() || part.is_char() {
        return Ok(part.to_string());
    }
    Err(format!("{function} takes text, not {}", kind(part)).into())
}

/// In characters from 0; -1 where it is not there.
fn index_of(text: &str, part: &str) -> i64 {
    text.find(part).map_or(-1, |at| whole(text[..at].chars().count()))
}

fn sub_string(text: &str, start: i64, len: i64) -> Result<String, Failure> {
    let (Ok(start), Ok(len)) = (usize::try_from(start), usize::try_from(len)) else {
        return Err("sub_string takes a start and a length of at least 0".into());
    };
    Ok(text.chars().skip(start).take(len).collect())
}

fn parts<'a>(parts: impl Iterator<Item = &'a str>) -> Result<Array, Failure> {
    let parts: Array =
        parts.take(value_limits::MAX_ARRAY_SIZE + 1).map(|part| part.to_owned().into()).collect();
    step_limit::charge(parts.len());
    if parts.len() > value_limits::MAX_ARRAY_SIZE {
        return Err("the text has too many parts".into());
    }
    Ok(parts)
}

fn replace(text: &str, part: &str, by: &str) -> Result<String, Failure> {
    if part.is_empty() {
        return Err("replace takes a part that is not empty".into());
    }
    step_limit::charge(text.len());
    let mut replaced = String::new();
    for (n, piece) in text.split(part).enumerate() {
        if n > 0 {
            replaced.push_str(by);
        }
        replaced.push_str(piece);
        if replaced.len() > value_limits::MAX_STRING_BYTES {
            return Err("the replaced text is too long".into());
        }
    }
    Ok(replaced)
}
