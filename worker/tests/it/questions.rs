//! What an operator asks at night, answered by the status of any worker of the fleet.

use std::time::Duration;

use model::{Failure, Fault, Matcher, QueueSettings, Rule};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use worker::config::RulesSource;

use crate::office;
use crate::running::{Running, WORKS};

/// The worklists are counted once a minute, and told with the next heartbeat.
const COUNTED: Duration = Duration::from_secs(70);
const RULE: &str = "if order.amount > 1000 { escalate(\"huge\", \"look\"); }\n\
                    if order.amount > 100 { escalate(\"large\", \"look\"); }\napprove(\"small\");\n";

async fn at_work() -> Running {
    let running = Running::start_ruled(RulesSource::Directory, 0, RULE);
    sleep(WORKS).await;
    running
}

async fn post(running: &Running, path: &str, body: &Value) {
    let body = body.to_string();
    let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let answer = Running::sent(&running.requests, "POST", path, &headers, &body).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}

/// Three tasks wait, one was decided by the rules, one by a person, and one expired.
async fn a_night() -> Running {
    let running = at_work().await;
    running.receive("small", 50, None).await;
    running.receive("large", 500, Some(1_800)).await;
    running.receive("huge-1", 5_000, Some(90_000)).await;
    running.receive("huge-2", 5_000, None).await;
    let (_, decided) = running.receive("huge-3", 5_000, None).await;
    running.receive("late", 500, Some(30)).await;
    sleep(WORKS).await;
    let decision = json!({"outcome": "rejected", "reason": "no such address", "by": "ada"});
    post(&running, &format!("/v1/tasks/{}/decision", decided.id), &decision).await;
    sleep(Duration::from_secs(200)).await;
    running
}

#[tokio::test(start_paused = true)]
async fn how_many_wait_how_old_is_the_oldest_and_which_expire_soon() {
    let running = a_night().await;
    let counts = running.status().await["fleet"]["counts"].clone();
    assert_eq!(
        (&counts["open"]["ESCALATED"]["tasks"], &counts["buckets"]),
        (&json!(3), &json!(16)),
        "{counts}"
    );
    let now = running.world.now_ms() / 1_000;
    let oldest = now - counts["open"]["ESCALATED"]["oldest"].as_u64().unwrap();
    assert!((225..240).contains(&oldest), "{oldest} s");
    assert_eq!(counts["dueSoon"], 1);
    let next = counts["nextDeadline"].as_u64().unwrap() - now;
    assert!((1_560..1_580).contains(&next), "{next} s");
}

#[tokio::test(start_paused = true)]
async fn which_rule_leaves_most_to_people() {
    let running = a_night().await;
    running.receive_order("no-amount", "{}".to_owned(), None).await;
    sleep(COUNTED).await;
    let by = running.status().await["fleet"]["counts"]["escalatedBy"].clone();
    assert_eq!(by, json!({"all": 4}), "every escalation names the one rule");
}

#[tokio::test(start_paused = true)]
async fn what_share_was_automatic_today_and_how_many_expired_and_why() {
    let running = a_night().await;
    let fleet = running.status().await["fleet"].clone();
    let today = &fleet["counts"]["today"];
    let counted =
        ["automatic", "people", "expired", "elsewhere", "failed"].map(|name| today[name].as_u64().unwrap());
    assert_eq!(counted, [1, 1, 1, 0, 0], "{today}");
    assert_eq!(fleet["expired"], json!({"ESCALATED, token_closed": 1}));
    // A later count reads only what is new, and forgets nothing.
    running.receive("small-2", 50, None).await;
    sleep(Duration::from_secs(600)).await;
    let today = running.status().await["fleet"]["counts"]["today"].clone();
    assert_eq!((&today["automatic"], &today["people"]), (&json!(2), &json!(1)), "{today}");
}

#[tokio::test(start_paused = true)]
async fn today_begins_at_midnight_utc() {
    let world = office::world();
    // Worlds begin at midnight.
    sleep(Duration::from_secs(86_400 - 240)).await;
    let running = Running::start_in(world, 0, |_| {});
    sleep(WORKS).await;
    running.receive("before", 50, None).await;
    running.receive("before-too", 50, None).await;
    let today = async |seconds| {
        sleep(Duration::from_secs(seconds)).await;
        let today = running.status().await["fleet"]["counts"]["today"].clone();
        (today["day"].as_str().unwrap().to_owned(), today["automatic"].as_u64().unwrap())
    };
    assert_eq!(today(100).await, ("2026-11-22".to_owned(), 2));
    assert_eq!(today(200).await, ("2026-11-23".to_owned(), 0));
    running.receive("after", 50, None).await;
    assert_eq!(today(100).await, ("2026-11-23".to_owned(), 1));
}

#[tokio::test(start_paused = true)]
async fn which_decisions_cannot_be_verified() {
    let running = at_work().await;
    let closed = model::ServiceError::new(model::Service::StepFunctions, "TaskTimedOut", "closed");
    running.world.inject(Rule::new(Matcher::operation("SendTaskSuccess"), Fault::Refused(closed)));
    running.receive("small", 50, None).await;
    sleep(COUNTED).await;
    let verify = running.status().await["fleet"]["counts"]["open"]["VERIFY"].clone();
    assert_eq!(verify["tasks"], 1);
    assert!(verify["oldest"].as_u64().is_some(), "{verify}");
}

#[tokio::test(start_paused = true)]
async fn whether_the_stream_is_on_who_holds_which_shard_and_how_far_it_is_behind() {
    let running = at_work().await;
    let fleet = running.status().await["fleet"].clone();
    assert_eq!(fleet["streamOn"], true);
    let shards = fleet["shards"].as_array().unwrap();
    assert!(
        !shards.is_empty() && shards.iter().all(|shard| shard["worker"] == fleet["answering"]),
        "{shards:?}"
    );

    let stuck =
        running.world.inject(Rule::new(Matcher::operation("GetRecords"), Fault::Lost(Failure::Timeout)));
    sleep(Duration::from_secs(100)).await;
    let report = running.status().await["fleet"]["workers"][0]["report"].clone();
    assert!(report["lagSeconds"].as_u64().unwrap() >= 80, "{report}");
    assert!(
        shards
            .iter()
            .any(|shard| report["shardsBehind"][shard["shard"].as_str().unwrap()].as_u64() >= Some(80)),
        "{report}"
    );
    running.world.end(stuck);

    running.world.disable_stream("tasks");
    sleep(COUNTED).await;
    assert_eq!(running.status().await["fleet"]["streamOn"], false);
}

#[tokio::test(start_paused = true)]
async fn whether_an_edit_is_refused_now_and_who_paused_since_when() {
    let running = at_work().await;
    std::fs::write(running.rules.path().join("all.rhai"), "approve(\n").unwrap();
    post(&running, "/v1/automation/pause", &json!({"reason": "the feed is wrong", "by": "ada"})).await;
    sleep(WORKS).await;
    let status = running.status().await;
    let report = &status["fleet"]["workers"][0]["report"];
    assert_eq!(
        (&report["rulesetRefused"], &report["automationHeld"]),
        (&json!(true), &json!(true)),
        "{status}"
    );
    assert!(status["refused"]["diagnostics"][0]["message"].is_string(), "{status}");
    assert_eq!(
        (&status["paused"]["by"], &status["paused"]["reason"]),
        (&json!("ada"), &json!("the feed is wrong"))
    );
    assert!(status["paused"]["at"].is_string());
}

#[tokio::test(start_paused = true)]
async fn how_full_the_rate_limits_are() {
    let running = at_work().await;
    for n in 0..200 {
        running.receive_until(&format!("late-{n}"), 500, 40).await;
    }
    let mut most = 0;
    for _ in 0..240 {
        sleep(Duration::from_secs(1)).await;
        let waiting = running.status().await["fleet"]["workers"][0]["report"]["waiting"].clone();
        most = most.max(waiting["describe_execution"].as_u64().unwrap_or(0));
    }
    assert!(most > 0, "two hundred questions at ten a second wait");
}

/// A worker at work that counts the messages of the task queue and of its dead-letter queue, and their URLs.
async fn with_queues() -> (Running, [String; 2]) {
    let world = office::world();
    let dead = world.create_queue("task-dead-letters", QueueSettings::default());
    let redrive = Some((1, dead.clone()));
    let tasks = world.create_queue("to-store", QueueSettings { visibility_seconds: 30, redrive });
    let urls = [tasks, dead];
    let [of_tasks, of_letters] = urls.clone().map(Some);
    let running = Running::start_in(world, 0, |config| {
        (config.queues.tasks, config.queues.task_dead_letters) = (of_tasks, of_letters);
    });
    sleep(WORKS).await;
    (running, urls)
}

#[tokio::test(start_paused = true)]
async fn whether_ingest_stores_and_how_late() {
    let running = at_work().await;
    assert_eq!(
        running.status().await["fleet"]["stored"],
        json!({"tasks": 0, "last": null, "slowestSeconds": 0})
    );
    running.receive("a", 50, None).await;
    let started = running.world.start(model::Start::new("late", "late"));
    let late = office::task_of(&running.world, &started);
    sleep(Duration::from_secs(90)).await;
    // Ingest could not store it before.
    office::put(&running.world, &late).await;
    sleep(WORKS).await;
    let now = i64::try_from(running.world.now_ms() / 1_000).unwrap();
    let stored = running.status().await["fleet"]["stored"].clone();
    assert_eq!((&stored["tasks"], &stored["slowestSeconds"]), (&json!(2), &json!(90)), "{stored}");
    assert!((28..=32).contains(&(now - stored["last"].as_i64().unwrap())), "{stored}");
    assert_eq!(running.metric("ingest_delay_seconds_count").await, Some(2.0));
    assert_eq!(running.metric("ingest_delay_seconds_bucket{le=\"60.0\"}").await, Some(1.0));
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(running.status().await["fleet"]["stored"]["tasks"], 0);
}

#[tokio::test(start_paused = true)]
async fn whether_messages_wait_to_be_stored_and_whether_there_are_dead_letters() {
    let (running, [tasks, dead]) = with_queues().await;
    let told = async |place: usize| running.status().await["queues"][place].clone();
    let empty = json!({"queue": "tasks", "waiting": 0, "inHand": 0, "unknownSince": null, "error": null});
    assert_eq!(told(0).await, empty);
    assert_eq!(told(1).await["queue"], "closed_executions");
    running.world.send(&tasks, "to be stored");
    running.world.send(&dead, "not to be stored");
    running.world.send(&dead, "nor this");
    sleep(Duration::from_secs(31)).await;
    assert_eq!((told(0).await["waiting"].clone(), told(2).await["waiting"].clone()), (json!(1), json!(2)));
    let letters = "queue_messages_waiting{queue=\"task_dead_letters\"}";
    assert_eq!(running.metric(letters).await, Some(2.0));
    // The settings name no other.
    assert_eq!(running.status().await["queues"].as_array().unwrap().len(), 3);
    let other = "queue_messages_waiting{queue=\"closed_executions_dead_letters\"}";
    assert_eq!(running.metric(other).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_be_counted_is_unknown_since_then() {
    let (running, [_, dead]) = with_queues().await;
    running.world.send(&dead, "not to be stored");
    sleep(Duration::from_secs(31)).await;
    let denied = model::ServiceError::new(model::Service::Sqs, "AccessDenied", "no");
    let denied = Rule::new(Matcher::operation("GetQueueAttributes"), Fault::Refused(denied));
    let denied = running.world.inject(denied);
    sleep(Duration::from_secs(40)).await;
    let letters = running.status().await["queues"][2].clone();
    assert_eq!(letters["waiting"], 1, "as read last: {letters}");
    assert!(letters["error"].as_str().unwrap().contains("AccessDenied"), "{letters}");
    let now = i64::try_from(running.world.now_ms() / 1_000).unwrap();
    let since: jiff::Timestamp = letters["unknownSince"].as_str().unwrap().parse().unwrap();
    assert!((35..=75).contains(&(now - since.as_second())), "{letters}");
    let read = running.metric("queue_read_timestamp_seconds{queue=\"task_dead_letters\"}").await.unwrap();
    assert_eq!(read, f64::from(u32::try_from(since.as_second()).unwrap()));
    running.world.end(denied);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(running.status().await["queues"][2]["unknownSince"], json!(null));

    running.world.inject(Rule::new(Matcher::operation("GetQueueAttributes"), Fault::Lost(Failure::Silence)));
    sleep(Duration::from_secs(100)).await;
    let asked = Instant::now();
    let letters = running.status().await["queues"][2].clone();
    assert!(asked.elapsed() <= Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(letters["unknownSince"].is_string() && letters["waiting"] == 1, "{letters}");
}

/// All that was known is told, and how old it is.
#[tokio::test(start_paused = true)]
async fn the_status_answers_in_two_seconds_while_aws_is_silent() {
    let running = a_night().await;
    running.world.inject(Rule::new(Matcher::any(), Fault::Lost(Failure::Silence)));
    sleep(Duration::from_secs(60)).await;
    let asked = Instant::now();
    let status = running.status().await;
    assert!(asked.elapsed() <= Duration::from_secs(2), "{:?}", asked.elapsed());
    let fleet = &status["fleet"];
    assert!(fleet["seenSecondsAgo"].as_u64().unwrap() >= 50, "{fleet}");
    assert_eq!(fleet["counts"]["open"]["ESCALATED"]["tasks"], 3, "{fleet}");
    assert_eq!((&fleet["streamOn"], &fleet["counts"]["today"]["people"]), (&json!(true), &json!(1)));
}
