//! What people hear of changes, as long as their pages are open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use worker::api::serve;
use worker::console::pages;

use crate::browser::Browser;
use crate::office::Office;
use crate::pipes::{Callers, pipes, rest};

/// For two looks at the worklists.
const SOON: Duration = Duration::from_secs(5);
/// As many places as there are for connections with events.
const PLACES: usize = 64;

fn request(headers: &str) -> String {
    format!("GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1:8420\r\nConnection: close\r\n{headers}\r\n")
}

/// Reads until the text has come, and returns all that came; it must have neither a token nor an order.
async fn until(pipe: &mut (impl AsyncRead + Unpin), text: &str) -> String {
    let (mut all, mut buffer) = (String::new(), [0; 4_096]);
    let read = async {
        while !all.contains(text) {
            let count = pipe.read(&mut buffer).await.expect("a pipe");
            assert!(count > 0, "ended before {text:?}: {all}");
            all.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    timeout(SOON, read).await.unwrap_or_else(|_| panic!("no {text:?} in time"));
    for hidden in ["AAAAKgAAAAI", "o-1", "high-amount", "12.50"] {
        assert!(!all.contains(hidden), "{hidden} in {all}");
    }
    all
}

fn last_id(text: &str) -> String {
    let line = text.lines().rev().find_map(|line| line.strip_prefix("id: "));
    line.unwrap_or_else(|| panic!("no id in {text}")).to_owned()
}

fn served(office: &Office) -> (Callers, CancellationToken) {
    let (callers, listener) = pipes();
    let stop = CancellationToken::new();
    let (state, pages) = (office.state.clone(), pages(&office.state));
    office.state.tracker.spawn(serve(listener, state, pages, stop.clone()));
    (callers, stop)
}

#[tokio::test(start_paused = true)]
async fn a_reader_hears_what_comes_what_changes_and_what_is_gone() {
    let office = Office::open();
    let (callers, _stop) = served(&office);
    let (_, first) = office.escalate("o-1", None).await;
    let mut reader = callers.connect(&request("")).await;
    let begun = until(&mut reader, "event: waiting").await;
    assert!(begun.contains("content-type: text/event-stream") && begun.contains("retry: 3000"), "{begun}");
    let (_, second) = office.escalate("o-1b", None).await;
    let came = until(&mut reader, "event: tasks").await;
    assert!(came.contains(&format!("\"appeared\":[\"{}\"]", second.id)), "{came}");
    office.post(&format!("/v1/tasks/{}/claim", second.id), r#"{"by":"ada"}"#).await;
    let claimed = until(&mut reader, "event: tasks").await;
    assert!(claimed.contains(&format!("\"changed\":[\"{}\"]", second.id)), "{claimed}");
    office.decide(&first, r#"{"outcome":"approved","by":"ada"}"#).await;
    let gone = until(&mut reader, "event: tasks").await;
    assert!(gone.contains(&format!("\"gone\":[\"{}\"]", first.id)), "{gone}");
    assert!(gone.contains("\"waiting\":1"), "{gone}");
}

#[tokio::test(start_paused = true)]
async fn any_worker_goes_on_from_the_last_event_of_another() {
    let office = Office::open();
    let (callers, _stop) = served(&office);
    let (_, task) = office.escalate("o-1", None).await;
    let first = until(&mut callers.connect(&request("")).await, "event: waiting").await;
    let header = format!("Last-Event-ID: {}\r\n", last_id(&first));
    let mut other = office.state.clone();
    other.events = worker::api::events::Events::default();
    let (others, listener) = pipes();
    let served = serve(listener, other, pages(&office.state), CancellationToken::new());
    office.state.tracker.spawn(served);
    let same = until(&mut others.connect(&request(&header)).await, "event: ").await;
    assert!(same.contains("event: waiting"), "nothing was missed: {same}");
    office.decide(&task, r#"{"outcome":"approved","by":"ada"}"#).await;
    sleep(SOON).await;
    let missed = until(&mut others.connect(&request(&header)).await, "event: ").await;
    assert!(missed.contains("event: reload"), "{missed}");
}

#[tokio::test(start_paused = true)]
async fn readers_share_one_look_and_nobody_s_means_no_call() {
    let office = Office::open();
    let (callers, _stop) = served(&office);
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    office.world.listen(move |call| {
        if call.operation == "Query" {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    sleep(Duration::from_secs(60)).await;
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    let mut readers = Vec::new();
    for _ in 0..PLACES {
        readers.push(callers.connect(&request("")).await);
    }
    sleep(Duration::from_secs(20)).await;
    let looks = calls.load(Ordering::Relaxed) / 16;
    assert!((9..=11).contains(&looks), "{looks} looks in 20 s for {PLACES} readers");
    drop(readers);
    sleep(Duration::from_secs(10)).await;
    let before = calls.load(Ordering::Relaxed);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(calls.load(Ordering::Relaxed), before);
}

#[tokio::test(start_paused = true)]
async fn readers_have_places_of_their_own_for_a_while_and_end_with_the_worker() {
    let office = Office::open();
    let (callers, stop) = served(&office);
    let mut readers = Vec::new();
    let opened = Instant::now();
    for _ in 0..PLACES {
        let mut reader = callers.connect(&request("")).await;
        until(&mut reader, "event: waiting").await;
        readers.push(reader);
    }
    let refused = rest(&mut callers.connect(&request("")).await).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains(":busy"), "{refused}");
    assert!(callers.get("/v1/status").await.starts_with("HTTP/1.1 200 "), "others have their own places");
    // One that is closed gives its place back; one that reads nothing gives it back too, in time.
    drop(readers.pop());
    sleep(Duration::from_secs(1)).await;
    let mut last = callers.connect(&request("")).await;
    until(&mut last, "event: waiting").await;
    let end = rest(&mut readers[0]).await;
    assert!(end.contains(": still here"), "{end}");
    assert!((295..=301).contains(&opened.elapsed().as_secs()), "{:?}", opened.elapsed());
    sleep(Duration::from_secs(20)).await;
    let mut next = callers.connect(&request("")).await;
    until(&mut next, "event: waiting").await;
    let stopped = Instant::now();
    stop.cancel();
    rest(&mut next).await;
    assert!(stopped.elapsed() < Duration::from_secs(1), "a drain does not wait for readers");
}

#[tokio::test(start_paused = true)]
async fn a_page_hears_of_its_task_in_a_sentence() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let mut ada = Browser::signed_in(&office, "name=ada").await;
    let path = format!("/console/tasks/{}/news", task.id);
    let before = ada.get(&format!("/console/tasks/{}", task.id)).await;
    office.post(&format!("/v1/tasks/{}/claim", task.id), r#"{"by":"bob"}"#).await;
    assert!(
        ada.get(&path).await.json()["text"].as_str().is_some_and(|text| text.starts_with("bob has claimed"))
    );
    office.decide(&task, r#"{"outcome":"approved","by":"bob"}"#).await;
    let news = ada.get(&path).await.json();
    assert_eq!(news["text"], "bob approved this task.");
    let after = ada.get(&format!("/console/tasks/{}", task.id)).await;
    // The page that was made before tells by it that something happened before its first event.
    let etag = news["etag"].as_str().expect("an ETag");
    let marks =
        |etag: &str| format!("data-task=\"{}\" data-etag=\"{etag}\" data-comments=\"0\" hidden", task.id);
    assert!(after.text.contains(&marks(etag)), "{}", after.text);
    assert!(!before.text.contains(etag) && before.text.contains("data-etag=\""), "{}", before.text);
}
