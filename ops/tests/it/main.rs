//! What can be checked without the whole system: the template, the sample orders, the binaries, and the model of AWS.
#![expect(clippy::unwrap_used, reason = "a panic in a test's helper is a failed test")]

mod checkout;
mod conformance;
mod deployment;
mod emulator;
mod glibc;
mod orders;
mod template;
mod yaml;
