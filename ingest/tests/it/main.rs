//! The Lambda's batches, through its public door and the SDK's own HTTP connector.
#![expect(clippy::unwrap_used, reason = "a panic in a test's helper is a failed test")]

mod batch;
mod dynamodb;
