//! The states to paste, from the contract's README: each is run on the emulator as it stands there.

use aws_sdk_sfn::types::ExecutionStatus;
use ops::world::{World, eventually};
use serde_json::{Value, json};

use crate::journey::{SOON, patient};

const README: &str = include_str!("../../../statemachine/README.md");

/// The JSON block that follows a heading, with the queue of this world.
fn example(heading: &str, world: &World) -> Value {
    let (_, section) = README.split_once(&format!("# {heading}\n")).unwrap();
    let block = section.split_once("```json\n").unwrap().1.split_once("```").unwrap().0;
    let block = block.replace("QUEUE-URL", &world.stack.task_queue_url);
    serde_json::from_str(&format!("{{{block}}}")).unwrap()
}

/// A state machine that starts with a pasted state.
fn machine(states: Value, query_language: &str) -> Value {
    let start = states.as_object().unwrap().keys().next().unwrap().clone();
    let mut machine = json!({"QueryLanguage": query_language, "StartAt": start, "States": states});
    for (name, state) in [
        ("Approved", json!({"Type": "Pass", "End": true})),
        ("AfterAll", json!({"Type": "Pass", "End": true})),
        ("Rejected", json!({"Type": "Fail", "Error": "Rejected"})),
        ("TimedOut", json!({"Type": "Fail", "Error": "TimedOut"})),
    ] {
        machine["States"][name] = state;
    }
    machine
}

/// Runs a state machine whose every order is stored as it must be and then approved; the execution's output.
async fn approved(world: &World, name: &str, definition: &Value, input: &Value, orders: &[Value]) -> Value {
    let machine = world.create_state_machine(name, &definition.to_string()).await.unwrap();
    let execution = world.start_execution_of(&machine, input).await.unwrap();
    for order in orders {
        let order_id = order["orderId"].as_str().unwrap();
        let what = format!("{name}: order {order_id} is stored");
        let task = eventually(SOON * 2, &what, async || world.task_of(order_id).await).await.unwrap();
        let stored: Value = serde_json::from_str(task.order_text().as_deref().unwrap()).unwrap();
        assert_eq!(stored, *order, "{name}");
        assert!(task.deadline.is_some(), "{name}");
        let answer = json!({"outcome": "approved", "orderId": order_id}).to_string();
        let sent =
            world.clients.sfn.send_task_success().task_token(task.token.expose()).output(answer).send();
        sent.await.unwrap();
    }
    let what = format!("{name}: the execution goes on");
    let ended = eventually(SOON, &what, async || {
        let execution = world.execution(&execution).await?;
        assert_ne!(execution.status, ExecutionStatus::Failed, "{name}: {:?}", execution.cause);
        Ok((execution.status == ExecutionStatus::Succeeded).then_some(execution.output))
    });
    serde_json::from_str(&ended.await.unwrap().unwrap()).unwrap()
}

fn order(name: &str) -> Value {
    json!({"orderId": name, "amount": 12})
}

#[tokio::test]
async fn the_states_to_paste_wait_for_their_answers() {
    let world = World::start(patient()).await.unwrap();
    let state = |heading: &str| example(heading, &world);
    let answer = |name: &str| json!({"outcome": "approved", "orderId": name});

    for (name, heading, query_language) in [
        ("path", "The state to paste", "JSONPath"),
        ("jsonata", "In JSONata", "JSONata"),
        ("mixed", "In JSONata", "JSONPath"),
    ] {
        let definition = machine(state(heading), query_language);
        let output = approved(&world, name, &definition, &order(name), &[order(name)]).await;
        assert_eq!(output, answer(name), "{name}");
    }

    let mut kept = state("The state to paste");
    kept["WaitForApproval"]["ResultPath"] = "$.approval".into();
    let mut merged = state("In JSONata");
    merged["WaitForApproval"]["Output"] = state("Keeping the input")["Output"].clone();
    for (name, states, query_language) in [("kept", kept, "JSONPath"), ("merged", merged, "JSONata")] {
        let definition = machine(states, query_language);
        let output = approved(&world, name, &definition, &order(name), &[order(name)]).await;
        assert_eq!(output, json!({"orderId": name, "amount": 12, "approval": answer(name)}), "{name}");
    }
    world.assert_no_token_leaked().await.unwrap();
}

#[tokio::test]
async fn in_a_map_each_item_is_an_order() {
    let world = World::start(patient()).await.unwrap();
    let inline = example("In a Map", &world);
    let mut distributed = inline.clone();
    distributed["EachOrder"]["ItemProcessor"]["ProcessorConfig"] =
        json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"});
    let mut jsonata = example("In JSONata", &world)["WaitForApproval"].clone();
    jsonata["Arguments"]["MessageBody"]["order"] = "{% $states.input %}".into();
    let mut mixed = inline.clone();
    mixed["EachOrder"]["ItemProcessor"]["States"]["WaitForApproval"] = jsonata;

    for (name, states) in [("inline", inline), ("distributed", distributed), ("mixed", mixed)] {
        let orders = [order(&format!("{name}-1")), order(&format!("{name}-2"))];
        let input = json!({"shop": "s", "orders": orders});
        let output = approved(&world, name, &machine(states, "JSONPath"), &input, &orders).await;
        let answers =
            orders.each_ref().map(|order| json!({"outcome": "approved", "orderId": order["orderId"]}));
        assert_eq!(output, json!(answers), "{name}");
    }
    world.assert_no_token_leaked().await.unwrap();
}
