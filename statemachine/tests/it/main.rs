//! Tests the contract against the files that others read: the definition, the original definition, the README.
#![expect(clippy::unwrap_used, reason = "a panic in a test's helper is a failed test")]

mod contract;
mod readme;
