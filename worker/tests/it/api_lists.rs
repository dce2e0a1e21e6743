//! Lists of tasks over HTTP: each task once, in order, however the pages fall.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::Value as Json;
use statemachine::token::TaskId;

use crate::office::{Office, list_of};

/// Every page of a query, each at most `limit` long.
async fn pages(office: &Office, query: &str, limit: usize) -> Vec<Vec<Json>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = office.get(&format!("/v1/tasks?{query}&limit={limit}{cursor}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let json = answer.json();
        pages.push(json["tasks"].as_array().expect("a list").clone());
        match json.get("cursor").and_then(Json::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

fn ids(tasks: &[Json]) -> Vec<String> {
    tasks.iter().map(|task| task["taskId"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_escalated_task_is_listed_once_the_soonest_first() {
    let office = Office::open();
    let mut expected = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for number in 0..90_u64 {
        // A third has no deadline, and so the same place in its list.
        let timeout = (!number.is_multiple_of(3)).then_some(1_000 + (number * 37) % 500);
        let (_, task) = office.escalate(&format!("o-{number}"), timeout).await;
        expected.insert(task.id.to_string());
        keys.insert(list_of(&task));
    }
    assert!(keys.len() > 10, "the tasks are spread over {keys:?}");
    for limit in [7, 30, 200] {
        let pages = pages(&office, "status=ESCALATED", limit).await;
        assert!(pages.iter().all(|page| page.len() <= limit));
        assert!(pages[..pages.len() - 1].iter().all(|page| page.len() == limit), "only the last is short");
        let listed: Vec<Json> = pages.concat();
        assert_eq!(listed.len(), 90, "limit {limit}: none twice");
        assert_eq!(
            ids(&listed).into_iter().collect::<BTreeSet<_>>(),
            expected,
            "limit {limit}: none missing"
        );
        let deadlines: Vec<&str> =
            listed.iter().map(|task| task["deadline"].as_str().unwrap_or("9999")).collect();
        assert!(deadlines.is_sorted(), "limit {limit}: {deadlines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reading_changes_nothing() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", Some(600)).await;
    let before = office.world.items("tasks");
    for path in ["/v1/tasks", "/v1/tasks?order_id=o-1", "/v1/status", "/metrics", "/readyz"] {
        office.get(path).await;
    }
    office.get(&format!("/v1/tasks/{}", task.id)).await;
    assert_eq!(office.world.items("tasks"), before);
}

#[tokio::test(start_paused = true)]
async fn a_page_can_go_on_after_its_last_task_moved_away() {
    let office = Office::open();
    for number in 0..20 {
        office.escalate(&format!("o-{number}"), None).await;
    }
    let first = office.get("/v1/tasks?status=ESCALATED&limit=10").await.json();
    let shown = ids(first["tasks"].as_array().unwrap());
    for id in &shown {
        let task = office.state.tasks.get(&TaskId::parse(id).unwrap()).await.unwrap().expect("stored");
        assert_eq!(office.decide(&task, r#"{"outcome":"approved"}"#).await.status, StatusCode::OK);
    }
    let cursor = first["cursor"].as_str().expect("more");
    let rest = office.get(&format!("/v1/tasks?status=ESCALATED&limit=20&cursor={cursor}")).await.json();
    let rest = ids(rest["tasks"].as_array().unwrap());
    assert_eq!(rest.len(), 10);
    assert!(rest.iter().all(|id| !shown.contains(id)));
}

#[tokio::test(start_paused = true)]
async fn tasks_are_found_by_order_by_day_and_by_deadline() {
    let office = Office::open();
    let (_, soon) = office.escalate("o-1", Some(600)).await;
    let (_, later) = office.escalate("o-2", Some(6_000)).await;
    let (_, again) = office.escalate("o-1", None).await;

    for limit in [1, 10] {
        let by_order: BTreeSet<_> =
            ids(&pages(&office, "order_id=o-1", limit).await.concat()).into_iter().collect();
        assert_eq!(by_order, [&soon, &again].map(|task| task.id.to_string()).into());
    }
    assert_eq!(pages(&office, "order_id=none", 10).await.concat(), Vec::<Json>::new());

    let before = office.now() + jiff::SignedDuration::from_secs(1_000);
    let due = pages(&office, &format!("due_before={before}"), 10).await.concat();
    assert_eq!(ids(&due), [soon.id.to_string()]);

    office.decide(&soon, r#"{"outcome":"approved"}"#).await;
    office.decide(&later, r#"{"outcome":"rejected","reason":"no"}"#).await;
    let day = worker::clock::day(office.now());
    assert_eq!(ids(&pages(&office, &format!("day={day}"), 10).await.concat()).len(), 2);
    let rejected = pages(&office, &format!("day={day}&status=REJECTED"), 1).await.concat();
    assert_eq!(ids(&rejected), [later.id.to_string()]);
    assert_eq!(pages(&office, "day=2000-01-01", 10).await.concat(), Vec::<Json>::new());
}

#[tokio::test(start_paused = true)]
async fn a_cursor_is_only_for_its_own_query() {
    let office = Office::open();
    for _ in 0..3 {
        office.escalate("o-1", None).await;
    }
    let of = |answer: Json| answer["cursor"].as_str().expect("more").to_owned();
    let list = of(office.get("/v1/tasks?status=ESCALATED&limit=1").await.json());
    let order = of(office.get("/v1/tasks?order_id=o-1&limit=1").await.json());
    for query in [
        format!("status=DUE&cursor={list}"),
        format!("order_id=o-1&cursor={list}"),
        format!("status=ESCALATED&cursor={order}"),
        format!("order_id=o-2&cursor={order}"),
        "cursor=AAAA".to_owned(),
    ] {
        let answer = office.get(&format!("/v1/tasks?{query}")).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid-request")
        );
        assert!(answer.json()["detail"].as_str().unwrap().contains("cursor"), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_filtered_by_what_its_tasks_say() {
    let office = Office::open();
    let start = worker::clock::text(office.now());
    let mut ids = Vec::new();
    for number in 0..30 {
        let (_, task) = office.escalate(&format!("o-{number}"), None).await;
        ids.push(task.id.to_string());
    }
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let middle = worker::clock::text(office.now());
    let (started, late) = office.escalate("late", None).await;
    office.decide(&late, r#"{"outcome":"approved","by":"ada"}"#).await;
    let found = async |query: &str| {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = office.get(&format!("/v1/tasks?{query}{cursor}")).await;
            assert_eq!(page.status, 200, "{query}: {}", page.text);
            let page = page.json();
            let tasks = page["tasks"].as_array().expect("tasks");
            found.extend(tasks.iter().map(|task| task["taskId"].as_str().expect("an id").to_owned()));
            let Some(next) = page["cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        found.sort();
        found
    };
    ids.sort();
    assert_eq!(found("status=ESCALATED&code=high-amount&limit=7").await, ids);
    assert!(found(&format!("status=ESCALATED&received_before={start}&limit=9")).await.is_empty());
    assert_eq!(found(&format!("status=ESCALATED&received_before={middle}")).await, ids);
    assert!(found("status=ESCALATED&code=other").await.is_empty());
    assert!(found("status=ESCALATED&rule=none").await.is_empty());
    assert!(found("status=ESCALATED&workflow=none").await.is_empty());
    let workflow = started.execution_arn.split(':').nth(6).expect("an execution's ARN");
    assert_eq!(found(&format!("status=ESCALATED&workflow={workflow}")).await, ids);
    let day = &worker::clock::text(office.now())[..10];
    assert_eq!(found(&format!("day={day}&code=decided-by-person")).await, [late.id.to_string()]);
    for bad in ["code=", "rule=", "workflow=", "received_before=today"] {
        assert_eq!(office.get(&format!("/v1/tasks?{bad}")).await.problem(), "invalid-request", "{bad}");
    }
}
