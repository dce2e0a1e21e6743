//! The stack with `Notices`: what a rule on its bus gets of a task that is left to people, and of one that expires.

use std::time::Duration;

use ops::orders::Story;
use ops::world::{Options, World, eventually};
use serde_json::{Value, json};
use statemachine::status::Status;
use statemachine::task::Task;

use crate::journey::{SOON, in_world, orders_of, patient, quick, start, task_that};

/// A rule on the bus that sends every event to a queue, as anybody attaches one: the queue's URL.
async fn attached(world: &World) -> String {
    let bus = world.stack.notices_bus.as_deref().unwrap();
    let template = json!({
        "Resources": {
            "Heard": {"Type": "AWS::SQS::Queue"},
            "Rule": {"Type": "AWS::Events::Rule", "Properties": {
                "EventBusName": bus,
                "EventPattern": {"source": ["countersign"]},
                "Targets": [{"Id": "heard", "Arn": {"Fn::GetAtt": ["Heard", "Arn"]}}],
            }},
        },
        "Outputs": {"Url": {"Value": {"Ref": "Heard"}}},
    });
    let created = world.clients.cloudformation.create_stack().stack_name("listener");
    created.template_body(template.to_string()).send().await.unwrap();
    eventually(SOON, "the listener is attached", async || {
        let described = ops::stack::describe(&world.clients, "listener").await?;
        Ok(described.and_then(|stack| stack.outputs.get("Url").cloned()))
    })
    .await
    .unwrap()
}

/// Waits for the event of a type that tells of an order.
async fn heard(world: &World, url: &str, kind: &str, order_id: &str) -> Value {
    eventually(SOON, kind, async || {
        let received =
            world.clients.sqs.receive_message().queue_url(url).max_number_of_messages(10).send().await?;
        let events = received.messages().iter().filter_map(|message| message.body());
        let events = events.map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
        let tells = |event: &Value| {
            event["detail-type"] == kind && event["detail"]["tasks"][0]["orderId"] == order_id
        };
        Ok(events.into_iter().find(tells))
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn people_are_told_of_a_task_that_waits_and_of_one_that_expired() {
    in_world(Options { notices: true, ..patient() }, async |world| {
        let url = attached(world).await;
        let worker = world.start_worker("telling", quick()).await.unwrap();
        let orders = orders_of(Story::OverLimit, 1);
        let arns = start(world, &orders).await;
        let order = &orders[0].id;
        let event = heard(world, &url, "Task Escalated", order).await;
        assert_eq!((&event["source"], &event["detail"]["count"]), (&json!("countersign"), &json!(1)));
        let text = event["detail"]["text"].as_str().unwrap();
        assert!(text.contains(&format!("Order {order} waits for a person: over-tier-limit.")), "{text}");
        let task = task_that(world, order, "escalated", |task: &Task| task.status == Status::Escalated).await;
        let all = event.to_string();
        assert_eq!(event["detail"]["tasks"][0]["taskId"], task.id.to_string());
        let reason = task.escalation.unwrap().reason;
        assert!(!all.contains("AAAAKg") && !all.contains(&reason) && !all.contains("customer"), "{all}");

        world.clients.sfn.stop_execution().execution_arn(&arns[0]).send().await.unwrap();
        let event = heard(world, &url, "Task Expired Undecided", order).await;
        assert!(event["detail"]["text"].as_str().unwrap().contains("nobody had decided"), "{event}");
        let metrics = world.get(&worker, "/metrics").await.unwrap().body;
        for notice in ["escalated", "expired"] {
            let line = format!("countersign_notices_total{{notice=\"{notice}\",result=\"published\"}} 1");
            assert!(metrics.lines().any(|shown| shown == line), "{line}: {metrics}");
        }
        worker.drain(Duration::from_secs(40)).await.unwrap();
    })
    .await;
}
