//! The README's examples are the contract, not a memory of it.

use serde_json::Value;
use statemachine::decision::{DecidedBy, Draft, Outcome, Payload};
use statemachine::failure::Failure;
use statemachine::message::Message;
use statemachine::token::TaskToken;
use statemachine::workflow;

const README: &str = include_str!("../../README.md");

/// The JSON block that follows a heading.
fn example(heading: &str) -> &'static str {
    let (_, section) =
        README.split_once(&format!("# {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    let (_, block) = section.split_once("```json\n").unwrap();
    block.split_once("```").unwrap().0
}

#[test]
fn the_message_example_is_a_message() {
    let message = Message::parse(example("The message")).unwrap();
    assert!(message.unknown_fields.is_empty());
    assert!(message.order.is_some() && message.timeout_seconds.is_some());
}

#[test]
fn the_success_example_is_what_a_decision_sends() {
    let example = example("Approved");
    let payload: Payload = serde_json::from_str(example).unwrap();
    let draft = Draft {
        id: payload.decision_id,
        outcome: Outcome::Approved,
        code: payload.code,
        reason: payload.reason,
        rule: payload.rule,
        ruleset: payload.ruleset,
        decided_by: DecidedBy::Rule,
        decided_at: payload.decided_at,
    };
    let token = TaskToken::new("an example's token").unwrap();
    let sent: Value = serde_json::from_str(&draft.seal(&payload.order_id, &token).payload).unwrap();
    let shown: Value = serde_json::from_str(example).unwrap();
    assert_eq!(sent, shown);
}

#[test]
fn the_failure_example_is_what_a_rejection_sends() {
    let failure: Value = serde_json::from_str(example("Rejected")).unwrap();
    assert_eq!(failure["Error"], Failure::Rejected.name());
    let cause: Payload = serde_json::from_str(failure["Cause"].as_str().unwrap()).unwrap();
    assert_eq!(cause.outcome, Outcome::Rejected);
    assert_eq!(cause.decided_by, DecidedBy::Person("ada".to_owned()));
}

#[test]
fn the_state_to_paste_is_the_deployed_one() {
    let definition: Value = serde_json::from_str(&workflow::definition("QUEUE-URL", 86_400)).unwrap();
    let pasted: Value = serde_json::from_str(&format!("{{{}}}", example("The state to paste"))).unwrap();
    let mut expected = definition["States"]["SendMessageToSQS"].clone();
    // What follows is the reader's; the start time is the state's own, without the states before it.
    expected["Next"] = "Approved".into();
    for catcher in expected["Catch"].as_array_mut().unwrap() {
        catcher["Next"] = catcher["Next"].as_str().unwrap().strip_prefix("Approval").unwrap().into();
    }
    let body = expected["Parameters"]["MessageBody"].as_object_mut().unwrap();
    body["startTime.$"] = "$$.State.EnteredTime".into();
    assert_eq!(pasted["WaitForApproval"], expected);
}

/// A path of JSONPath as an expression of JSONata.
fn expression(path: &str) -> String {
    let variable = match path.strip_prefix("$$.") {
        Some(context) => format!("$states.context.{context}"),
        None => path.replacen('$', "$states.input", 1),
    };
    format!("{{% {variable} %}}")
}

fn state(heading: &str) -> Value {
    serde_json::from_str(&format!("{{{}}}", example(heading))).unwrap()
}

#[test]
fn the_state_in_jsonata_is_the_same_state() {
    let mut expected = state("The state to paste")["WaitForApproval"].clone();
    let mut arguments = expected.as_object_mut().unwrap().remove("Parameters").unwrap();
    let body = arguments["MessageBody"].as_object_mut().unwrap();
    for name in body.keys().cloned().collect::<Vec<_>>() {
        if let Some(plain) = name.strip_suffix(".$") {
            let path = body.remove(&name).unwrap();
            body.insert(plain.to_owned(), expression(path.as_str().unwrap()).into());
        }
    }
    expected["Arguments"] = arguments;
    expected["QueryLanguage"] = "JSONata".into();
    assert_eq!(state("In JSONata")["WaitForApproval"], expected);
}

#[test]
fn the_state_in_a_map_is_the_same_but_for_its_order() {
    let mut expected = state("The state to paste")["WaitForApproval"].clone();
    expected["Parameters"]["MessageBody"]["order.$"] = "$".into();
    let map = state("In a Map");
    assert_eq!(map["EachOrder"]["ItemProcessor"]["States"]["WaitForApproval"], expected);
}

#[test]
fn every_failure_name_is_explained() {
    for failure in Failure::ALL {
        assert!(README.contains(&format!("`{}`", failure.name())), "{failure:?}");
        assert!(README.contains(&format!("`{}`", failure.execution_error())), "{failure:?}");
    }
}
