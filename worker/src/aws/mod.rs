//! One call of AWS, and what its failure means for other calls.

pub(crate) mod attribute;
pub mod clients;
pub(crate) mod date;
pub mod eventbridge;
pub mod fault;
mod host;
pub(crate) mod json_service;
pub mod rate_limit;
pub(crate) mod retry;
pub mod settings;
