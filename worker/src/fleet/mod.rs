//! One worker among others.

pub mod coordinator;
mod heart;
pub mod long_lived;
pub mod member;
pub mod parts;
pub mod proof;
