//! How a rule ends: `approve`, `reject`, `escalate` and `pass`, which no script can hide or lose.
//!
//! Each returns rhai's `Exit` error, so that the rule ends at the call, wherever it is.

use rhai::{Dynamic, Engine, EvalAltResult, NativeCallContext, Position};

use crate::facts::Failure;
use crate::verdict::Outcome;

/// The longest code of a verdict, in characters: codes are names for metrics and tests.
const MAX_CODE_CHARS: usize = 64;
/// The functions that end a rule.
pub(crate) const NAMES: [&str; 4] = ["approve", "reject", "escalate", "pass"];

/// What a rule said, or that it passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending(pub(crate) Option<Said>);

/// What a rule said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) outcome: Outcome,
    pub(crate) code: String,
    pub(crate) text: String,
    /// The position of the call.
    pub(crate) position: Position,
}

/// Gives scripts the functions.
pub(crate) fn register(engine: &mut Engine) {
    engine.register_fn("pass", || exit(Ending(None)));
    engine.register_fn("approve", |context: NativeCallContext<'_>, code: &str| {
        say(&context, Outcome::Approve, code, "")
    });
    for outcome in Outcome::ALL {
        engine
            .register_fn(outcome.as_str(), move |context: NativeCallContext<'_>, code: &str, text: &str| {
                say(&context, outcome, code, text)
            });
    }
}

/// Tells whether a code is kebab-case and short.
pub(crate) fn is_code(code: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    code.len() <= MAX_CODE_CHARS && code.split('-').all(is_word)
}

/// The ending in an evaluation's error, if it is one. From inside a native callback it arrives wrapped.
pub(crate) fn of_error(error: EvalAltResult) -> Result<Ending, EvalAltResult> {
    match error {
        EvalAltResult::Exit(value, position) => {
            // Only what our own functions made counts: `exit` of anything else is an error like others.
            value.try_cast_result::<Ending>().map_err(|value| EvalAltResult::Exit(value, position))
        }
        EvalAltResult::ErrorInFunctionCall(name, source, inner, position) => of_error(*inner)
            .map_err(|inner| EvalAltResult::ErrorInFunctionCall(name, source, Box::new(inner), position)),
        other => Err(other),
    }
}

fn say(
    context: &NativeCallContext<'_>,
    outcome: Outcome,
    code: &str,
    text: &str,
) -> Result<Dynamic, Failure> {
    if !is_code(code) {
        return Err(format!("'{code}' is not a code: use lower-case words joined by '-'").into());
    }
    if text.is_empty() && outcome != Outcome::Approve {
        return Err(format!("{} needs a text that says why", outcome.as_str()).into());
    }
    let (code, text) = (code.to_owned(), text.to_owned());
    exit(Ending(Some(Said { outcome, code, text, position: context.call_position() })))
}

fn exit(ending: Ending) -> Result<Dynamic, Failure> {
    Err(EvalAltResult::Exit(Dynamic::from(ending), Position::NONE).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kebab_case() {
        for (code, valid) in [
            ("small-order", true),
            ("a1", true),
            ("", false),
            ("Small", false),
            ("a--b", false),
            ("a b", false),
        ] {
            assert_eq!(is_code(code), valid, "{code}");
        }
        assert!(!is_code(&"a".repeat(65)));
    }
}
