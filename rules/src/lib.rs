//! The approval rules: a folder of rhai scripts and a task in, a decision out.
//!
//! Pure: no clock, no randomness, no I/O but reading a ruleset folder. Modules in the order a task meets them.

pub mod diagnostic;
pub mod evaluation;
pub mod verdict;

mod files;
pub mod ruleset;

pub use diagnostic::{Diagnostic, Refused, Severity};
pub use evaluation::{Evaluation, FactRead, RuleVerdict};
pub use files::{Files, content_hash};
pub use ruleset::{Ruleset, TaskFacts};
pub use verdict::{Cause, Outcome, Verdict};
