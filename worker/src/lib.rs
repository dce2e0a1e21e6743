//! Tails the task table's stream, decides each task and tells the workflow.
//!
//! Modules in the order a task meets them.

pub mod aws;
pub mod clock;
pub mod config;
mod item;
pub mod metrics;
mod retry;
pub mod telemetry;

pub mod callback;
pub mod executions;
pub mod task_table;
