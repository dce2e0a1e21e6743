//! The API against its own description: schemathesis makes requests of it, right and wrong ones, and holds each answer
//! against the document.

use std::fs;

use ops::orders::Story;
use ops::processes::{captured, command};
use ops::python;
use ops::world::World;
use serde_json::{Value, json};
use statemachine::status::Status;

use crate::journey::{in_world, orders_of, patient, quick, start, task_that};

/// How many requests are made up for each operation and each way of making them up. The same seed makes the same ones.
const EXAMPLES: &str = "12";
const SEED: &str = "20261127";
/// Its answer goes on for five minutes.
const ENDLESS: &str = "/v1/events";
/// What is not checked: some requests of the right form are refused, such as parameters that contradict each other; and
/// that no answer comes without a token is a test of its own, since failed attempts are counted.
const NOT_CHECKED: &str = "positive_data_acceptance,ignored_auth";

/// A token of somebody who may do everything.
async fn token(world: &World) -> String {
    let config = world.command_line_config().unwrap();
    let config = config.to_str().unwrap();
    let mut make = vec!["token", "create", "--name", "ada", "--config", config];
    for role in ["viewer", "reviewer", "author", "operator"] {
        make.extend(["--role", role]);
    }
    let made = world.countersign(&make).await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = String::from_utf8(made.stdout).unwrap();
    text.lines().next().unwrap().to_owned()
}

/// The document, with a real task as the example of each path that has one: else every one of them would be a 404.
fn with_example(mut document: Value, task: &str) -> Value {
    for item in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in item.as_object_mut().unwrap().values_mut() {
            let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten() {
                if parameter["name"] == "id" {
                    parameter["example"] = json!(task);
                }
            }
        }
    }
    document
}

#[tokio::test]
async fn every_answer_is_declared_and_none_is_a_server_error() {
    let python = tokio::task::spawn_blocking(python::schemathesis).await.unwrap().unwrap();
    in_world(patient(), async |world| {
        let mut options = quick();
        options.variables.push(("COUNTERSIGN_AUTH__MODE".to_owned(), "tokens".to_owned()));
        let worker = world.start_worker("worker", options).await.unwrap();
        let token = token(world).await;
        let orders = orders_of(Story::Middling, 2);
        start(world, &orders).await;
        let escalated = |task: &statemachine::task::Task| task.status == Status::Escalated;
        let task = task_that(world, &orders[0].id, "escalated", escalated).await;
        let document = world.countersign(&["openapi"]).await.unwrap().stdout;
        let document = with_example(serde_json::from_slice(&document).unwrap(), task.id.as_str());
        let file = world.dir().join("openapi.json");
        fs::write(&file, document.to_string()).unwrap();
        let (url, header) = (worker.url.clone(), format!("Authorization: Bearer {token}"));
        let mut schemathesis = command(python.with_file_name("schemathesis"));
        schemathesis
            .current_dir(world.dir())
            .arg("run")
            .arg(&file)
            .args(["--url", &url, "--header", &header])
            .args(["--checks", "all", "--exclude-checks", NOT_CHECKED, "--exclude-path", ENDLESS])
            .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", SEED])
            .args(["--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "60"])
            .args(["--no-color"]);
        let (ended, printed) =
            tokio::task::spawn_blocking(move || captured(&mut schemathesis)).await.unwrap().unwrap();
        println!("{printed}");
        assert!(ended.status.success(), "schemathesis found faults: its report is above");
        worker
    })
    .await;
}
