//! Tails the task table's stream, decides each task and tells the workflow.
//!
//! Modules in the order a task meets them.

pub mod aws;
pub mod behind;
pub mod budget;
pub mod clock;
pub mod config;
pub mod guard;
mod item;
pub mod metrics;
mod retry;
pub mod telemetry;
mod trouble;

pub mod active_rules;
pub mod callback;
pub mod control;
pub mod control_table;
pub mod executions;
pub mod rule_store;
pub mod spend;
pub mod task_list;
pub mod task_table;

pub mod decision;
pub mod task;

mod approval;
mod attempts;
mod delivery;
pub mod expiry;
pub mod person;
pub mod pipeline;
mod poison;

pub mod closed_executions;
pub mod stream;
pub mod sweeper;

pub mod member;

pub mod api;
pub mod archive;
pub mod cli;
pub mod run;
