//! What can be checked without starting anything: the template, the sample orders, the binaries.
#![expect(clippy::unwrap_used, reason = "a panic in a test's helper is a failed test")]

mod glibc;
mod orders;
mod template;
mod yaml;
