//! The Lambda function between the workflow's queue and the table: it stores each SQS message as a task.
//!
//! The modules are in the order in which a message passes them.

pub mod config;
pub mod handler;

pub mod error;
pub mod hints;
pub mod metrics;
pub mod store;
pub mod trace;
