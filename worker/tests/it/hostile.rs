//! Hostile requests, byte by byte, and what each got: a refusal, or an answer that looked only at what it may look at. None
//! of them changes a table.

mod table;

use std::time::Duration;

use tokio::time::advance;
use worker::api::routes;
use worker::console;
use worker::control::tokens::{Role, Secret};

use crate::browser::{browser_of, token, with_tokens};
use crate::office::{CONTROL, Office, TABLE};
use crate::pipes::{Callers, pipes, rest};

use table::{HOST, raw};

/// The statuses and problems of every answer on a connection.
fn got(answers: &str) -> String {
    let mut got = Vec::new();
    for answer in answers.split("HTTP/1.").skip(1) {
        let status = answer.split(' ').nth(1).unwrap_or_default();
        let problem = answer.split("urn:countersign:problem:").nth(1).and_then(|rest| rest.split('"').next());
        got.push(problem.map_or_else(|| status.to_owned(), |problem| format!("{status} {problem}")));
    }
    if got.is_empty() { "closed".to_owned() } else { got.join(", ") }
}

/// Every item of both tables but the days on which tokens were last used.
fn tables(office: &Office) -> Vec<String> {
    let control = office.world.items(CONTROL);
    let control = control.iter().filter(|item| item["pk"].as_text() != Some("api-token"));
    let tasks = office.world.items(TABLE);
    let mut all: Vec<String> = tasks.iter().chain(control).map(|item| format!("{item:?}")).collect();
    all.sort();
    all
}

#[tokio::test(start_paused = true)]
async fn each_hostile_request_gets_what_it_deserves() {
    let office = with_tokens();
    let (_, task) = office.escalate("o-1", None).await;
    let (viewer, reviewer) =
        (token(&office, "eve", Role::Viewer).await, token(&office, "ada", Role::Reviewer).await);
    let stranger = Secret::generate().expect("random numbers");
    let (callers, listener) = pipes();
    office.serve(listener);
    let mut before = tables(&office);
    let cases = table::all();
    assert!(cases.len() > 100, "{}", cases.len());
    let (mut table, mut wrong) = (String::new(), String::new());
    for (what, request) in &cases {
        let request = [
            ("TASK", task.id.as_str()),
            ("REVIEWER", reviewer.reveal()),
            ("VIEWER", viewer.reveal()),
            ("STRANGER", stranger.reveal()),
        ]
        .iter()
        .fold(request.clone(), |request, (name, value)| request.replace(name, value));
        let answers = rest(&mut callers.connect(&request).await).await;
        let got = got(&answers);
        table.push_str(&format!("{what}: {got}\n"));
        for secret in [&viewer, &reviewer, &stranger] {
            assert!(!answers.contains(secret.reveal()), "{what}: the answer holds a token");
        }
        assert!(!answers.to_lowercase().contains("access-control-"), "{what}: no other site may read it");
        let after = tables(&office);
        if after != before {
            wrong.push_str(&format!("{what}: it changed a table\n"));
            before = after;
        }
        // Failed attempts of an address are counted for a minute.
        advance(Duration::from_secs(61)).await;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    insta::assert_snapshot!(table);
}

async fn read(callers: &Callers, method: &str, path: &str, credentials: &str) -> String {
    let request = raw(&format!("{method} {path}"), &[HOST, credentials, "Connection: close"], "");
    got(&rest(&mut callers.connect(&request).await).await)
}

/// GET and HEAD of every route of the API and of every page, with everything that a viewer, a reviewer and an operator may.
#[tokio::test(start_paused = true)]
async fn whoever_only_looks_changes_nothing() {
    let office = with_tokens();
    let (_, task) = office.escalate("o-1", Some(3_600)).await;
    office.receive("o-2", None).await;
    let mut credentials = vec!["X-A: 1".to_owned()];
    for role in [Role::Viewer, Role::Reviewer, Role::Author, Role::Operator] {
        credentials
            .push(format!("Authorization: Bearer {}", token(&office, role.as_str(), role).await.reveal()));
        credentials.push(format!("Cookie: {}", browser_of(&office, "ada", role).await.cookie));
    }
    let (callers, listener) = pipes();
    office.serve(listener);
    let before = tables(&office);
    let routes = [routes::matrix(), console::matrix()].concat();
    let mut paths: Vec<String> = routes
        .iter()
        .map(|(_, path, _)| path.replace("{id}", task.id.as_str()).replace("{sha256}", "ffff"))
        .collect();
    paths.extend(
        ["/v1/tasks?status=PENDING", "/v1/tasks?order_id=o-1", "/v1/tasks?day=2026-11-22"].map(str::to_owned),
    );
    assert!(paths.len() > 30, "{paths:?}");
    for path in &paths {
        for method in ["GET", "HEAD"] {
            for credentials in &credentials {
                let got = read(&callers, method, path, credentials).await;
                assert!(
                    !got.starts_with('5') || path == "/readyz" || path == "/v1/log-level",
                    "{method} {path}: {got}"
                );
                advance(Duration::from_secs(1)).await;
            }
        }
        assert_eq!(tables(&office), before, "{path} changed a table");
    }
}
