//! How large a value may grow in a rule.

/// The longest text, in bytes; without a limit, 28 doublings take 268 MB.
pub(crate) const MAX_STRING_BYTES: usize = 8 * 1024;
/// The longest array. rhai counts nested arrays in full at each change, so longer ones would take quadratic time.
pub(crate) const MAX_ARRAY_SIZE: usize = 500;
