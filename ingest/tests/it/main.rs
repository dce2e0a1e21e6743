//! Tests batches of the Lambda function through its public interface and the SDK's own HTTP connector.
#![expect(clippy::unwrap_used, reason = "a panic in a test's helper is a failed test")]

mod batch;
mod dynamodb;
