//! The log's level, changed over HTTP while the worker runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt as _;
use worker::telemetry;

use crate::heard::Log;
use crate::office::Office;

#[tokio::test(start_paused = true)]
async fn the_level_changes_for_a_time_and_falls_back() {
    let (filter, level) = telemetry::filter("info").expect("a filter");
    let log = Log::default();
    let writer = Arc::new(Mutex::new(log.clone()));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(move || writer.lock().expect("no holder panics").clone());
    let subscriber =
        tracing_subscriber::registry().with(tracing_subscriber::Layer::with_filter(lines, filter));
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _log = tracing::subscriber::set_default(subscriber);
    let mut office = Office::open();
    let answer = office.get("/v1/log-level").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "no log: {}", answer.text);
    office.state.log_level = Some(level.clone());
    let stop = CancellationToken::new();
    office.state.tracker.spawn(level.fall_back(stop.clone()));

    let is_logged = |line: &str| {
        tracing::debug!(target: "worker::test", "{line}");
        tracing::debug!(target: "aws_sdk_sfn", "{line} of others");
        log.lines()
            .iter()
            .filter(|of| of["message"].as_str().is_some_and(|text| text.starts_with(line)))
            .count()
    };
    assert_eq!(is_logged("first"), 0);
    for (body, names) in [
        (json!({"level": "worker=loud"}), "loud"),
        (json!({"level": ""}), "level"),
        (json!({"level": "debug", "minutes": 0}), "minutes"),
        (json!({"level": "debug", "minutes": 241}), "minutes"),
        (json!({"minutes": 241}), "minutes"),
    ] {
        let refused = office.post("/v1/log-level", &body.to_string()).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid-request".to_owned())
        );
        assert!(refused.text.contains(names), "{}", refused.text);
    }
    let set = office.post("/v1/log-level", r#"{"level":"debug","minutes":10,"by":"olga"}"#).await;
    assert_eq!((&set.json()["level"], &set.json()["by"]), (&json!("debug"), &json!("olga")), "{}", set.text);
    assert_eq!(is_logged("second"), 1, "ours, and none of those that show what is sent to AWS");
    let audit = log.lines().into_iter().find(|line| line["before"] == "info").expect("a change is logged");
    assert_eq!((&audit["by"], &audit["log_level"]), (&json!("olga"), &json!("debug")), "{audit}");

    tokio::time::sleep(Duration::from_secs(599)).await;
    assert_eq!(is_logged("third"), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(is_logged("fourth"), 0, "its time is over");
    let now = office.get("/v1/log-level").await.json();
    assert_eq!((&now["level"], &now["until"]), (&json!("info"), &json!(null)), "{now}");
    office.post("/v1/log-level", r#"{"level":"worker=trace"}"#).await;
    assert_eq!(is_logged("fifth"), 1);
    office.post("/v1/log-level", "{}").await;
    assert_eq!(is_logged("sixth"), 0, "reset by hand");
    stop.cancel();
}
