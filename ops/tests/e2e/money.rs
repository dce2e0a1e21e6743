//! An amount from the message to the workflow's answer: through no float anywhere.

use std::fs;

use aws_sdk_sfn::types::ExecutionStatus;
use ops::world::{WorkerOptions, eventually};
use serde_json::Value;

use crate::journey::{SOON, in_world, patient, quick, task_that, waiting_aside};

/// None of these is what a float makes of it: 0.30000000000000004, 1234567890.1234567, 123456789012345680.
const ORDER: &str =
    r#"{"a": 0.1, "b": 0.2, "long": 1234567890.123456789, "whole": 123456789012345678, "text": "0.30"}"#;
const RULE: &str = "\
let exact = order.a + order.b == 0.3
    && order.long == 1234567890.123456789
    && order.whole == 123456789012345678
    && decimal(order.text) == 0.3;
let amounts = `${order.a + order.b} ${order.long} ${order.whole} ${order.text}`;
if exact {
    approve(\"exact\", amounts);
}
reject(\"rounded\", amounts);
";
const AMOUNTS: &str = "0.3 1234567890.123456789 123456789012345678 0.30";

#[tokio::test]
async fn amounts_survive_from_the_message_to_the_answer() {
    in_world(patient(), async |world| {
        let rules_dir = world.dir().join("exact");
        fs::create_dir_all(&rules_dir).unwrap();
        fs::write(rules_dir.join("exact.rhai"), RULE).unwrap();
        let mut options = WorkerOptions { rules_dir: Some(rules_dir), ..quick() };
        // The loudest log there is: it is searched for tokens at the world's end.
        options.variables.push(("COUNTERSIGN_LOG__LEVEL".to_owned(), "trace".to_owned()));
        let worker = world.start_worker("worker", options).await.unwrap();

        let (execution, mut message) = waiting_aside(world, "o-1").await;
        message["order"] = Value::from("ORDER");
        world.send_message(message.to_string().replace("\"ORDER\"", ORDER)).await.unwrap();

        let task = task_that(world, "o-1", "settled", |task| task.status.is_final()).await;
        assert_eq!(task.order_text().as_deref(), Some(ORDER));
        let decision = task.decision.unwrap();
        assert_eq!((decision.code.as_str(), decision.reason.as_str()), ("exact", AMOUNTS));
        let ended = eventually(SOON, "the workflow goes on", async || {
            let execution = world.execution(&execution).await?;
            Ok((execution.status == ExecutionStatus::Succeeded).then_some(execution.output))
        });
        let output: Value = serde_json::from_str(&ended.await.unwrap().unwrap()).unwrap();
        assert_eq!((&output["code"], &output["reason"]), (&"exact".into(), &AMOUNTS.into()));
        worker
    })
    .await;
}
