//! The function that stores tasks: what reads the task queue, and with which settings.

use serde_json::Value;

use super::queues::Queue;
use super::{CALL_TIMEOUT, Finding, unseen};
use crate::aws::fault::{Fault, Resource};
use crate::aws::json_service::{JsonService, Names, Request};
use crate::cli::store::Opened;

const ON: &str = "ingest";
const LAMBDA: Names = Names { id: "Lambda", host: "lambda" };
const TEMPLATE: &str = "deploy ops/template.yaml, which sets it";
/// Lambda developer guide, "Using Lambda with Amazon SQS": the visibility timeout is at least six times the function's.
const VISIBILITY_RATIO: u64 = 6;

/// What reads the task queue.
pub(super) async fn check(opened: &Opened, queue: Option<&Queue>) -> Vec<Finding> {
    let Some(queue) = queue else { return vec![] };
    let lambda = JsonService::new(&opened.shared, LAMBDA, CALL_TIMEOUT);
    let path = format!("/2015-03-31/event-source-mappings/?EventSourceArn={}", encoded(&queue.arn));
    let list = get(&lambda, "lambda:ListEventSourceMappings", &queue.arn, path).await;
    let mappings = match list {
        Ok(answer) => answer["EventSourceMappings"].as_array().cloned().unwrap_or_default(),
        Err(fault) => return vec![unseen(ON, &fault)],
    };
    let mut findings = vec![];
    match mappings.len() {
        0 => findings.push(Finding::broken(
            ON,
            "no function reads the task queue: nothing is stored",
            TEMPLATE,
        )),
        1 => {}
        some => findings.push(Finding::warning(
            ON,
            format!("{some} functions read the task queue, and each gets a part of the messages"),
            "delete the mappings that are not this deployment's",
        )),
    }
    for mapping in &mappings {
        findings.extend(of_mapping(mapping));
        let name = mapping["FunctionArn"].as_str().unwrap_or_default();
        let path = format!("/2015-03-31/functions/{}/configuration", encoded(name));
        match get(&lambda, "lambda:GetFunctionConfiguration", name, path).await {
            Ok(function) => findings.extend(of_function(&function, queue, &opened.config)),
            Err(fault) => findings.push(unseen(ON, &fault)),
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(ON, "the function reads the task queue, message by message"));
    }
    findings
}

async fn get(lambda: &JsonService, action: &'static str, on: &str, path: String) -> Result<Value, Fault> {
    lambda.call(action, Resource::Function(on.to_owned()), Request::Get(path)).await
}

/// An ARN as part of a URL.
fn encoded(arn: &str) -> String {
    arn.replace(':', "%3A").replace('/', "%2F")
}

fn of_mapping(mapping: &Value) -> Vec<Finding> {
    let mut findings = vec![];
    let mut broken = |what: String, remedy| findings.push(Finding::broken(ON, what, remedy));
    let state = mapping["State"].as_str().unwrap_or_default();
    if !matches!(state, "Enabled" | "Enabling" | "Creating" | "Updating") {
        broken(format!("the mapping of the task queue is {state}: nothing is stored"), "enable it");
    }
    let types = mapping["FunctionResponseTypes"].as_array().into_iter().flatten();
    if !types.filter_map(Value::as_str).any(|kind| kind == "ReportBatchItemFailures") {
        broken(
            "one message that cannot be stored fails its whole batch: ReportBatchItemFailures is off"
                .to_owned(),
            TEMPLATE,
        );
    }
    let filters = mapping["FilterCriteria"]["Filters"].as_array().map_or(0, Vec::len);
    if filters > 0 {
        broken(
            "the mapping has a filter: SQS deletes each message that it does not match".to_owned(),
            "remove FilterCriteria",
        );
    }
    findings
}

fn of_function(function: &Value, queue: &Queue, config: &crate::config::Config) -> Vec<Finding> {
    let mut findings = vec![];
    let timeout = function["Timeout"].as_u64().unwrap_or_default();
    if queue.visibility_seconds < VISIBILITY_RATIO * timeout {
        let what = format!(
            "a message is visible again after {} s, less than {VISIBILITY_RATIO} times the function's timeout of {timeout} s",
            queue.visibility_seconds
        );
        findings.push(Finding::warning(
            ON,
            what,
            "raise QueueVisibilitySeconds, or lower IngestTimeoutSeconds",
        ));
    }
    if let Some(state @ ("Failed" | "Inactive")) = function["State"].as_str() {
        let reason = function["StateReason"].as_str().unwrap_or_default();
        findings.push(Finding::broken(ON, format!("the function is {state}: {reason}"), "deploy it again"));
    }
    let variable =
        |name: &str| function["Environment"]["Variables"][name].as_str().filter(|text| !text.is_empty());
    // A setting may name a table by its ARN.
    let named = config.tables.tasks.rsplit('/').next().unwrap_or_default();
    if let Some(table) = variable("TASKS_TABLE").and_then(|name| name.rsplit('/').next())
        && table != named
    {
        let what = format!("the function stores in the table {table}, and tables.tasks is {named}");
        findings.push(Finding::broken(ON, what, "correct tables.tasks, or the function's TASKS_TABLE"));
    }
    let (sends, read) = (variable("HINTS_QUEUE_URL"), config.queues.hints.as_deref());
    if sends != read {
        let what = match (sends, read) {
            (Some(sends), None) => {
                format!("the function sends hints to {sends}, and queues.hints is not set")
            }
            (None, _) => "queues.hints is set, and the function sends no hints".to_owned(),
            (Some(sends), Some(read)) => {
                format!("the function sends hints to {sends}, and queues.hints is {read}")
            }
        };
        findings.push(Finding::warning(
            ON,
            what,
            "tasks wait for the stream: deploy with WakeUp=true, or set both alike",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use crate::config::Config;
    use serde_json::json;

    fn told(findings: Vec<Finding>) -> Vec<(Grade, String)> {
        findings.into_iter().map(|finding| (finding.grade, finding.what)).collect()
    }

    #[test]
    fn a_mapping_that_loses_messages_is_broken() {
        let well = json!({"State": "Enabled", "FunctionResponseTypes": ["ReportBatchItemFailures"]});
        assert_eq!(told(of_mapping(&well)), []);
        for (key, value, text) in [
            ("State", json!("Disabled"), "is Disabled"),
            ("FunctionResponseTypes", json!([]), "ReportBatchItemFailures is off"),
            ("FilterCriteria", json!({"Filters": [{"Pattern": "{}"}]}), "a filter"),
        ] {
            let mut mapping = well.clone();
            mapping[key] = value;
            let told = told(of_mapping(&mapping));
            assert_eq!((told.len(), told[0].0), (1, Grade::Broken), "{told:?}");
            assert!(told[0].1.contains(text), "{told:?}");
        }
    }

    #[test]
    fn a_function_of_another_deployment_is_told() {
        let mut config = Config::load(None, &[]).expect("the defaults");
        let queue = Queue { visibility_seconds: 60, ..Queue::default() };
        let variables = |table: &str, hints: &str| {
            json!({"Timeout": 10, "State": "Active",
                   "Environment": {"Variables": {"TASKS_TABLE": table, "HINTS_QUEUE_URL": hints}}})
        };
        let table = config.tables.tasks.clone();
        assert_eq!(told(of_function(&variables(&table, ""), &queue, &config)), []);
        let other = told(of_function(&variables("others", ""), &queue, &config));
        assert_eq!((other.len(), other[0].0), (1, Grade::Broken), "{other:?}");
        let unread = told(of_function(&variables(&table, "https://sqs/h"), &queue, &config));
        assert_eq!((unread.len(), unread[0].0), (1, Grade::Warning), "{unread:?}");
        assert!(unread[0].1.contains("queues.hints is not set"), "{unread:?}");
        config.queues.hints = Some("https://sqs/h".to_owned());
        assert_eq!(told(of_function(&variables(&table, "https://sqs/h"), &queue, &config)), []);
        let silent = told(of_function(&variables(&table, ""), &queue, &config));
        assert!(silent.len() == 1 && silent[0].1.contains("sends no hints"), "{silent:?}");
        let hasty = Queue { visibility_seconds: 59, ..queue };
        let hasty = told(of_function(&variables(&table, "https://sqs/h"), &hasty, &config));
        assert!(hasty.len() == 1 && hasty[0].1.contains("6 times"), "{hasty:?}");
    }
}
