//! Many decisions at once: each is made by itself, only on what was reviewed, and each has its result.

use axum::http::{StatusCode, header};
use serde_json::{Value as Json, json};
use statemachine::status::Status;
use statemachine::task::Task;
use worker::control::tokens::Role;

use crate::browser::{browser_of, hidden, set_tokens, with_tokens};
use crate::office::{Answer, Office};

async fn etag(office: &Office, task: &Task) -> String {
    let shown = office.get(&format!("/v1/tasks/{}", task.id)).await;
    shown.json()["etag"].as_str().expect("an ETag").to_owned()
}

async fn entry(office: &Office, task: &Task, outcome: &str, reason: &str) -> Json {
    json!({ "taskId": task.id, "etag": etag(office, task).await, "outcome": outcome, "reason": reason })
}

async fn send(office: &Office, decisions: &[Json], dry_run: bool) -> Answer {
    let body = json!({ "decisions": decisions, "dryRun": dry_run, "by": "ada" }).to_string();
    office.post("/v1/tasks:batch", &body).await
}

fn results(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let json = answer.json();
    let told = json["results"].as_array().expect("results").iter().map(|result| {
        let kind = result["type"].as_str().unwrap_or_default();
        let kind = kind.trim_start_matches("urn:countersign:problem:");
        format!("{} {kind}", result["result"].as_str().expect("a result")).trim_end().to_owned()
    });
    told.collect()
}

async fn status(office: &Office, task: &Task) -> Status {
    office.state.tasks.get(&task.id).await.expect("the model answers").expect("it is stored").status
}

const RULES: [(&str, &str); 3] = [
    ("rules/none.rhai", "pass();"),
    ("ruleset.toml", "[people]\namount = \"order.amount\"\nsecond_from = 1000\n"),
    (
        "schema/order.toml",
        "requester = \"agent\"\n[fields]\namount = \"money\"\nagent = { type = \"text\", optional = true }\n",
    ),
];

#[tokio::test(start_paused = true)]
async fn each_decision_of_a_batch_has_its_own_result_and_a_dry_run_says_it_before() {
    let office = Office::open_under(&RULES, |clock| clock, |_| {});
    let mut tasks = Vec::new();
    for order in [
        r#"{"amount":1}"#,
        r#"{"amount":2}"#,
        r#"{"amount":5000}"#,
        r#"{"amount":3,"agent":"ada"}"#,
        r#"{"amount":4}"#,
        r#"{"amount":6}"#,
    ] {
        let (started, task) = office.receive_order("o", None, |_| order.to_owned()).await;
        office.escalate_task(&task).await;
        tasks.push((started, task));
    }
    let mut decisions = Vec::new();
    for (number, (_, task)) in tasks.iter().enumerate() {
        let (outcome, reason) = if number == 1 { ("rejected", "no") } else { ("approved", "") };
        decisions.push(entry(&office, task, outcome, reason).await);
    }
    // The fifth is not what was reviewed, and the workflow of the sixth has ended.
    decisions[4]["etag"] = json!("0123");
    office.world.stop(&tasks[5].0.execution_arn);
    let expected =
        ["decided", "decided", "first-approved", "refused own-request", "refused changed", "refused expired"];
    let before = office.world.items("tasks");
    assert_eq!(results(&send(&office, &decisions, true).await), expected);
    assert!(before == office.world.items("tasks"), "a dry run changed something");
    let made = send(&office, &decisions, false).await;
    assert_eq!(results(&made), expected);
    let ids: Vec<&str> = tasks.iter().map(|(_, task)| task.id.as_str()).collect();
    let json = made.json();
    let told = json["results"].as_array().expect("results").iter();
    assert_eq!(told.map(|result| result["taskId"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    for (number, expected) in [
        Status::Approved,
        Status::Rejected,
        Status::Escalated,
        Status::Escalated,
        Status::Escalated,
        Status::Expired,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(status(&office, &tasks[number].1).await, expected, "{number}");
    }
    // The same batch again finds each as it was left; the first two have this decision already.
    assert_eq!(results(&send(&office, &decisions[..3], false).await)[..2], expected[..2]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_wrong_as_a_whole_decides_nothing() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let one = entry(&office, &task, "approved", "").await;
    let many = vec![one.clone(); 51];
    for decisions in [&[][..], &[one.clone(), one.clone()], &many] {
        let answer = send(&office, decisions, false).await;
        assert_eq!(answer.problem(), "invalid-request", "{}", answer.text);
    }
    for body in [
        "{}",
        r#"{"decisions":[{"taskId":"x","etag":"1","outcome":"approved"}]}"#,
        r#"{"decisions":[{"taskId":"7a7816bf8f01cfea414140de5dae2223","outcome":"approved"}]}"#,
    ] {
        assert_eq!(
            office.post("/v1/tasks:batch", body).await.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{body}"
        );
    }
    let unreasoned = entry(&office, &task, "rejected", " ").await;
    assert_eq!(results(&send(&office, &[unreasoned], false).await), ["refused invalid-request"]);
    assert_eq!(status(&office, &task).await, Status::Escalated);
}

#[tokio::test(start_paused = true)]
async fn the_console_previews_a_selection_and_decides_it() {
    let office = Office::open_under(&RULES, |clock| clock, set_tokens);
    let mut tasks = Vec::new();
    for order in [r#"{"amount":1}"#, r#"{"amount":2,"agent":"ada"}"#, r#"{"amount":7000}"#] {
        let (_, task) = office.receive_order("o-<1>", None, |_| order.to_owned()).await;
        office.escalate_task(&task).await;
        tasks.push(task);
    }
    let mut ada = browser_of(&office, "ada", Role::Reviewer).await;
    let inbox = ada.get("/console").await;
    for task in &tasks {
        assert!(inbox.text.contains(&format!("name=\"task\" value=\"{}\"", task.id)), "{}", inbox.text);
    }
    let query: Vec<String> = tasks.iter().map(|task| format!("task={}", task.id)).collect();
    let path = format!("/console/bulk?{}", query.join("&"));
    let before = office.world.items("tasks");
    let preview = ada.get(&path).await;
    for text in
        ["Would be approved.", "names you as its requester", "first of two approvals", "o-&#60;1&#62;"]
    {
        assert!(preview.text.contains(text), "{text}: {}", preview.text);
    }
    assert!(before == office.world.items("tasks"), "a preview changed something");
    let mut form = format!("form_token={}", hidden(&preview, "form_token"));
    for task in &tasks {
        let start = format!("name=\"task\" value=\"{}:", task.id);
        let (_, rest) = preview.text.split_once(&start).expect("the task's field");
        let etag = rest.split('"').next().expect("an ETag");
        form.push_str(&format!("&task={}%3A{etag}", task.id));
    }
    let unreasoned = ada.post("/console/bulk", &format!("{form}&outcome=rejected&reason=+")).await;
    assert_eq!(unreasoned.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unreasoned.text.contains("enter a reason"), "{}", unreasoned.text);
    let strange = ada.post("/console/bulk", &form.replacen("form_token=", "form_token=x", 1)).await;
    assert_eq!(strange.status, StatusCode::FORBIDDEN);
    let done = ada.post("/console/bulk", &format!("{form}&outcome=approved&reason=known")).await;
    assert!(done.text.contains("2 of 3 done"), "{}", done.text);
    assert_eq!(status(&office, &tasks[0]).await, Status::Approved);
    assert_eq!(status(&office, &tasks[1]).await, Status::Escalated);
    assert_eq!(ada.get("/console/bulk").await.header(header::LOCATION), "/console");
    // Who may not decide has nothing to select.
    let mut vic = browser_of(&office, "vic", Role::Viewer).await;
    assert!(!vic.get("/console").await.text.contains("type=\"checkbox\""));
    assert_eq!(vic.get(&path).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn a_selection_is_decided_only_as_its_preview_showed_it() {
    let office = with_tokens();
    let (_, task) = office.escalate("o-1", None).await;
    let mut ada = browser_of(&office, "ada", Role::Reviewer).await;
    let preview = ada.get(&format!("/console/bulk?task={}", task.id)).await;
    let token = hidden(&preview, "form_token");
    let stale = format!("form_token={token}&task={}%3A00aa&outcome=approved&reason=x", task.id);
    let done = ada.post("/console/bulk", &stale).await;
    assert!(done.text.contains("0 of 1 done"), "{}", done.text);
    assert_eq!(status(&office, &task).await, Status::Escalated);
}
