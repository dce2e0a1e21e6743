//! Tests that the workflow's definition and the types agree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use statemachine::failure::Failure;
use statemachine::message::{Invalid, Message};
use statemachine::workflow;

/// The definition that this system started with; its executions must continue to work.
const ORIGINAL: &str = include_str!("data/seed-state-machine.json");

fn deployed() -> Value {
    serde_json::from_str(&workflow::definition("https://queue", 120)).unwrap()
}

fn states(definition: &Value) -> BTreeMap<String, Value> {
    serde_json::from_value(definition["States"].clone()).unwrap()
}

/// Builds a message as the definition's state does, with a value for each field.
fn message(definition: &Value) -> BTreeMap<String, Value> {
    let body = definition["States"]["SendMessageToSQS"]["Parameters"]["MessageBody"].as_object().unwrap();
    let filled = body.iter().map(|(name, value)| match name.strip_suffix(".$") {
        Some("order") => ("order".to_owned(), json!({"amount": 1})),
        Some("transactionId") => {
            ("transactionId".to_owned(), json!("arn:aws:states:us-east-1:123456789012:execution:shop:e"))
        }
        Some("taskToken") => ("taskToken".to_owned(), json!("AAAAKgAAAAIAAAAAexample")),
        Some(name) => (name.to_owned(), json!(format!("value of {name}"))),
        None => (name.clone(), value.clone()),
    });
    filled.collect()
}

fn parse(message: &BTreeMap<String, Value>) -> Result<Message, Invalid> {
    Message::parse(&serde_json::to_string(message).unwrap())
}

#[test]
fn the_definition_is_json_once_its_two_values_are_filled_in() {
    let definition = deployed();
    let state = &definition["States"]["SendMessageToSQS"];
    assert_eq!(state["Parameters"]["QueueUrl"], "https://queue");
    assert_eq!(state["TimeoutSeconds"], 120);
    assert_eq!(state["Parameters"]["MessageBody"]["timeoutSeconds"], 120);
    assert!(!definition.to_string().contains("${"), "a placeholder was not filled in");
}

#[test]
fn every_field_of_the_message_is_one_the_parser_reads() {
    let message = message(&deployed());
    let parsed = parse(&message).unwrap();
    assert!(parsed.unknown_fields.is_empty(), "{:?}", parsed.unknown_fields);
    assert_eq!(parsed.order.as_deref(), Some(r#"{"amount":1}"#));
    assert_eq!(parsed.timeout_seconds, Some(120));
    let fields: BTreeSet<&str> = message.keys().map(String::as_str).collect();
    let expected = ["order", "orderId", "startTime", "taskToken", "timeoutSeconds", "transactionId"];
    assert_eq!(fields, BTreeSet::from(expected));
}

#[test]
fn the_original_definition_sends_a_message_the_parser_accepts() {
    let message = message(&serde_json::from_str(ORIGINAL).unwrap());
    let parsed = parse(&message).unwrap();
    assert_eq!((parsed.order, parsed.timeout_seconds), (None, None));
    assert!(parsed.unknown_fields.is_empty());
    // Each of its fields is required.
    for field in message.keys() {
        let mut without = message.clone();
        without.remove(field);
        let Err(Invalid::Missing(missing)) = parse(&without) else { panic!("{field} is not required") };
        assert_eq!(missing, field);
    }
}

#[test]
fn the_original_states_and_their_flow_are_kept() {
    let original: Value = serde_json::from_str(ORIGINAL).unwrap();
    let deployed = deployed();
    assert_eq!(deployed["StartAt"], original["StartAt"]);
    let kept = states(&deployed);
    for (name, state) in states(&original) {
        for key in ["Type", "Next", "End", "Resource"] {
            assert_eq!(kept[&name][key], state[key], "{name}.{key}");
        }
        if name != "SendMessageToSQS" {
            assert_eq!(kept[&name], state, "{name}");
        }
    }
}

#[test]
fn every_failure_name_is_caught_and_every_caught_name_is_a_failure() {
    let definition = deployed();
    let catchers = definition["States"]["SendMessageToSQS"]["Catch"].as_array().unwrap().clone();
    let caught: Vec<Value> =
        catchers.iter().flat_map(|catcher| catcher["ErrorEquals"].as_array().unwrap().clone()).collect();
    let names = Failure::ALL.map(|failure| Value::from(failure.name()));
    assert_eq!(caught, names);

    // Each handler ends the execution with the name that the enum states.
    for (failure, catcher) in Failure::ALL.into_iter().zip(&catchers) {
        let end = &definition["States"][catcher["Next"].as_str().unwrap()];
        assert_eq!(end["Type"], "Fail");
        match end.get("Error") {
            Some(error) => assert_eq!(error, failure.execution_error()),
            None => {
                // The name of the caught error is passed on.
                assert_eq!((&end["ErrorPath"], &end["CausePath"]), (&json!("$.Error"), &json!("$.Cause")));
                assert_eq!(failure.name(), failure.execution_error());
            }
        }
    }
}

#[test]
fn every_next_state_exists() {
    let definition = deployed();
    let states = states(&definition);
    let mut next = vec![definition["StartAt"].clone()];
    for state in states.values() {
        next.extend(state.get("Next").cloned());
        let catchers = state.get("Catch").and_then(Value::as_array).into_iter().flatten();
        next.extend(catchers.map(|catcher| catcher["Next"].clone()));
    }
    let named: BTreeSet<&str> = next.iter().map(|name| name.as_str().unwrap()).collect();
    let existing: BTreeSet<&str> = states.keys().map(String::as_str).collect();
    assert_eq!(named, existing, "a state that no other state enters, or a name without a state");
}
