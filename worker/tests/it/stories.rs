//! One task's story, told by what is stored, is what one search of the log for its id tells.

use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use ingest::handler;
use ingest::store::Store;
use jiff::Timestamp;
use model::{Failure, Fault, Matcher, Rule, RuleId, Start, Started, World};
use serde_json::{Value as Json, json};
use statemachine::message::Message;
use statemachine::token::TaskId;
use tokio::time::sleep;
use worker::config::{Config, RulesSource};

use crate::heard::{Log, listen};
use crate::office::{self, TABLE};
use crate::running::{Running, WORKS};

const RULE: &str = "if order.amount > 100 { escalate(\"large\", \"look at it\"); }\napprove(\"small\");\n";
const SOON: Duration = Duration::from_secs(5);
const BY_SWEEPER: Duration = Duration::from_secs(60);

/// A waiting execution whose message the function stores.
async fn send(world: &World, order_id: &str, amount: u32, timeout_seconds: Option<u64>) -> (Started, TaskId) {
    let started = world.start(Start {
        order: Some(format!(r#"{{"amount":{amount}}}"#)),
        timeout_seconds,
        tells_timeout: timeout_seconds.is_some(),
        ..Start::new(order_id, order_id)
    });
    let mut message = SqsMessage::default();
    (message.message_id, message.body) = (Some(order_id.to_owned()), Some(started.body.clone()));
    message.attributes.insert("SentTimestamp".to_owned(), world.now_ms().to_string());
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    message.attributes.insert("AWSTraceHeader".to_owned(), trace.to_owned());
    let mut event = SqsEvent::default();
    event.records = vec![message];
    let store = Store::new(world.client_for("ingest").dynamodb(), TABLE);
    let handled = handler::handle(event, &store, || Timestamp::UNIX_EPOCH).await;
    assert!(handled.response.batch_item_failures.is_empty());
    let id = Message::parse(&started.body).expect("the model's message").task_token.task_id();
    (started, id)
}

async fn post(running: &Running, path: &str, body: &Json) {
    let body = body.to_string();
    let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let answer = Running::sent(&running.requests, "POST", path, &headers, &body).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}

async fn story(running: &Running, id: &TaskId) -> Json {
    let answer = running.get(&format!("/v1/tasks/{id}/story")).await;
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON")
}

fn steps(story: &Json) -> Vec<&str> {
    let events = story["events"].as_array().expect("a list");
    events.iter().map(|event| event["step"].as_str().expect("a name")).collect()
}

/// What both say of a step.
type Told = (String, [Option<String>; 7]);

fn text(value: &Json) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// What the story says of each step that has a line of the log.
fn told_by_story(story: &Json) -> Vec<Told> {
    let logged = ["received", "decided", "escalated", "returned", "unverified", "settled", "expired"];
    let events = story["events"].as_array().expect("a list").iter();
    let told = events.filter(|event| event["step"].as_str().is_some_and(|step| logged.contains(&step)));
    told.map(|event| {
        let rest = ["at", "worker", "by", "code", "rule", "ruleset", "how"].map(|name| text(&event[name]));
        (text(&event["step"]).expect("a name"), rest)
    })
    .collect()
}

/// What the log says of the same steps, in one search for the id.
fn told_by_log(log: &Log, id: &TaskId) -> Vec<Told> {
    let lines = log.lines().into_iter().filter(|line| line["task.id"] == id.as_str());
    let steps = lines.filter(|line| {
        text(&line["step"]).is_some_and(|step| !matches!(step.as_str(), "deferred" | "handed-over"))
    });
    let told = steps.map(|line| {
        let by = if line["step"] == "decided" { text(&line["decided_by"]) } else { text(&line["by"]) };
        // The decision's own are on the line of its end too, and in the story once.
        let of_answer = ["code", "rule", "ruleset"].map(|name| match line["step"].as_str() {
            Some("decided" | "escalated") => text(&line[name]),
            _ => None,
        });
        let [code, rule, ruleset] = of_answer;
        let rest = [text(&line["at"]), text(&line["worker"]), by, code, rule, ruleset, text(&line["how"])];
        (text(&line["step"]).expect("a name"), rest)
    });
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn the_story_and_the_log_of_a_task_say_the_same() {
    let (log, _listening) = listen();
    let running = Running::start_ruled(RulesSource::Directory, 0, RULE);
    sleep(WORKS).await;
    let world = &running.world;
    let (_, small) = send(world, "small", 50, None).await;
    let (_, by_person) = send(world, "by-person", 500, Some(90_000)).await;
    let (_, returned) = send(world, "returned", 5_000, None).await;
    let (_, expired) = send(world, "expired", 500, Some(30)).await;
    sleep(SOON).await;
    let decision = json!({"outcome": "rejected", "reason": "no such address", "by": "ada"});
    post(&running, &format!("/v1/tasks/{by_person}/decision"), &decision).await;
    std::fs::write(running.rules.path().join("all.rhai"), "approve(\"any\");\n").expect("a file");
    sleep(SOON).await;
    post(&running, &format!("/v1/tasks/{returned}/reconsider"), &json!({"by": "bob"})).await;

    let refuse = |code: &str| {
        let error = model::ServiceError::new(model::Service::StepFunctions, code, "injected");
        world.inject(Rule::new(Matcher::operation("SendTaskSuccess"), Fault::Refused(error)))
    };
    sleep(SOON).await;
    let closed: RuleId = refuse("TaskTimedOut");
    let (_, unverified) = send(world, "unverified", 50, None).await;
    sleep(SOON).await;
    world.end(closed);
    let throttled = refuse("ThrottlingException");
    let (_, retried) = send(world, "retried", 50, None).await;
    // Its retries take up to half a minute.
    sleep(8 * SOON).await;
    world.end(throttled);
    sleep(BY_SWEEPER).await;

    for (id, expected) in [
        (&small, vec!["read", "decided", "sent", "settled"]),
        (&by_person, vec!["read", "escalated", "decided", "sent", "settled"]),
        (&returned, vec!["escalated", "returned", "read", "decided", "sent", "settled"]),
        (&expired, vec!["read", "escalated", "expired"]),
        (&unverified, vec!["read", "decided", "sent", "unverified"]),
        (&retried, vec!["read", "decided", "sent", "settled"]),
    ] {
        let told = story(&running, id).await;
        let (of_workflow, of_task): (Vec<&str>, Vec<&str>) =
            steps(&told).into_iter().partition(|step| step.starts_with("workflow-"));
        assert_eq!(of_task, [&["received"], &expected[..]].concat(), "{told:#}");
        let goes_on = match expected.last() {
            Some(&"settled") if *id == by_person => Some("workflow-failed"),
            Some(&"settled") => Some("workflow-continued"),
            Some(&"expired") => Some("workflow-timed-out"),
            _ => None,
        };
        assert_eq!((of_workflow[0], of_workflow.get(1).copied()), ("workflow-sent", goes_on), "{told:#}");
        assert_eq!(told_by_story(&told), told_by_log(&log, id), "{told:#}");
        assert_eq!(told["missing"], json!([]), "{told:#}");
        let lines = log.lines();
        let decided = lines.iter().find(|line| line["task.id"] == id.as_str() && line["step"] != "received");
        let trace = decided.and_then(|line| line["traceparent"].as_str());
        assert_eq!(trace, Some("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"));
    }
    let expired = story(&running, &expired).await;
    assert_eq!(expired["events"].as_array().expect("a list").last().expect("one")["how"], "token_closed");
    let lines = log.lines();
    let mut of_retried = lines.iter().filter(|line| line["task.id"] == retried.as_str());
    assert!(of_retried.any(|line| line["step"] == "deferred"), "the log tells that it was deferred");
    let unverified = story(&running, &unverified).await;
    assert!(unverified["nextAt"].is_string() && unverified["deferred"].as_i64() > Some(0), "{unverified:#}");
}

/// The worker that stored the decision died before it was sent.
#[tokio::test(start_paused = true)]
async fn a_task_that_changes_hands_names_both_workers() {
    let (log, _listening) = listen();
    let named = |name: &'static str| move |config: &mut Config| config.worker.id = Some(name.to_owned());
    let world = office::world();
    let first = Running::start_in(world.clone(), 0, named("first"));
    sleep(WORKS).await;
    let lost = world.inject(Rule::new(Matcher::operation("SendTaskSuccess"), Fault::Lost(Failure::Silence)));
    let (_, id) = send(&world, "order", 50, None).await;
    sleep(Duration::from_secs(3)).await;
    first.run.abort();
    world.end(lost);
    let second = Running::start_in(world.clone(), 0, |config| {
        named("second")(config);
        config.queues.closed_executions = None;
    });
    sleep(BY_SWEEPER).await;
    let told = story(&second, &id).await;
    let workers: Vec<String> = told_by_story(&told)
        .into_iter()
        .filter_map(|(step, [_, worker, ..])| {
            let worker = worker?;
            let name = worker.split('-').next().expect("never empty");
            Some(format!("{step} by {name}"))
        })
        .collect();
    // Two deliveries may meet, and one of them finds the token closed by the other.
    assert_eq!(workers.first().map(String::as_str), Some("decided by first"), "{told:#}");
    assert_eq!(workers.last().map(String::as_str), Some("settled by second"), "{told:#}");
    assert!(workers[1..].iter().all(|step| step.ends_with("by second")), "{told:#}");
    assert_eq!(told_by_story(&told), told_by_log(&log, &id), "{told:#}");
}

/// The table cannot tell a task whose retention is over from one that never was: where its lines are is told for both.
#[tokio::test(start_paused = true)]
async fn the_story_of_a_deleted_task_says_where_its_lines_are() {
    let running = Running::start(RulesSource::Directory);
    sleep(WORKS).await;
    let id = "0".repeat(32);
    let answer = running.get(&format!("/v1/tasks/{id}/story")).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    let told = format!(
        "deleted after its retention (tables.retention_days); its log lines remain: search the logs for task.id {id}"
    );
    assert!(answer.contains(&told), "{answer}");
}
