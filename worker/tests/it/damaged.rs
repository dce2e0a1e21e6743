//! A task whose item somebody edited by hand, as people meet it.

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::StatusCode;

use crate::office::Office;

/// The worker that wrote it may decide it; this one would misread it.
#[tokio::test(start_paused = true)]
async fn a_task_of_a_newer_version_is_named_and_left_as_it_is() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", Some(600)).await;
    let client = office.world.client_for("operator").dynamodb();
    let edit = client.update_item().table_name("tasks").update_expression("SET #format = :three");
    let edit = edit.key("taskId", AttributeValue::S(task.id.to_string()));
    let edit = edit.expression_attribute_names("#format", "format");
    let edit = edit.expression_attribute_values(":three", AttributeValue::N("3".to_owned()));
    edit.send().await.expect("the model answers");
    let before = office.world.items("tasks");
    let decided = office.decide(&task, r#"{"outcome":"approved","by":"ada"}"#).await;
    assert_eq!(decided.problem(), "damaged-item", "{}", decided.text);
    assert!(decided.text.contains("format 3, and this version knows only format 2"), "{}", decided.text);
    assert_eq!(office.world.items("tasks"), before);
}

/// A final status without a decision was "look at it again" without end.
#[tokio::test(start_paused = true)]
async fn a_damaged_task_is_named_and_cannot_be_decided() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", Some(600)).await;
    let client = office.world.client_for("operator").dynamodb();
    let edit = |status: &str| {
        let request = client.update_item().table_name("tasks").update_expression("SET #status = :status");
        request
            .key("taskId", AttributeValue::S(task.id.to_string()))
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", AttributeValue::S(status.to_owned()))
            .send()
    };
    for (status, what) in [
        ("APPROVED", "no task can have status APPROVED, no decision, delivery none"),
        ("approved", "attribute status is not a known status"),
    ] {
        edit(status).await.expect("the model answers");
        let shown = office.get(&format!("/v1/tasks/{}", task.id)).await;
        assert_eq!(
            (shown.status, shown.problem().as_str()),
            (StatusCode::INTERNAL_SERVER_ERROR, "damaged-item")
        );
        let decided = office.decide(&task, r#"{"outcome":"approved","by":"ada"}"#).await;
        assert_eq!(decided.problem(), "damaged-item", "{}", decided.text);
        assert!(decided.text.contains(what), "{}", decided.text);
    }
    edit("ESCALATED").await.expect("the model answers");
    let decided = office.decide(&task, r#"{"outcome":"approved","by":"ada"}"#).await;
    assert_eq!(decided.status, StatusCode::OK, "{}", decided.text);
}
