//! SQS messages in, stored tasks out: the Lambda between the workflow's queue and the table.
//!
//! Modules in the order a message meets them.

pub mod config;
pub mod handler;

pub mod error;
pub mod store;
pub mod trace;
