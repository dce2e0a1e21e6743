//! The approval rules: a folder of rhai scripts and a task in, a decision out.
//!
//! Pure: no clock, no randomness, no I/O but reading a ruleset folder. Modules in the order a task meets them.

pub mod diagnostic;

mod aliases;
mod dates;
mod document;
mod json;
mod kind;
mod number;
mod pattern;
mod shared_text;
mod short_text;
mod stored;
mod strangers;
mod suggest;
mod texts;

mod comments;
mod facts;
mod files;
mod folder;
mod header;
mod limits;
mod lists;
mod literals;
mod reading;
mod schema;
mod schema_file;
mod schema_limits;
pub mod settings;

mod arithmetic;
mod compare;
mod compiled;
mod ending;
mod engine;
mod exact;
mod functions;
mod names;
mod step_limit;
mod value_limits;

mod always;
mod calls;
mod compile;
mod flow;
mod lint;
mod masked;
mod parse_error;
mod rule;
pub mod ruleset;
mod scripts;
mod typing;

mod condition;
mod evaluate;
pub mod evaluation;
mod four_eyes;
mod script;
mod task_facts;
pub mod verdict;
mod words;

mod advice;
pub mod agreement;
pub mod backtest;
pub mod cases;
pub mod check;
pub mod codes;
pub mod definitions;
pub mod explain;
mod hollow;
pub mod lock;
pub mod parts;

pub use diagnostic::{Diagnostic, Refused, Severity};
pub use evaluate::Measured;
pub use evaluation::{Ended, Evaluation, FactRead, RuleVerdict};
pub use files::Files;
pub use folder::{content_hash, snapshot};
pub use four_eyes::{FourEyes, same_person};
pub use ruleset::{Ruleset, TaskFacts};
pub use shared_text::SharedText;
pub use short_text::ShortText;
pub use verdict::{Cause, Outcome, Verdict};
