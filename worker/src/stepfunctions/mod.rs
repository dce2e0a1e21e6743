//! The workflow's side: callbacks, and questions about executions.

pub mod callback;
pub mod executions;
