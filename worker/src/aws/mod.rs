//! One call of AWS, and what its failure means for other calls.

pub mod budget;
pub mod clients;
pub(crate) mod retry;
