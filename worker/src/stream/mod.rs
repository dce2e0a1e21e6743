//! Reads the records of the table's stream: each at least once, each shard by one holder, parents before children.

mod service;

pub mod limits;
pub mod reader;
pub mod tail;

pub mod discoverer;
pub mod discovery;

#[cfg(test)]
pub(crate) mod tests;
