//! The identity provider: its keys, the checks of the tokens that it signed, and whom such a token names.
//!
//! Nothing here decides in doubt: without keys nobody is let in, and keys that were fetched once stay in use while the
//! provider is silent.

mod fetch;
mod flow;
mod keys;
mod person;
pub mod provider;
mod signature;
mod token;

pub use fetch::NoAnswer;
pub use flow::Attempt;
pub use person::Person;
pub use provider::{Denied, Provider};
pub use token::Purpose;
