//! Tails the task table's stream, decides each task and tells the workflow.
//!
//! Modules in the order in which they may import, each only from those above it: README.md's architecture section says
//! what each is for, and a test holds the order.

#[macro_use]
mod named;

pub mod clock;
pub mod config;
pub mod telemetry;

pub mod aws;

pub mod tasks;

pub mod stepfunctions;

pub mod metrics;

pub mod control;

pub mod lease;

pub mod steps;

pub mod closed_executions;
pub mod stream;
pub mod sweeper;

pub mod fleet;

pub mod api;

pub mod run;

pub mod cli;
