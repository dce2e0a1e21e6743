#![doc = include_str!("../README.md")]

pub mod workflow;

pub mod message;
pub mod token;

pub mod compact;
pub mod format;
pub mod item;
pub mod status;
pub mod worklist;

pub mod decision;
pub mod failure;
pub mod task;
