//! From the table's stream to records: at least once, each shard by one holder, parents before children.

pub mod checkpoint;
pub mod fleet;
pub mod lease;
pub mod lineage;

pub mod lease_table;

mod service;

pub mod limits;
pub mod reader;
pub mod tail;

pub mod discoverer;
pub mod discovery;

pub mod coordinator;

#[cfg(test)]
pub(crate) mod tests;
