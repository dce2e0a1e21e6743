//! The state machine as deployed, and the values that the deployment fills in.

/// The definition with its placeholders: `statemachine/workflow.asl.json`. It is valid JSON only after [`definition`]
/// or CloudFormation's `DefinitionSubstitutions` has filled them in.
pub const TEMPLATE: &str = include_str!("../workflow.asl.json");

/// Placeholder for the queue's URL, inside quotes.
pub const QUEUE_URL: &str = "QueueUrl";
/// Placeholder for the state's timeout, without quotes, since it is a number.
pub const TIMEOUT_SECONDS: &str = "TimeoutSeconds";

/// Returns the definition for a queue and a timeout, as `DefinitionSubstitutions` would fill it in.
pub fn definition(queue_url: &str, timeout_seconds: u64) -> String {
    TEMPLATE
        .replace(&format!("${{{QUEUE_URL}}}"), queue_url)
        .replace(&format!("${{{TIMEOUT_SECONDS}}}"), &timeout_seconds.to_string())
}
