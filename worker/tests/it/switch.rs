//! The automation switch where it is edited, deleted or not answered: rules decide only by a readable "not paused".

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::StatusCode;
use model::{Failure, Fault, Item, Matcher, Rule, Service, ServiceError, Value};
use rules::{Files, Ruleset};
use statemachine::status::Status;
use statemachine::task::Task;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use worker::control::gate::{self, ControlItem, Gate, Permit};
use worker::control::rule_store::{Author, Event, StoreError};
use worker::lease::guard::{Guard, Validity};

use crate::office::Office;

/// How soon a worker follows.
const FOLLOWED: Duration = Duration::from_secs(2);

fn office() -> Office {
    let office = Office::open();
    let files = Files::from([("rules/all.rhai".to_owned(), b"approve(\"all\");".to_vec())]);
    office.state.automation.rules.activate(Ruleset::from_files(files).expect("a ruleset"));
    follow(&office, office.state.automation.gate.clone());
    office
}

/// A worker that starts now.
fn follow(office: &Office, gate: Gate) {
    let followed = watch::Sender::new(ControlItem::default());
    let (table, metrics) = (office.state.control_table.clone(), office.state.metrics.clone());
    office.state.tracker.spawn(gate::follow(table, gate, metrics, followed));
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

async fn edit(office: &Office, attribute: &str, value: AttributeValue) {
    edit_item(office, "control", "control", attribute, value).await;
}

async fn edit_item(office: &Office, pk: &str, sk: &str, attribute: &str, value: AttributeValue) {
    let client = office.world.client_for("operator").dynamodb();
    let request = client.update_item().table_name("control").key("pk", text(pk));
    let request = request.key("sk", text(sk)).update_expression("SET #name = :value");
    let request = request.expression_attribute_names("#name", attribute);
    request.expression_attribute_values(":value", value).send().await.expect("the model answers");
}

fn delete(office: &Office) {
    let key = || Value::S("control".to_owned());
    let key = Item::from([("pk".to_owned(), key()), ("sk".to_owned(), key())]);
    assert!(office.world.delete_item("control", &key), "there was an item");
}

/// The outcome of a new order within ten seconds.
async fn decide(office: &Office, order_id: &str) -> Task {
    let (_, task) = office.receive(order_id, None).await;
    let validity = Validity::until(Instant::now() + Duration::from_secs(10));
    let guard = Guard::new(validity, CancellationToken::new());
    let _ = office.state.pipeline.decide(&task, &guard).await;
    office.state.tasks.get(&task.id).await.expect("the model answers").expect("it is stored")
}

async fn assert_held(office: &Office, why: &str) {
    sleep(FOLLOWED).await;
    let task = decide(office, &format!("held-{}", office.world.executions().len())).await;
    assert_eq!((task.status, task.decision), (Status::Pending, None), "a rule decided, {why}");
    let shown = office.get("/v1/automation").await.json();
    assert_eq!(shown["running"], false, "{shown}");
    assert!(shown["held"].as_str().is_some_and(|held| held.contains(why)), "{why}: {shown}");
    let status = office.get("/v1/status").await.json();
    assert_eq!(status["automation"], "held", "{status}");
    assert!(status["held"].as_str().is_some_and(|held| held.contains(why)), "{why}: {status}");
    let metrics = office.get("/metrics").await.text;
    assert!(is_held(&metrics), "no alarm");
    assert!(!metrics.contains("systemic_faults_total{service=\"control\"} 0"), "no alarm");
}

async fn assert_running(office: &Office) {
    let resumed = office.post("/v1/automation/resume", r#"{"reason":"mended","by":"ada"}"#).await;
    assert_eq!(resumed.status, StatusCode::OK, "{}", resumed.text);
    sleep(FOLLOWED).await;
    let task = decide(office, &format!("running-{}", office.world.executions().len())).await;
    assert_eq!(task.status, Status::Approved);
    assert!(!is_held(&office.get("/metrics").await.text));
}

fn is_held(metrics: &str) -> bool {
    metrics.lines().any(|line| line == "countersign_automation_held 1")
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_cannot_be_read_lets_no_rule_decide() {
    let office = office();
    assert_running(&office).await;
    let map = |reason: &str| AttributeValue::M(HashMap::from([("reason".to_owned(), text(reason))]));
    for (attribute, value) in [
        ("paused", map("the feed is wrong")),
        ("paused", AttributeValue::Bool(true)),
        ("paused", AttributeValue::Bool(false)),
        ("paused", AttributeValue::N("1".to_owned())),
        ("paused", AttributeValue::Null(true)),
        ("paused", text("the feed is wrong")),
        ("revision", text("7")),
        ("revision", AttributeValue::N("9223372036854775807".to_owned())),
    ] {
        edit(&office, attribute, value).await;
        assert_held(&office, attribute).await;
        // Somebody who wants to stop everything can, whatever stands there.
        let paused = office.post("/v1/automation/pause", r#"{"reason":"stop"}"#).await;
        assert_eq!(paused.status, StatusCode::OK, "{}", paused.text);
        assert_running(&office).await;
    }
    // Who resumes must not let rules decide by a ruleset that nobody can read.
    edit(&office, "active", AttributeValue::N("1".to_owned())).await;
    assert_held(&office, "active").await;
    let resumed = office.post("/v1/automation/resume", r#"{"reason":"r"}"#).await;
    assert_eq!(resumed.problem(), "damaged-item", "{}", resumed.text);
    let paused = office.post("/v1/automation/pause", r#"{"reason":"stop"}"#).await;
    assert_eq!(paused.status, StatusCode::OK, "{}", paused.text);
}

/// During an update: what a newer version wrote means something else, so that not even a pause may be written into it.
#[tokio::test(start_paused = true)]
async fn a_switch_of_a_newer_version_holds_and_is_not_written() {
    let office = office();
    assert_running(&office).await;
    edit(&office, "format", AttributeValue::N("2".to_owned())).await;
    assert_held(&office, "format 2").await;
    let before = office.world.items("control");
    for change in ["pause", "resume"] {
        let answer = office.post(&format!("/v1/automation/{change}"), r#"{"reason":"stop"}"#).await;
        assert_eq!(answer.problem(), "damaged-item", "{}", answer.text);
        assert!(answer.text.contains("a newer version wrote it; update this one"), "{}", answer.text);
    }
    let of_control = |items: Vec<std::sync::Arc<Item>>| {
        items.into_iter().filter(|item| item["pk"].as_text() == Some("control")).collect::<Vec<_>>()
    };
    assert_eq!(of_control(office.world.items("control")), of_control(before));
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_is_deleted_holds_and_comes_back_from_its_history() {
    let office = office();
    let (table, author) =
        (&office.state.control_table, Author { by: "ada".to_owned(), message: "first".to_owned() });
    table.change(Event::Publish, Some("aa"), &author, office.now()).await.expect("the model answers");
    office.post("/v1/automation/pause", r#"{"reason":"the feed is wrong"}"#).await;
    sleep(FOLLOWED).await;
    delete(&office);
    assert_held(&office, "was deleted").await;
    // A worker that starts now has never seen it.
    let late = Gate::default();
    follow(&office, late.clone());
    sleep(FOLLOWED).await;
    assert_eq!(late.permit(), Permit::Unknown);
    assert!(late.damage().is_some_and(|damage| damage.contains("was deleted")));

    assert_running(&office).await;
    assert_eq!(late.permit(), Permit::Automatic);
    let item = table.read_control_item().await.expect("it is whole");
    assert_eq!((item.revision, item.active.as_deref(), item.paused), (3, Some("aa"), None));
    assert_eq!(table.history().await.expect("the model answers").len(), 3);
}

/// A line that this version cannot read is a change that it would undo.
#[tokio::test(start_paused = true)]
async fn a_switch_is_not_recreated_from_a_history_that_a_newer_version_wrote() {
    let office = office();
    assert_running(&office).await;
    let newer = AttributeValue::N("2".to_owned());
    edit_item(&office, "history", "0000000001", "format", newer).await;
    delete(&office);
    let resumed = office.post("/v1/automation/resume", r#"{"reason":"r"}"#).await;
    assert_eq!(resumed.problem(), "damaged-item", "{}", resumed.text);
    assert!(resumed.text.contains("line 0000000001 of the history: it has format 2"), "{}", resumed.text);
    assert_held(&office, "was deleted").await;
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_is_known_as_ones_own() {
    let office = office();
    let transactions = || Matcher::operation("TransactWriteItems");
    let cancelled = ServiceError::new(Service::DynamoDb, "TransactionCanceledException", "told");
    for fault in [
        Fault::AnswerLost(Failure::Connection),
        Fault::AppliedButRefused(cancelled),
        Fault::AppliedButRefused(Service::DynamoDb.internal()),
    ] {
        let rule = office.world.inject(Rule::new(transactions(), fault));
        let before = office.state.control_table.history().await.expect("the model answers").len();
        let paused = office.post("/v1/automation/pause", r#"{"reason":"stop"}"#).await;
        assert_eq!(paused.status, StatusCode::OK, "{}", paused.text);
        let after = office.state.control_table.history().await.expect("the model answers").len();
        assert_eq!(after, before + 1, "it was made once");
        office.world.end(rule);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_may_stand_is_never_told_to_be_none() {
    let office = office();
    // Applied, and then nobody answers anything.
    office
        .world
        .inject(Rule::new(Matcher::operation("TransactWriteItems"), Fault::AnswerLost(Failure::Timeout)));
    let lines = Matcher::operation("GetItem").when(|call| call.body["Key"]["pk"]["S"] == "history");
    office.world.inject(Rule::new(lines, Fault::Lost(Failure::Timeout)));
    let paused = office.post("/v1/automation/pause", r#"{"reason":"stop"}"#).await;
    assert_eq!(paused.problem(), "too-slow", "{}", paused.text);
    assert!(!paused.text.contains("nothing was changed"), "{}", paused.text);
    office.world.calm();
    assert_eq!(office.get("/v1/automation").await.json()["running"], false, "it stands");

    // Not applied as far as anybody can see: a late one may still come.
    office.world.inject(Rule::new(Matcher::operation("TransactWriteItems"), Fault::Lost(Failure::Timeout)));
    let author = Author { by: "ada".to_owned(), message: "m".to_owned() };
    let changed = office.state.control_table.change(Event::Resume, None, &author, office.now()).await;
    assert!(matches!(changed, Err(StoreError::MayStand(_))), "{changed:?}");
}

#[tokio::test(start_paused = true)]
async fn that_rules_hold_shows_within_two_seconds() {
    let office = office();
    assert!(is_held(&office.get("/metrics").await.text), "nobody has read the switch yet");
    sleep(FOLLOWED).await;
    assert!(!is_held(&office.get("/metrics").await.text));
    office.world.inject(Rule::new(Matcher::service(Service::DynamoDb), Fault::Lost(Failure::Silence)));
    sleep(FOLLOWED).await;
    assert!(is_held(&office.get("/metrics").await.text));
    office.world.calm();
    sleep(FOLLOWED).await;
    assert!(!is_held(&office.get("/metrics").await.text), "and it is over as soon");
}
