//! One worker among others.

pub mod coordinator;
mod heart;
pub mod member;
pub mod parts;
