//! A person's decision over HTTP, in each way it can end.

use std::time::Duration;

use axum::http::{StatusCode, header};
use model::{Door, Failure, Fault, Matcher, Rule, Service};

use crate::office::{Office, decision};

const APPROVE: &str = r#"{"outcome":"approved","reason":"known customer","by":"Ada"}"#;
const REJECT: &str = r#"{"outcome":"rejected","reason":"no such address","by":"Bob"}"#;

#[tokio::test(start_paused = true)]
async fn an_approval_resumes_the_workflow() {
    let office = Office::open();
    let (started, task) = office.escalate("o-1", None).await;
    let answer = office.decide(&task, APPROVE).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let json = answer.json();
    assert_eq!((json["status"].as_str(), json["delivery"].as_str()), (Some("APPROVED"), Some("DELIVERED")));
    assert_eq!(json["decision"]["decidedBy"], "Ada");
    assert_eq!(answer.header(header::ETAG), format!("\"{}\"", json["etag"].as_str().expect("an ETag")));

    let execution = office.world.execution(&started.execution_arn).expect("started");
    let output: serde_json::Value = serde_json::from_str(&execution.output.expect("it goes on")).unwrap();
    assert_eq!(output["decisionId"], json["decision"]["id"]);
    assert_eq!(output["reason"], "known customer");

    // The same person, the same answer: nothing new happens.
    let again = office.decide(&task, APPROVE).await;
    assert_eq!((again.status, &again.text), (StatusCode::OK, &answer.text));
    assert_eq!(office.world.accepted(&started.token), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_fails_the_workflow_with_its_reason() {
    let office = Office::open();
    let (started, task) = office.receive("o-1", None).await;
    let answer = office.decide(&task, REJECT).await;
    assert_eq!(answer.json()["status"], "REJECTED", "{}", answer.text);
    let (name, cause) = office.world.execution(&started.execution_arn).unwrap().error.expect("it failed");
    assert_eq!(name, "Approval.Rejected");
    assert!(cause.contains("no such address"), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn the_second_of_two_people_learns_who_won() {
    let office = Office::open();
    let (started, task) = office.escalate("o-1", None).await;
    let (first, second) = tokio::join!(office.decide(&task, APPROVE), office.decide(&task, REJECT));
    let (winner, loser) = if first.status == StatusCode::OK { (first, second) } else { (second, first) };
    assert_eq!((winner.status, loser.status), (StatusCode::OK, StatusCode::CONFLICT), "{}", loser.text);
    assert_eq!(loser.problem(), "decided-otherwise");
    let by = winner.json()["decision"]["decidedBy"].as_str().unwrap().to_owned();
    let problem = loser.json();
    assert!(problem["detail"].as_str().unwrap().contains(&by), "{problem}");
    assert_eq!(problem["task"]["decision"]["decidedBy"], by);
    assert_eq!(office.world.accepted(&started.token), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_decision_is_told_that_nobody_waits() {
    let office = Office::open();
    let (started, task) = office.escalate("o-1", None).await;
    office.world.stop(&started.execution_arn);
    for _ in 0..2 {
        let answer = office.decide(&task, APPROVE).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::GONE, "expired"));
    }
    let shown = office.get(&format!("/v1/tasks/{}", task.id)).await.json();
    assert_eq!(shown["status"], "EXPIRED");
    assert!(shown["decision"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_decision_on_what_was_seen_needs_what_was_seen() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let stale = office.send(decision(&task, APPROVE, &[(header::IF_MATCH, "\"1a\"")])).await;
    assert_eq!((stale.status, stale.problem().as_str()), (StatusCode::PRECONDITION_FAILED, "changed"));
    let etag = stale.header(header::ETAG).to_owned();
    assert_eq!(etag, office.get(&format!("/v1/tasks/{}", task.id)).await.header(header::ETAG));
    let fresh = office.send(decision(&task, APPROVE, &[(header::IF_MATCH, &etag)])).await;
    assert_eq!(fresh.status, StatusCode::OK, "{}", fresh.text);
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_cannot_be_delivered_yet_is_stored_and_said_to_be() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let throttled = Fault::Refused(Service::StepFunctions.throttled());
    office.world.inject(Rule::new(Matcher::operation("SendTaskSuccess"), throttled));
    let answer = office.decide(&task, APPROVE).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    let json = answer.json();
    assert_eq!((json["status"].as_str(), json["delivery"].as_str()), (Some("ESCALATED"), Some("DUE")));
    assert_eq!(office.get("/v1/tasks?status=DUE").await.json()["tasks"][0]["taskId"], task.id.as_str());
}

#[tokio::test(start_paused = true)]
async fn a_denied_call_is_named_with_its_remedy_and_nobody_is_told_to_repeat_it() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let denied = Fault::Refused(Service::DynamoDb.access_denied());
    office.world.inject(Rule::new(Matcher::operation("GetItem"), denied));
    let answer = office.decide(&task, APPROVE).await;
    assert_eq!(answer.problem(), "unavailable");
    for part in ["GetItem on table tasks: AccessDeniedException", "dynamodb:GetItem", "ReadAndMoveTasks"] {
        assert!(answer.text.contains(part), "{}", answer.text);
    }
    assert!(!answer.text.contains("try again"), "{}", answer.text);
    assert!(!answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_a_503_and_changes_nothing() {
    for (service, operation) in
        [(Service::DynamoDb, "GetItem"), (Service::StepFunctions, "DescribeExecution")]
    {
        let office = Office::open();
        let (_, task) = office.escalate("o-1", None).await;
        office.world.inject(Rule::new(Matcher::operation(operation), Fault::Refused(service.internal())));
        let answer = office.decide(&task, APPROVE).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
        assert_eq!(answer.problem(), "unavailable");
        assert_eq!(answer.header(header::RETRY_AFTER), "2");
        office.world.calm();
        let shown = office.get(&format!("/v1/tasks/{}", task.id)).await.json();
        assert_eq!((shown["status"].as_str(), shown["revision"].as_i64()), (Some("ESCALATED"), Some(2)));
    }
}

/// The write is applied and no answer to it arrives: nobody may say that nothing was changed.
#[tokio::test(start_paused = true)]
async fn a_decision_whose_write_was_not_answered_may_stand() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let lost = Fault::AnswerLost(Failure::Connection);
    office.world.inject(Rule::new(Matcher::operation("UpdateItem"), lost));
    let answer = office.decide(&task, APPROVE).await;
    assert_eq!((answer.status, &*answer.problem()), (StatusCode::SERVICE_UNAVAILABLE, "too-slow"));
    office.world.calm();
    let shown = office.get(&format!("/v1/tasks/{}", task.id)).await.json();
    assert_eq!((shown["status"].as_str(), shown["delivery"].as_str()), (Some("ESCALATED"), Some("DUE")));
}

/// The first attempt of a write is applied and not answered, and the second is denied: the denial is not the whole truth.
#[tokio::test(start_paused = true)]
async fn a_decision_whose_write_was_refused_at_its_second_attempt_may_stand() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let writes = || Matcher::operation("UpdateItem");
    office.world.inject(Rule::new(writes(), Fault::AnswerLost(Failure::Connection)).times(1));
    office.world.inject(Rule::new(writes(), Fault::Refused(Service::DynamoDb.access_denied())));
    let answer = office.decide(&task, APPROVE).await;
    assert_eq!((answer.status, &*answer.problem()), (StatusCode::SERVICE_UNAVAILABLE, "too-slow"));
    let shown = office.get(&format!("/v1/tasks/{}", task.id)).await.json();
    assert_eq!(shown["delivery"], "DUE");
}

/// The decision is stored; the caller's connection ends before the callback: it is delivered all the same.
#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_does_not_stop_a_stored_decision() {
    let office = Office::open();
    let (started, task) = office.escalate("o-1", None).await;
    let hold = office.world.hold(Matcher::operation("SendTaskSuccess"), 1, Door::BeforeApply);
    tokio::select! {
        biased;
        answer = office.decide(&task, APPROVE) => panic!("answered before the callback: {answer:?}"),
        _ = hold.reached() => {}
    }
    hold.release();
    office.state.tracker.close();
    tokio::time::timeout(Duration::from_secs(10), office.state.tracker.wait()).await.expect("it ends");
    assert_eq!(office.world.accepted(&started.token), 1);
    assert_eq!(office.get(&format!("/v1/tasks/{}", task.id)).await.json()["status"], "APPROVED");
}

#[tokio::test(start_paused = true)]
async fn a_caller_without_a_name_is_the_operator() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let answer = office.decide(&task, r#"{"outcome":"approved"}"#).await;
    assert_eq!(answer.json()["decision"]["decidedBy"], "operator", "{}", answer.text);
}
