//! One worker among others.

pub mod coordinator;
pub mod member;
