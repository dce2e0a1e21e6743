//! The automation switch and the published rulesets over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use model::{Door, Failure, Fault, Matcher, Rule, Service};
use rules::{Files, Measured, Ruleset};
use worker::control::caps::{Receipt, Spent};
use worker::control::rule_store::{Author, Event};

use crate::office::Office;

#[tokio::test(start_paused = true)]
async fn automation_is_paused_and_resumed_with_a_reason() {
    let office = Office::open();
    assert_eq!(office.get("/v1/automation").await.json()["running"], true);
    let refused = office.post("/v1/automation/pause", r#"{"reason":" "}"#).await;
    assert_eq!(refused.problem(), "invalid-request");

    let paused = office.post("/v1/automation/pause", r#"{"reason":"the feed is wrong","by":"Ada"}"#).await;
    assert_eq!(paused.status, StatusCode::OK, "{}", paused.text);
    let shown = office.get("/v1/automation").await;
    assert_eq!(shown.text, paused.text);
    assert_eq!(
        (shown.json()["paused"]["by"].as_str(), shown.json()["running"].as_bool()),
        (Some("Ada"), Some(false))
    );

    office.post("/v1/automation/resume", r#"{"reason":"fixed"}"#).await;
    assert_eq!(office.get("/v1/automation").await.json()["running"], true);
    let history = office.get("/v1/rulesets").await.json()["history"].clone();
    assert_eq!((history[0]["event"].as_str(), history[0]["by"].as_str()), (Some("resume"), Some("operator")));
    assert_eq!(
        (history[1]["event"].as_str(), history[1]["message"].as_str()),
        (Some("pause"), Some("the feed is wrong"))
    );
}

/// Someone publishes between the read and the write of a pause: the pause holds all the same.
#[tokio::test(start_paused = true)]
async fn a_pause_that_meets_another_change_is_made_again() {
    let office = Office::open();
    let hold = office.world.hold(Matcher::operation("TransactWriteItems"), 1, Door::BeforeApply);
    let other = async {
        hold.reached().await;
        let author = Author { by: "Bob".to_owned(), message: "at the same moment".to_owned() };
        let control = &office.state.control_table;
        control.change(Event::Unshadow, None, &author, office.now()).await.expect("the first to write");
        hold.release();
    };
    let (paused, ()) = tokio::join!(office.post("/v1/automation/pause", r#"{"reason":"stop"}"#), other);
    assert_eq!(paused.status, StatusCode::OK, "{}", paused.text);
    assert_eq!(office.get("/v1/automation").await.json()["running"], false);
    assert_eq!(office.get("/v1/rulesets").await.json()["history"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_published_ruleset_is_shown_with_its_files() {
    let office = Office::open();
    let files = Files::from([("rules/a.rhai".to_owned(), b"approve(\"all\");\n".to_vec())]);
    let ruleset = Ruleset::from_files(files).unwrap();
    let author = Author { by: "Ada".to_owned(), message: "first".to_owned() };
    let control = &office.state.control_table;
    control.store_ruleset(&ruleset, &author, office.now()).await.unwrap();
    control.change(Event::Publish, Some(ruleset.sha256()), &author, office.now()).await.unwrap();

    assert_eq!(office.get("/v1/rulesets").await.json()["active"], ruleset.sha256());
    let shown = office.get(&format!("/v1/rulesets/{}", &ruleset.sha256()[..8])).await.json();
    assert_eq!(shown["label"], ruleset.label());
    assert_eq!(shown["files"]["rules/a.rhai"], "approve(\"all\");\n");
    let missing = office.get("/v1/rulesets/ffffffff").await;
    assert_eq!((missing.status, missing.problem().as_str()), (StatusCode::NOT_FOUND, "no-such-ruleset"));
}

#[tokio::test(start_paused = true)]
async fn the_status_answers_although_the_table_does_not() {
    let office = Office::open();
    office.world.inject(Rule::new(Matcher::service(Service::DynamoDb), Fault::Lost(Failure::Connection)));
    let status = office.get("/v1/status").await;
    assert_eq!(status.status, StatusCode::OK);
    assert!(status.json()["fleet"].is_null(), "nobody has looked yet");
    // Nothing answers at all: a person does not wait for the calls to give up.
    office.world.calm();
    office.world.inject(Rule::new(Matcher::service(Service::DynamoDb), Fault::Lost(Failure::Silence)));
    let started = tokio::time::Instant::now();
    assert_eq!(office.get("/v1/status").await.status, StatusCode::OK);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    // Nobody has read the switch yet: rules do not decide.
    assert_eq!(status.json()["automation"], "held");
    assert_eq!(office.get("/v1/automation").await.problem(), "unavailable");
}

/// A ruleset that may approve this much in an hour.
fn capped(budget: &str) -> Ruleset {
    let settings = format!("name = \"capped\"\n[budget]\n{budget}");
    Ruleset::from_files(Files::from([
        ("ruleset.toml".to_owned(), settings.into_bytes()),
        ("rules/a.rhai".to_owned(), b"approve(\"all\");\n".to_vec()),
    ]))
    .expect("a ruleset")
}

#[tokio::test(start_paused = true)]
async fn hourly_caps_are_shown_with_what_the_fleet_has_reserved() {
    let office = Office::open();
    assert_eq!(office.get("/v1/status").await.json()["caps"], serde_json::json!([]));
    assert!(!office.get("/metrics").await.text.contains("countersign_cap"));

    let ruleset = Arc::new(capped(
        "approvals_per_hour = 200\namount = \"order.amount\"\namount_per_hour = \"30.10\"\n",
    ));
    let state = &office.state;
    state.automation.rules.activate(Arc::clone(&ruleset));
    let pay = async || {
        let budget = &ruleset.settings().budget;
        let amount = Measured { number: Some("12.50".parse().expect("a number")), is_masked: false };
        let (now, receipt) = (office.now(), &mut Receipt::default());
        state.automation.caps.pay(&state.control_table, budget, amount, now, receipt).await.unwrap()
    };
    // 12.50 each: the third would pass the cap. Approvals are reserved two at a time.
    assert_eq!((pay().await, pay().await), (Spent::Within, Spent::Within));
    assert!(matches!(pay().await, Spent::Exhausted(_)));
    let expected = serde_json::json!([
        { "cap": "approvals", "fact": null, "limit": "200", "reserved": "4", "seen": "4" },
        { "cap": "amount", "fact": "order.amount", "limit": "30.1", "reserved": "25", "seen": "25" },
    ]);
    assert_eq!(office.get("/v1/status").await.json()["caps"], expected);
    let metrics = office.get("/metrics").await.text;
    for line in [
        "countersign_cap_limit{cap=\"approvals\"} 200.0",
        "countersign_cap_limit{cap=\"amount\"} 30.1",
        "countersign_cap_reserved{cap=\"approvals\"} 4.0",
        "countersign_cap_reserved{cap=\"amount\"} 25.0",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line}: {metrics}");
    }

    office.world.inject(Rule::new(Matcher::service(Service::DynamoDb), Fault::Lost(Failure::Connection)));
    let unknown = office.get("/v1/status").await.json()["caps"].clone();
    assert_eq!((&unknown[0]["limit"], unknown[0]["reserved"].is_null()), (&"200".into(), true));

    // An hour later nothing is reserved yet, and another ruleset has other caps.
    tokio::time::advance(Duration::from_secs(3_600)).await;
    state.automation.rules.activate(capped("approvals_per_hour = 7\n"));
    let metrics = office.get("/metrics").await.text;
    assert!(metrics.contains("countersign_cap_reserved{cap=\"approvals\"} 0.0"), "{metrics}");
    assert!(metrics.contains("countersign_cap_limit{cap=\"approvals\"} 7.0"), "{metrics}");
    assert!(!metrics.contains("cap=\"amount\""), "{metrics}");
}
