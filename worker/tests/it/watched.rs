//! What the listener for metrics and health shows of a worker at work.

use std::time::Duration;

use model::{Failure, Fault, Matcher, Rule, Service, ServiceError};
use tokio::time::sleep;
use worker::config::{Config, RulesSource};

use crate::running::{Running, WORKS};

/// The worklists are counted once a minute.
const COUNTED: Duration = Duration::from_secs(61);
const RULE: &str = "if order.amount > 100 { escalate(\"large\", \"look\"); }\n\
                    if order.amount < 5 { reject(\"tiny\", \"no\"); }\napprove(\"small\");\n";

/// A worker with this rule that has settled in.
async fn at_work() -> Running {
    let running = Running::start_ruled(RulesSource::Directory, 0, RULE);
    sleep(WORKS).await;
    running
}

#[tokio::test(start_paused = true)]
async fn metrics_have_two_formats_and_are_compressed() {
    let running = at_work().await;
    let text = running.get("/metrics").await;
    assert!(text.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{text}");
    assert!(text.contains("\n# TYPE countersign_decisions_total counter\n") && !text.contains("# EOF"));
    assert!(text.contains("\nprocess_open_fds "), "{text}");
    let open = running.get_with("/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n").await;
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    assert!(open.contains("\n# TYPE countersign_decisions counter\n") && open.ends_with("# EOF\n"), "{open}");
    let packed = running.get_bytes("/metrics", "Accept-Encoding: gzip\r\n").await;
    let head = String::from_utf8_lossy(&packed).to_lowercase();
    assert!(head.contains("content-encoding: gzip\r\n") && packed.len() * 3 < text.len(), "{}", packed.len());
}

#[tokio::test(start_paused = true)]
async fn each_listener_serves_its_own() {
    let running = at_work().await;
    for listener in [&running.requests, &running.scrapes] {
        for path in ["/readyz", "/livez"] {
            let answer = Running::sent(listener, "GET", path, "", "").await;
            assert!(answer.starts_with(b"HTTP/1.1 200 "), "{path}");
        }
    }
    for (sent, path) in
        [(&running.requests, "/metrics"), (&running.scrapes, "/v1/status"), (&running.scrapes, "/v1/tasks")]
    {
        let answer = Running::sent(sent, "GET", path, "", "").await;
        assert!(answer.starts_with(b"HTTP/1.1 404 "), "{path}");
    }
    let paused = Running::sent(&running.scrapes, "POST", "/v1/automation/pause", "", "").await;
    assert!(paused.starts_with(b"HTTP/1.1 404 "));
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_counted_by_worklist() {
    let running = at_work().await;
    running.receive("large-1", 500, Some(1_800)).await;
    sleep(Duration::from_secs(100)).await;
    running.receive("large-2", 500, Some(90_000)).await;
    sleep(COUNTED).await;
    assert_eq!(running.metric("open_tasks{status=\"ESCALATED\"}").await, Some(2.0));
    assert_eq!(running.metric("open_tasks{status=\"PENDING\"}").await, Some(0.0));
    let oldest = running.metric("oldest_task_age_seconds{status=\"ESCALATED\"}").await.unwrap();
    assert!((160.0..170.0).contains(&oldest), "{oldest}");
    assert_eq!(running.metric("tasks_due_within_hour").await, Some(1.0));
    let now_s = running.world.now_ms() / 1_000;
    let next = running.metric("next_deadline_timestamp_seconds").await.unwrap();
    let left = next - f64::from(u32::try_from(now_s).unwrap());
    assert!((1_600.0..1_660.0).contains(&left), "{left} s to the next deadline");
    assert!(running.metric("open_tasks_count_age_seconds").await.unwrap() <= 61.0);
}

#[tokio::test(start_paused = true)]
async fn without_deadlines_there_is_no_next_one() {
    let running = at_work().await;
    running.receive("large-1", 500, None).await;
    sleep(COUNTED).await;
    assert_eq!(running.metric("open_tasks{status=\"ESCALATED\"}").await, Some(1.0));
    assert_eq!(running.metric("next_deadline_timestamp_seconds").await, None);
}

/// A decision whose workflow cannot be reached, and one whose token is closed for an unknown reason.
#[tokio::test(start_paused = true)]
async fn due_and_unverified_decisions_are_counted() {
    let running = at_work().await;
    let silent = Rule::new(Matcher::operation("SendTaskSuccess"), Fault::Lost(Failure::Timeout));
    let silent = running.world.inject(silent);
    running.receive("small-1", 50, None).await;
    sleep(COUNTED).await;
    assert_eq!(running.metric("open_tasks{status=\"DUE\"}").await, Some(1.0));
    running.world.end(silent);
    sleep(Duration::from_secs(900)).await;
    assert_eq!(running.metric("open_tasks{status=\"DUE\"}").await, Some(0.0));

    let closed = Rule::new(
        Matcher::operation("SendTaskSuccess"),
        Fault::Refused(ServiceError::new(Service::StepFunctions, "TaskTimedOut", "closed")),
    );
    running.world.inject(closed);
    running.receive("small-2", 50, None).await;
    sleep(COUNTED).await;
    assert_eq!(running.metric("open_tasks{status=\"VERIFY\"}").await, Some(1.0));
    assert!(running.metric("oldest_task_age_seconds{status=\"VERIFY\"}").await.unwrap() > 0.0);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_the_counts_grows_while_the_worklists_cannot_be_read() {
    let running = at_work().await;
    running.receive("large-1", 500, None).await;
    sleep(COUNTED).await;
    let unread = Matcher::operation("Query").on_table("tasks");
    running.world.inject(Rule::new(unread, Fault::Lost(Failure::Timeout)));
    sleep(Duration::from_secs(600)).await;
    assert!(running.metric("open_tasks_count_age_seconds").await.unwrap() > 500.0);
    assert_eq!(running.metric("open_tasks{status=\"ESCALATED\"}").await, Some(1.0), "as counted last");
}

#[tokio::test(start_paused = true)]
async fn verdicts_are_counted_by_rule_and_code() {
    let running = at_work().await;
    let approved = "verdicts_total{rule=\"all\",outcome=\"approve\",code=\"small\"}";
    assert_eq!(running.metric(approved).await, Some(0.0), "known before the first");
    for (order, amount) in [("a", 50), ("b", 60), ("c", 500), ("d", 1)] {
        running.receive(order, amount, None).await;
    }
    running.receive_order("e", "{}".to_owned(), None).await;
    sleep(WORKS).await;
    assert_eq!(running.metric(approved).await, Some(2.0));
    for (outcome, code) in [("escalate", "large"), ("reject", "tiny"), ("escalate", "rule-error")] {
        let name = format!("verdicts_total{{rule=\"all\",outcome=\"{outcome}\",code=\"{code}\"}}");
        assert_eq!(running.metric(&name).await, Some(1.0), "{name}");
    }
    assert_eq!(running.metric("verdicts_folded_total").await, Some(0.0));
    let rules = running.get("/metrics").await;
    assert!(rules.contains("countersign_ruleset_info{ruleset=\"rules@"), "{rules}");
}

#[tokio::test(start_paused = true)]
async fn an_edit_changes_the_verdicts_and_the_ruleset_that_are_shown() {
    let running = at_work().await;
    let before = running.get("/metrics").await;
    std::fs::write(running.rules.path().join("all.rhai"), "approve(\"all\");\n").unwrap();
    sleep(Duration::from_secs(10)).await;
    running.receive("a", 50, None).await;
    sleep(WORKS).await;
    let after = running.get("/metrics").await;
    let info = |text: &str| {
        text.lines().find(|line| line.starts_with("countersign_ruleset_info")).map(str::to_owned)
    };
    assert!(info(&before) != info(&after) && info(&after).is_some(), "{after}");
    assert_eq!(
        running.metric("verdicts_total{rule=\"all\",outcome=\"approve\",code=\"all\"}").await,
        Some(1.0)
    );
    assert!(!after.contains("code=\"small\""), "{after}");
}

#[tokio::test(start_paused = true)]
async fn latency_tells_rules_and_people_apart() {
    let running = at_work().await;
    running.receive("a", 50, None).await;
    let (_, task) = running.receive("c", 500, None).await;
    sleep(WORKS).await;
    let decision = r#"{"outcome":"approved","reason":"checked","by":"ada"}"#;
    let path = format!("/v1/tasks/{}/decision", task.id);
    let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", decision.len());
    let answer = Running::sent(&running.requests, "POST", &path, &headers, decision).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    for by in ["rule", "person"] {
        let name = format!("decision_latency_seconds_count{{by=\"{by}\"}}");
        assert_eq!(running.metric(&name).await, Some(1.0), "{by}");
    }
    assert_eq!(running.metric("decision_latency_seconds_bucket{le=\"5.0\",by=\"rule\"}").await, Some(1.0));
    assert_eq!(running.metric("decision_latency_seconds_bucket{le=\"15.0\",by=\"person\"}").await, Some(0.0));
    assert_eq!(running.metric("http_request_duration_seconds_count{class=\"change\"}").await, Some(1.0));
    assert!(running.metric("http_request_duration_seconds_count{class=\"watch\"}").await.unwrap() >= 3.0);
}

#[tokio::test(start_paused = true)]
async fn who_expired_undecided_is_counted_with_the_reason() {
    let running = at_work().await;
    running.receive("c", 500, Some(120)).await;
    sleep(Duration::from_secs(400)).await;
    let expired = "expired_undecided_total{status=\"ESCALATED\",cause=\"token_closed\"}";
    assert_eq!(running.metric(expired).await, Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_switched_off_is_seen_and_also_when_it_is_on_again() {
    let running = at_work().await;
    assert_eq!(running.metric("stream_enabled").await, Some(1.0));
    running.world.disable_stream("tasks");
    sleep(Duration::from_secs(70)).await;
    assert_eq!(running.metric("stream_enabled").await, Some(0.0));
    running.world.enable_stream("tasks");
    sleep(Duration::from_secs(70)).await;
    assert_eq!(running.metric("stream_enabled").await, Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn rate_limits_show_what_they_allow_and_who_waits() {
    let running = at_work().await;
    // The model is in eu-west-1.
    let most = Some(f64::from(Config::load(None, &[]).unwrap().budgets.send_task_in("eu-west-1")));
    assert_eq!(running.metric("rate_limit_capacity{limit=\"send_task\"}").await, most);
    assert_eq!(running.metric("rate_limit_level{limit=\"send_task\"}").await, most);
    assert_eq!(running.metric("rate_limit_capacity{limit=\"describe_stream\"}").await, Some(4.0));
    // The workflows still wait when the deadlines of their tasks pass: each is one of ten questions a second.
    for n in 0..100 {
        running.receive_until(&format!("c-{n}"), 500, 60).await;
    }
    let mut most = 0.0_f64;
    for _ in 0..240 {
        sleep(Duration::from_secs(1)).await;
        most = most.max(running.metric("rate_limit_waiting{limit=\"describe_execution\"}").await.unwrap());
    }
    assert!(most > 0.0, "nobody waited");
    assert_eq!(running.metric("rate_limit_waiting{limit=\"describe_execution\"}").await, Some(0.0));
}
