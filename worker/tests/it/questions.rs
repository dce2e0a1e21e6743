//! What an operator asks at night, answered by the status of any worker of the fleet.

use std::time::Duration;

use model::{Failure, Fault, Matcher, Rule};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use worker::config::RulesSource;

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
