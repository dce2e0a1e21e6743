//! Reads the stream of the tasks table, decides each task and calls the workflow back.
//!
//! The modules are in dependency order: each may import only from those above it. The architecture section of README.md
//! says what each one is for, and a test checks the order.

#[macro_use]
mod named;

pub mod clock;
pub mod config;
mod in_time;
mod plain_text;
pub mod role;
pub mod service_manager;
mod shapes;
pub mod telemetry;

pub mod aws;

pub mod oidc;

pub mod tasks;

pub mod stepfunctions;

pub mod metrics;

pub mod traces;

pub mod control;

pub mod lease;

pub mod notices;

pub mod steps;

pub mod closed_executions;
pub mod dead_letters;
pub mod hints;
pub mod queues;
pub mod stream;
pub mod sweeper;

pub mod fleet;

pub mod api;

pub mod console;

pub mod run;

pub mod cli;
