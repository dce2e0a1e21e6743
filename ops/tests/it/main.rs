//! What can be checked without the whole system: the template, the alerts, the dashboard, the sample orders, the
//! binaries, and the model of AWS.
#![expect(clippy::unwrap_used, reason = "a panic in a test's helper is a failed test")]

mod alerts;
mod checkout;
mod conformance;
mod dashboard;
mod deployment;
mod emulator;
mod features;
mod glibc;
mod orders;
mod package;
mod policy;
mod template;
mod yaml;
