//! The export of traces by a real worker to a collector: one tree of spans for each task, and nothing waits for it.

use aws_sdk_dynamodb::types::AttributeValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use ops::orders::Story;
use ops::worker::Worker;
use ops::world::{Options, WorkerOptions, World, eventually};
use serde_json::json;
use statemachine::item::Value;
use statemachine::message::Message;
use statemachine::status::Status;
use statemachine::task::{ReceivedAt, Task};

use crate::collector::{Collector, text};
use crate::journey::{SOON, in_world, orders_of, patient, quick, start, task_that, waiting_aside};

const TRACE: &str = "5759e988bd862e3fe1be46a994272793";
const PARENT: &str = "53995c3f42cd8ad8";

/// A worker that exports to `endpoint`, by more variables.
fn exporting(endpoint: &str, more: &[(&str, &str)]) -> WorkerOptions {
    let mut options = quick();
    let all =
        [&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_SERVICE_NAME", "approvals")], more].concat();
    options.variables.extend(all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    options
}

/// Stores the task of a waiting workflow as ingest does for a message with X-Ray's header, which the emulator drops.
async fn store_traced(world: &World, order: &str) -> Task {
    let (_, message) = waiting_aside(world, order).await;
    let now = jiff::Timestamp::now();
    let received = ReceivedAt { text: format!("{now:.3}"), epoch_seconds: now.as_second() };
    let message = Message::parse(&message.to_string()).unwrap();
    let task = Task::new(message, received, Some(format!("00-{TRACE}-{PARENT}-01")));
    let value = |value: Value| match value {
        Value::Text(text) => AttributeValue::S(text),
        Value::Number(number) => AttributeValue::N(number),
        Value::Bytes(bytes) => AttributeValue::B(bytes.into()),
        Value::Map(_) | Value::Other => panic!("a new task has none"),
    };
    let item = task.to_item().into_iter().map(|(name, of)| (name, value(of))).collect();
    let put = world.clients.dynamodb.put_item().table_name(&world.stack.tasks_table);
    put.set_item(Some(item)).send().await.unwrap();
    task
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The spans of a task's steps, oldest first, each with those within it. Without what stored nothing: the stream shows a
/// person's decision once more.
fn trees(spans: &[Span], task: &Task) -> Vec<(Span, Vec<Span>)> {
    let roots = spans
        .iter()
        .filter(|span| span.name == "task" && text(&span.attributes, "task.id") == Some(task.id.as_str()));
    let mut trees: Vec<(Span, Vec<Span>)> = roots
        .map(|root| {
            let within = spans.iter().filter(|span| span.parent_span_id == root.span_id);
            let mut within: Vec<Span> = within.cloned().collect();
            within.sort_by_key(|span| span.end_time_unix_nano);
            (root.clone(), within)
        })
        .collect();
    trees.retain(|(_, within)| names(within).contains(&"store"));
    trees.sort_by_key(|(root, _)| root.start_time_unix_nano);
    trees
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

#[tokio::test]
async fn a_task_s_steps_are_one_tree_of_spans_and_nothing_waits_for_their_export() {
    in_world(Options { other_state_machines: "aside-*".to_owned(), ..patient() }, async |world| {
        a_receiver_gets_each_task_s_tree(world).await;
        a_receiver_that_never_answers_holds_nothing_up(world).await;
        a_receiver_that_is_down_is_told_once(world).await;
    })
    .await;
}

async fn a_receiver_gets_each_task_s_tree(world: &World) {
    let collector = Collector::start(world).await;
    // So long that the drain alone exports.
    let options = exporting(&collector.endpoint, &[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]);
    let worker = world.start_worker("worker", options).await.unwrap();
    let orders = orders_of(Story::SmallKnown, 1);
    start(world, &orders).await;
    let settled = task_that(world, &orders[0].id, "approved", |task| task.status.is_final()).await;
    let traced = store_traced(world, "traced").await;
    task_that(world, "traced", "left to a person", |task| task.status == Status::Escalated).await;
    let decision = json!({"outcome": "approved", "reason": "known", "by": "ada"});
    let answer = world.decide(&worker, &traced.id, &decision).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(collector.spans(), []);
    assert!(worker.drain(SOON).await.unwrap().unwrap().success());

    let spans = collector.spans();
    let [(root, within)] = &trees(&spans, &settled)[..] else { panic!("one tree: {spans:#?}") };
    assert_eq!(names(within), ["read", "evaluate", "store", "send", "settle"]);
    assert!(root.parent_span_id.is_empty(), "its message belongs to no trace");
    assert!(within.iter().all(|span| span.trace_id == root.trace_id));
    let decision = settled.decision.as_ref().unwrap();
    for (span, name, expected) in [
        (root, "order.id", Some(settled.order_id.as_str())),
        (root, "workflow", Some(settled.transaction_id.as_str())),
        (root, "result", Some("delivered")),
        (&within[1], "ruleset", decision.ruleset.as_deref()),
        (&within[1], "rule", decision.rule.as_deref()),
        (&within[1], "code", Some(decision.code.as_str())),
        (&within[1], "outcome", Some("approved")),
        (&within[2], "decision.id", Some(decision.id.as_str())),
        (&within[3], "how", Some("accepted")),
        (&within[4], "how", Some("accepted")),
    ] {
        assert_eq!(text(&span.attributes, name), expected, "{name} of {}", span.name);
        assert!(expected.is_some(), "{name}");
    }
    let [(by_rules, of_rules), (by_person, of_person)] = &trees(&spans, &traced)[..] else {
        panic!("the rules' tree, then the person's: {spans:#?}")
    };
    for root in [by_rules, by_person] {
        assert_eq!((hex(&root.trace_id), hex(&root.parent_span_id)), (TRACE.into(), PARENT.into()));
    }
    assert_eq!(names(of_rules), ["read", "evaluate", "store"]);
    assert_eq!(names(of_person), ["store", "send", "settle"]);
    assert_eq!(text(&by_rules.attributes, "result"), Some("escalated"));
    assert_eq!(text(&collector.resources(), "service.name"), Some("approvals"));
}

async fn a_receiver_that_never_answers_holds_nothing_up(world: &World) {
    let silent = Collector::silent().await;
    let one = [("OTEL_BSP_MAX_QUEUE_SIZE", "1"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")];
    let worker = world.start_worker("silent", exporting(&silent.endpoint, &one)).await.unwrap();
    decide(world, 2..4).await;
    let dropped = count_of(world, &worker, "dropped").await;
    // Of two tasks with five steps each, one span is sent and one waits; none has been given up yet, unless the machine is
    // slow.
    assert!(dropped > 0, "{dropped}");
    assert!(worker.drain(SOON).await.unwrap().unwrap().success());
}

async fn a_receiver_that_is_down_is_told_once(world: &World) {
    // Nothing listens on the port of a listener that is gone.
    let endpoint = Collector::silent().await.endpoint.clone();
    let soon = [("OTEL_BSP_SCHEDULE_DELAY", "100"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")];
    let worker = world.start_worker("down", exporting(&endpoint, &soon)).await.unwrap();
    decide(world, 4..6).await;
    eventually(SOON, "several exports have failed", async || {
        Ok((count_of(world, &worker, "failed").await > 2).then_some(()))
    })
    .await
    .unwrap();
    let log = std::fs::read_to_string(&worker.log).unwrap();
    assert_eq!(log.matches("traces are not exported").count(), 1, "{log}");
    assert!(worker.drain(SOON).await.unwrap().unwrap().success());
}

/// Sends these of the small orders, and waits until each is approved.
async fn decide(world: &World, which: std::ops::Range<usize>) {
    let orders = orders_of(Story::SmallKnown, which.end);
    let orders = &orders[which];
    start(world, orders).await;
    for order in orders {
        task_that(world, &order.id, "approved", |task| task.status == Status::Approved).await;
    }
}

/// How many spans a worker has counted.
async fn count_of(world: &World, worker: &Worker, result: &str) -> u64 {
    let metrics = world.get(worker, "/metrics").await.unwrap().body;
    let name = format!("countersign_trace_spans_total{{result=\"{result}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}
