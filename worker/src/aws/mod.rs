//! One call of AWS, and what its failure means for other calls.

pub(crate) mod attribute;
pub mod clients;
pub mod fault;
pub mod rate_limit;
pub(crate) mod retry;
