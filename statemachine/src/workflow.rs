//! The state machine, as deployed, and the values that deployment fills in.

/// The definition with its placeholders: `statemachine/workflow.asl.json`. It is JSON only after
/// [`definition`] or CloudFormation's `DefinitionSubstitutions` filled them in.
pub const TEMPLATE: &str = include_str!("../workflow.asl.json");

/// Placeholder of the queue's URL; stands inside quotes.
pub const QUEUE_URL: &str = "QueueUrl";
/// Placeholder of the state's timeout; stands without quotes, since it is a number.
pub const TIMEOUT_SECONDS: &str = "TimeoutSeconds";

/// The definition for one queue and one timeout, as `DefinitionSubstitutions` would make it.
pub fn definition(queue_url: &str, timeout_seconds: u64) -> String {
    TEMPLATE
        .replace(&format!("${{{QUEUE_URL}}}"), queue_url)
        .replace(&format!("${{{TIMEOUT_SECONDS}}}"), &timeout_seconds.to_string())
}
