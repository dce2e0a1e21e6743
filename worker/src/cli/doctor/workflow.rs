//! A state machine that sends tasks: what its definition says about the states that wait for an answer.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::StateMachineType;
use serde_json::Value;

use super::{Finding, unseen};
use crate::aws::fault::{Fault, Resource};

const ON: &str = "state machine";
const PASTE: &str = "paste the state of statemachine/README.md";
const WAITING: &str = "sqs:sendMessage.waitForTaskToken";
const FIELDS: [&str; 4] = ["transactionId", "startTime", "orderId", "taskToken"];

pub(super) async fn check(client: &Client, arn: &str, queue: Option<&str>) -> Vec<Finding> {
    let answer = match client.describe_state_machine().state_machine_arn(arn).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let fault = Fault::of("DescribeStateMachine", Resource::Execution(arn.to_owned()), &error);
            if fault.is_denied() {
                return vec![unseen(ON, &fault)];
            }
            let remedy = "check the ARN, and grant states:DescribeStateMachine";
            return vec![Finding::broken(
                ON,
                format!("DescribeStateMachine on {arn}: {}", fault.code),
                remedy,
            )];
        }
    };
    let name = answer.name();
    if *answer.r#type() == StateMachineType::Express {
        let what = format!("{name} is an Express workflow, which cannot wait for an answer");
        return vec![Finding::broken(ON, what, "make it a Standard workflow")];
    }
    match serde_json::from_str(answer.definition()) {
        Ok(definition) => examine(name, &definition, queue),
        Err(error) => vec![Finding::broken(ON, format!("the definition of {name} is not JSON: {error}"), "")],
    }
}

fn examine(name: &str, definition: &Value, queue: Option<&str>) -> Vec<Finding> {
    let mut states = vec![];
    collect(definition, &mut states);
    let waiting = states
        .into_iter()
        .filter(|(_, state)| state["Resource"].as_str().is_some_and(|resource| resource.ends_with(WAITING)));
    let mut findings = vec![];
    let mut count = 0;
    for (state_name, state) in waiting {
        count += 1;
        let place = format!("{name}, state {state_name}");
        let found = faults(&place, state, queue);
        if found.is_empty() {
            findings.push(Finding::ok(
                ON,
                format!("{place}: waits for an answer, with a timeout and its catchers"),
            ));
        }
        findings.extend(found);
    }
    if count == 0 {
        findings.push(Finding::broken(
            ON,
            format!("{name} has no state that waits for an answer ({WAITING})"),
            PASTE,
        ));
    }
    findings
}

/// Every state with its name, those inside `Parallel` and `Map` too.
fn collect<'a>(value: &'a Value, states: &mut Vec<(&'a str, &'a Value)>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Object(inner)) = map.get("States") {
                states.extend(inner.iter().map(|(name, state)| (name.as_str(), state)));
            }
            map.values().for_each(|value| collect(value, states));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, states)),
        _ => {}
    }
}

fn faults(place: &str, state: &Value, queue: Option<&str>) -> Vec<Finding> {
    let mut findings = vec![];
    let mut broken =
        |what: &str, remedy: &str| findings.push(Finding::broken(ON, format!("{place}: {what}"), remedy));
    let arguments = if state["Arguments"].is_null() { &state["Parameters"] } else { &state["Arguments"] };
    let body = &arguments["MessageBody"];
    // In JSONPath a computed field has the suffix `.$`; in JSONata its value is an expression.
    let field = |name: &str| body.get(format!("{name}.$")).or_else(|| body.get(name));
    for name in FIELDS {
        if field(name).is_none() {
            broken(&format!("the message has no {name}"), PASTE);
        }
    }
    let is_token =
        |text: &str| matches!(text, "$$.Task.Token") || text.contains("$states.context.Task.Token");
    match (body.get("taskToken.$"), body.get("taskToken")) {
        (Some(path), _) if path.as_str().is_some_and(is_token) => {}
        (None, Some(text)) if text.as_str().is_some_and(|text| text.starts_with("{%") && is_token(text)) => {}
        (None, Some(_)) => broken(
            "taskToken is a fixed text, the same for every execution",
            "write \"taskToken.$\": \"$$.Task.Token\"",
        ),
        (Some(_), _) => {
            broken("taskToken is not the state's token", "write \"taskToken.$\": \"$$.Task.Token\"")
        }
        (None, None) => {}
    }
    let url = arguments["QueueUrl"].as_str().filter(|url| !url.starts_with("{%"));
    if let (Some(url), Some(queue)) = (url, queue)
        && url != queue
    {
        broken(
            &format!("it sends to {url}, and the task queue is {queue}"),
            "correct QueueUrl or queues.tasks",
        );
    }
    if ["TimeoutSeconds", "TimeoutSecondsPath"].iter().all(|key| state[*key].is_null()) {
        broken("it has no TimeoutSeconds: an execution may wait for a year", "add TimeoutSeconds");
    }
    let sent = body.get("timeoutSeconds").and_then(Value::as_u64);
    let waits = state["TimeoutSeconds"].as_u64();
    if let (Some(sent), Some(waits)) = (sent, waits)
        && sent != waits
    {
        let what = format!("{place}: the message says {sent} s, and the state waits for {waits} s");
        findings.push(Finding::warning(ON, what, "use one value, or people see a wrong deadline"));
    }
    let catches = |error: &str| {
        let catchers = state["Catch"].as_array().into_iter().flatten();
        let errors = catchers.flat_map(|catcher| catcher["ErrorEquals"].as_array().into_iter().flatten());
        errors.filter_map(Value::as_str).any(|equals| equals == error || equals == "States.ALL")
    };
    for error in ["Approval.Rejected", "States.Timeout"] {
        if !catches(error) {
            let what = format!("{place}: no Catch for {error}: the execution fails there");
            findings.push(Finding::warning(ON, what, PASTE));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use serde_json::json;
    use statemachine::workflow;

    fn sample() -> Value {
        let text = workflow::TEMPLATE.replace("${QueueUrl}", "https://q").replace("${TimeoutSeconds}", "60");
        serde_json::from_str(&text).unwrap()
    }

    fn told(definition: &Value) -> Vec<(Grade, String)> {
        let findings = examine("shop", definition, Some("https://q"));
        findings
            .into_iter()
            .map(|finding| (finding.grade, format!("{}: {}", finding.what, finding.remedy)))
            .collect()
    }

    #[test]
    fn the_sample_is_well() {
        let told = told(&sample());
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].0, Grade::Ok, "{told:?}");
    }

    #[test]
    fn a_state_inside_a_map_is_seen() {
        let map = json!({"StartAt": "Each", "States": {"Each": {"Type": "Map", "ItemProcessor": sample()}}});
        assert_eq!(told(&map), told(&sample()));
    }

    #[test]
    fn each_mistake_is_told_by_name() {
        for (pointer, value, grade, text) in [
            ("/Resource", json!("arn:aws:states:::sqs:sendMessage"), Grade::Broken, "no state that waits"),
            ("/Parameters/MessageBody/taskToken.$", json!("$.token"), Grade::Broken, "not the state's token"),
            ("/Parameters/MessageBody", json!({"taskToken": "$$.Task.Token"}), Grade::Broken, "a fixed text"),
            ("/Parameters/MessageBody", json!({}), Grade::Broken, "no orderId"),
            ("/Parameters/QueueUrl", json!("https://other"), Grade::Broken, "it sends to https://other"),
            ("/TimeoutSeconds", Value::Null, Grade::Broken, "no TimeoutSeconds"),
            (
                "/TimeoutSeconds",
                json!(61),
                Grade::Warning,
                "the message says 60 s, and the state waits for 61 s",
            ),
            ("/Catch", json!([]), Grade::Warning, "no Catch for Approval.Rejected"),
        ] {
            let mut definition = sample();
            let state = definition.pointer_mut("/States/SendMessageToSQS").unwrap();
            *state.pointer_mut(pointer).unwrap() = value;
            let told = told(&definition);
            assert!(told.iter().any(|(at, what)| *at == grade && what.contains(text)), "{pointer}: {told:?}");
        }
    }

    #[test]
    fn the_state_in_jsonata_is_well() {
        let state = json!({
            "Type": "Task", "QueryLanguage": "JSONata", "TimeoutSeconds": 60,
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Arguments": {"QueueUrl": "https://q", "MessageBody": {
                "transactionId": "{% $states.context.Execution.Id %}", "orderId": "{% $states.input.orderId %}",
                "taskToken": "{% $states.context.Task.Token %}", "startTime": "{% $states.context.State.EnteredTime %}"}},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "No"}],
        });
        let told = told(&json!({"States": {"Wait": state}}));
        assert_eq!((told.len(), told[0].0), (1, Grade::Ok), "{told:?}");
    }
}
