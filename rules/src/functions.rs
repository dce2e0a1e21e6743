//! The functions scripts have: for lists, texts, numbers and dates, in place of loops.
//!
//! All of them are here: of rhai's own packages none is loaded, because they hold many that answer where they should
//! fail. Receivers come by value: of a `&mut` one rhai would try to write the value back, at twice the cost. Work over a
//! list or a text counts as steps of the rule. No error tells a value: it may be masked.

mod callbacks;
mod dates;
mod lists;
mod membership;
mod numbers;
mod records;
mod texts;

use rhai::Engine;

pub(crate) use texts::take_fault;

/// Gives scripts the functions.
pub(crate) fn register(engine: &mut Engine) {
    lists::register(engine);
    callbacks::register(engine);
    membership::register(engine);
    records::register(engine);
    numbers::register(engine);
    texts::register(engine);
    dates::register(engine);
}

/// A length as scripts count.
fn whole(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
