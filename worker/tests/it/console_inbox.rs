//! The console's inbox: what it shows, what its address filters, and what it comes to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use statemachine::task::Task;
use tokio::time::sleep;
use worker::control::tokens::Role;

use crate::browser::{Browser, browser_of, hidden, set_tokens};
use crate::office::{Answer, Office};

const RULES: [(&str, &str); 3] = [
    ("rules/none.rhai", "pass();"),
    ("ruleset.toml", "amounts = [\"order.amount\"]\n"),
    ("schema/order.toml", "[fields]\namount = { type = \"decimal\", optional = true }\n"),
];

fn count(page: &Answer) -> usize {
    page.text.matches("<tr data-task=").count()
}

/// A task with this order that waits for people for a day.
async fn waiting(office: &Office, id: &str, order: &str) -> Task {
    let (_, task) = office.receive_order(id, Some(86_400), |_| order.to_owned()).await;
    office.escalate_task(&task).await;
    task
}

#[tokio::test(start_paused = true)]
async fn the_inbox_is_filtered_by_its_address_and_goes_on_to_a_next_page() {
    let office = Office::open();
    for number in 0..503 {
        office.escalate(&format!("o-{number}"), Some(9_000 + number * 3_600)).await;
    }
    let mut ada = Browser::signed_in(&office, "name=ada").await;
    let first = ada.get("/console").await;
    assert_eq!(count(&first), 500);
    let next = first.text.split("rel=\"next\" href=\"").nth(1).expect("a next page");
    let next = next.split('"').next().expect("an address").replace("&#38;", "&");
    let second = ada.get(&next).await;
    assert_eq!(count(&second), 3, "{}", second.text);
    assert!(!second.text.contains("rel=\"next\""));
    assert_eq!(count(&ada.get("/console?order=&code=&due=8h").await), 6);
    assert_eq!(count(&ada.get("/console?code=high-amount").await), 500);
    assert_eq!(count(&ada.get("/console?order=o-7").await), 1);
    for none in ["/console?code=other", "/console?due=1h", "/console?order=o-999"] {
        assert!(ada.get(none).await.text.contains("No task matches"), "{none}");
    }
    // What a workflow calls its order cannot leave its place in the page.
    office.escalate("\"><script>alert(1)</script>", None).await;
    let found = ada.get("/console?order=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E").await;
    assert_eq!(count(&found), 1, "{}", found.text);
}

#[tokio::test(start_paused = true)]
async fn the_inbox_says_what_its_tasks_come_to_and_whose_they_are() {
    let office = Office::open_under(&RULES, |clock| clock, set_tokens);
    let mine = waiting(&office, "o-1", r#"{"amount": 10.20}"#).await;
    waiting(&office, "o-2", r#"{"amount": 0.05}"#).await;
    waiting(&office, "o-3", "{}").await;
    let mut ada = browser_of(&office, "ada", Role::Reviewer).await;
    let mut ben = browser_of(&office, "ben", Role::Reviewer).await;
    let all = ada.get("/console").await;
    for shown in ["<strong>3 tasks</strong>", "amount <strong>10.25</strong> together (1 without)"] {
        assert!(all.text.contains(shown), "{shown}: {}", all.text);
    }
    assert!(!all.text.contains("claimed by"), "{}", all.text);
    let listens =
        |page: &Answer| page.text.split("data-last=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let from = listens(&all);
    assert_eq!(from.len(), 16, "it hears of what happens after it was made: {from}");

    let page = ada.get(&format!("/console/tasks/{}", mine.id)).await;
    let form = format!("form_token={}", hidden(&page, "form_token"));
    let claimed = ada.post(&format!("/console/tasks/{}/claim", mine.id), &form).await;
    assert_eq!(claimed.status, StatusCode::SEE_OTHER, "{}", claimed.text);
    for (browser, whose, tasks, amount) in [
        (&mut ada, "me", "1 task<", "<strong>10.20</strong> together"),
        (&mut ben, "nobody", "2 tasks<", "<strong>0.05</strong> together (1 without)"),
    ] {
        let page = browser.get(&format!("/console?claimed={whose}")).await;
        assert!(page.text.contains(tasks) && page.text.contains(amount), "{whose}: {}", page.text);
        assert!(page.text.contains("name=\"claimed\" value=\""), "the filters keep it: {}", page.text);
    }
    let none = ben.get("/console?claimed=me").await;
    assert!(none.text.contains("No task matches") && listens(&none).is_empty(), "{}", none.text);
    assert_ne!(listens(&ben.get("/console").await), from, "a claim is a change");
    assert!(ben.get("/console").await.text.contains("claimed by <bdi>ada</bdi>"));
    assert_eq!(ben.get("/console?claimed=ada").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // The links to whose tasks keep the other filters.
    let due = ben.get("/console?due=8h&code=a%26b").await;
    assert!(due.text.contains("/console?code=a%26b&#38;due=8h&#38;claimed=nobody"), "{}", due.text);
    sleep(Duration::from_secs(30 * 60 + 1)).await;
    assert_eq!(count(&ben.get("/console?claimed=nobody").await), 3, "claims end by themselves");
}

#[tokio::test(start_paused = true)]
async fn a_masked_amount_is_neither_shown_nor_added() {
    let masked = RULES.map(|(path, text)| (path, text.replace("optional = true", "masked = true")));
    let masked: Vec<(&str, &str)> = masked.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let office = Office::open_under(&masked, |clock| clock, |_| {});
    waiting(&office, "o-1", r#"{"amount": 10.20}"#).await;
    let page = Browser::signed_in(&office, "name=ada").await.get("/console").await;
    assert!(page.text.contains("<strong>1 task</strong>"), "{}", page.text);
    assert!(!page.text.contains("10.20") && !page.text.contains("together"), "{}", page.text);
}

/// 16 keys of the index in one query each, and a hundred tasks in each other call.
#[tokio::test(start_paused = true)]
async fn an_inbox_of_five_hundred_tasks_takes_few_calls() {
    let office = Office::open_under(&RULES, |clock| clock, |_| {});
    for number in 0..500 {
        let order =
            format!(r#"{{"amount": {number}.50, "customer": {{"name": "Ada", "id": "c-{number}"}}}}"#);
        waiting(&office, &format!("o-{number}"), &order).await;
    }
    let mut ada = Browser::signed_in(&office, "name=ada").await;
    let calls: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&calls);
    office.world.listen(move |call| heard.lock().unwrap().push(call.operation.clone()));
    #[expect(clippy::disallowed_methods, reason = "virtual time stands still")]
    let started = std::time::Instant::now();
    let page = ada.get("/console").await;
    println!("an inbox of 500 tasks: {:?}, {} KiB", started.elapsed(), page.text.len() / 1_024);
    assert!(page.text.contains("<strong>125000.00</strong> together"), "the sum of them all");
    assert_eq!(count(&page), 500);
    let mut calls = std::mem::take(&mut *calls.lock().unwrap());
    calls.sort();
    let (batches, queries) = calls.split_at(5);
    assert!(batches.iter().all(|call| call == "BatchGetItem"), "{calls:?}");
    assert!(queries.len() == 16 && queries.iter().all(|call| call == "Query"), "{calls:?}");
    #[expect(clippy::disallowed_methods, reason = "virtual time stands still")]
    let started = std::time::Instant::now();
    let list = office.get("/v1/tasks?status=ESCALATED").await;
    println!("a list of 50 of them: {:?}, {} KiB", started.elapsed(), list.text.len() / 1_024);
    assert_eq!(list.json()["tasks"].as_array().unwrap().len(), 50);
}
