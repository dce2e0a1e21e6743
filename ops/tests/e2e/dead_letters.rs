//! `countersign dead-letters` on both queues of the template.

use ops::world::{World, eventually};
use serde_json::{Value, json};

use crate::journey::{SOON, patient};

const TOKEN: &str = "AAAAKgAAAAIAAAAAAAAAAQSECRETtoken/of+a/workflow==";

async fn run(world: &World, arguments: &[&str]) -> (bool, String) {
    let config = world.command_line_config().unwrap();
    let config = config.to_string_lossy();
    let output = world.countersign(&[arguments, &["--config", &config]].concat()).await.unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("SECRET"), "it shows a token: {text}");
    (output.status.success(), text)
}

async fn list(world: &World) -> Vec<Value> {
    let (is_done, text) = run(world, &["dead-letters", "list", "--format", "json"]).await;
    assert!(is_done, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn find(letters: &[Value], reason: &str) -> String {
    let found = letters.iter().find(|letter| letter["reason"].as_str().unwrap().contains(reason));
    found.unwrap_or_else(|| panic!("{reason}: {letters:?}"))["id"].as_str().unwrap().to_owned()
}

async fn bury(world: &World, queue_url: &str, body: impl Into<String>) {
    world.clients.sqs.send_message().queue_url(queue_url).message_body(body).send().await.unwrap();
}

#[tokio::test]
async fn dead_letters_are_listed_with_their_reasons_shown_redriven_and_discarded() {
    let world = World::start(patient()).await.unwrap();
    let (tasks, closed) =
        (&world.stack.task_dead_letter_queue_url, &world.stack.closed_executions_dead_letter_queue_url);
    assert_eq!(run(&world, &["dead-letters", "list"]).await, (true, "no dead letters\n".to_owned()));

    let good = json!({
        "transactionId": "arn:aws:states:us-east-1:000000000000:execution:shop:e",
        "taskToken": TOKEN,
        "startTime": "2026-11-22T10:00:00Z",
        "orderId": "o-good",
    });
    bury(&world, tasks, good.to_string()).await;
    bury(&world, tasks, good.to_string().replace("taskToken", "TaskToken")).await;
    bury(&world, tasks, format!("{TOKEN} is no JSON")).await;
    let event = json!({"executionArn": "arn:aws:states:us-east-1:1:execution:shop:e", "status": "ABORTED"});
    bury(&world, closed, event.to_string()).await;

    let letters = list(&world).await;
    assert_eq!(letters.len(), 4, "{letters:?}");
    let storable = find(&letters, "not stored, although it can be");
    let misspelled = find(&letters, "the message has TaskToken instead");
    let poison = find(&letters, "the body is not JSON");
    find(&letters, "no worker could handle it");
    let (_, shown) = run(&world, &["dead-letters", "show", &storable]).await;
    assert!(shown.contains("o-good") && shown.contains("(hidden)"), "{shown}");
    for id in [&misspelled, &poison] {
        let (_, shown) = run(&world, &["dead-letters", "show", id]).await;
        assert!(shown.contains("redrive    no") && shown.contains("(hidden)"), "{shown}");
    }

    // What may succeed now goes back: the task is stored, and the event has its own queue again.
    let (is_done, text) = run(&world, &["dead-letters", "redrive", "--all"]).await;
    assert!(is_done, "{text}");
    assert_eq!(text, "2 redriven, 2 left, since they would fail again\n");
    eventually(SOON * 2, "the redriven message is stored", async || world.task_of("o-good").await)
        .await
        .unwrap();
    assert_eq!(world.receive(&world.stack.closed_executions_queue_url).await.unwrap(), [event.to_string()]);
    assert_eq!(list(&world).await.len(), 2);

    let (is_done, text) = run(&world, &["dead-letters", "discard", &poison]).await;
    assert!(!is_done && text.contains("--yes"), "nothing is deleted without a question: {text}");
    let (is_done, text) = run(&world, &["dead-letters", "discard", &poison, "no-such-letter", "--yes"]).await;
    assert!(!is_done && text.contains("not found: no-such-letter"), "{text}");
    assert_eq!(list(&world).await.len(), 2);
    let (is_done, text) = run(&world, &["dead-letters", "discard", &poison, &misspelled, "--yes"]).await;
    assert_eq!((is_done, text.as_str()), (true, "2 discarded\n"));
    assert!(list(&world).await.is_empty());

    // The same message again is stored already; with another order, it is another task's.
    bury(&world, tasks, good.to_string()).await;
    bury(&world, tasks, good.to_string().replace("o-good", "o-other")).await;
    let letters = list(&world).await;
    find(&letters, "stored since: it can be discarded");
    find(&letters, "is stored under the same task token with another orderId");
    assert_eq!(
        run(&world, &["dead-letters", "redrive", "--all"]).await.1,
        "0 redriven, 2 left, since they would fail again\n"
    );
}
