//! The contract between the workflow, the queue, the table and the worker.
//!
//! Values only: this crate knows serde, nothing of AWS, tokio or time. Modules in the order a task meets them.

pub mod workflow;

pub mod message;
pub mod token;

pub mod item;
pub mod status;
pub mod worklist;

pub mod decision;
pub mod failure;
pub mod task;
