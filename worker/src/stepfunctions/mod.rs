//! Calls to Step Functions: callbacks, and checks of executions.

pub mod callback;
pub mod executions;
pub mod timeline;
