//! What one caller can make the server hold: connections, heads, bodies, requests in hand.

use std::time::Duration;

use model::{Failure, Fault, Matcher, Rule};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout};

use crate::office::Office;
use crate::pipes::{Callers, pipes, rest};

/// As many connections as there may be, and half as many again.
const MANY: usize = 768;

fn served(office: &Office) -> Callers {
    let (callers, listener) = pipes();
    office.serve(listener);
    callers
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:8420\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_always_finds_a_place() {
    let office = Office::open();
    let callers = served(&office);
    // The longest idle of all, but with a request in hand.
    let query = Matcher::operation("Query").when(|call| call.body["IndexName"] == "by-order");
    let hold = office.world.hold(query, 1, model::Door::BeforeApply);
    let list = "GET /v1/tasks?order_id=o-1 HTTP/1.1\r\nHost: 127.0.0.1:8420\r\nConnection: close\r\n\r\n";
    let mut busy = callers.connect(list).await;
    hold.reached().await;
    let mut half_open = Vec::new();
    for number in 0..MANY {
        half_open.push(callers.connect(if number % 2 == 0 { "" } else { "GET /v1/ta" }).await);
    }
    let started = Instant::now();
    assert!(callers.get("/livez").await.starts_with("HTTP/1.1 200 "));
    hold.release();
    assert!(rest(&mut busy).await.starts_with("HTTP/1.1 200 "), "a request in hand is answered");
    assert!(started.elapsed() < Duration::from_secs(1), "nobody waited for the others' timeouts");
    // The longest idle ones are gone, the newest are not.
    assert_eq!(rest(&mut half_open[0]).await, "");
    let newest = half_open.last_mut().unwrap();
    timeout(Duration::from_millis(1), newest.read_u8()).await.expect_err("still open");
    let metrics = office.get("/metrics").await.text;
    // One for each connection beyond the limit: the busy one, these, and that of /livez.
    let evicted = 1 + MANY + 1 - 512;
    let line = format!("countersign_http_connections_evicted_total {evicted}\n");
    assert!(metrics.contains(&line), "{line}: {metrics}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_sends_nothing_is_closed() {
    let office = Office::open();
    let callers = served(&office);
    for sent in ["", "GET /livez HTTP/1.1\r\nHost: 127.0.0.1:8420\r\n"] {
        let opened = Instant::now();
        assert_eq!(rest(&mut callers.connect(sent).await).await, "");
        assert_eq!(opened.elapsed().as_secs(), 10, "{sent}");
    }
    // Between two requests a load balancer may keep it for a minute.
    let mut kept = callers.connect("GET /livez HTTP/1.1\r\nHost: 127.0.0.1:8420\r\n\r\n").await;
    let opened = Instant::now();
    assert!(rest(&mut kept).await.ends_with("live\n"));
    assert_eq!(opened.elapsed().as_secs(), 75);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_takes_no_place_and_is_given_up() {
    let office = Office::open();
    let callers = served(&office);
    let (_, task) = office.escalate("o-1", None).await;
    let path = format!("/v1/tasks/{}/decision", task.id);
    let whole = post(&path, r#"{"outcome":"approved"}"#);
    let mut slow = Vec::new();
    // More than there are places.
    for _ in 0..200 {
        slow.push(callers.connect(&whole[..whole.len() - 1]).await);
    }
    let started = Instant::now();
    assert!(rest(&mut callers.connect(&whole).await).await.starts_with("HTTP/1.1 200 "));
    assert!(started.elapsed() < Duration::from_secs(1));
    for pipe in &mut slow {
        let answer = rest(pipe).await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(":slow-body"), "{answer}");
    }
    assert_eq!(started.elapsed().as_secs(), 10);
}

/// Nobody waits for a body that is refused anyway.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_declared_wrongly_is_refused_at_once() {
    let office = Office::open();
    let callers = served(&office);
    let (_, task) = office.escalate("o-1", None).await;
    let path = format!("/v1/tasks/{}/decision", task.id);
    let declared = |lines: &str| post(&path, "").replace("Content-Length: 0", lines);
    let started = Instant::now();
    for (lines, answered) in [
        ("Content-Length: 65537", "HTTP/1.1 413 "),
        ("Content-Length: 4000000000", "HTTP/1.1 413 "),
        ("Content-Length: 4\r\nTransfer-Encoding: chunked", "HTTP/1.1 400 "),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4", "HTTP/1.1 400 "),
    ] {
        let answer = rest(&mut callers.connect(&declared(lines)).await).await;
        assert!(answer.starts_with(answered), "{lines}: {answer}");
    }
    assert!(started.elapsed() < Duration::from_secs(1));
    // Chunks alone are a body as good as any, and the last of their connection.
    let chunks = declared("Transfer-Encoding: chunked").replace("Connection: close\r\n", "");
    let approved = "16\r\n{\"outcome\":\"approved\"}\r\n0\r\n\r\n";
    let answer = rest(&mut callers.connect(&format!("{chunks}{approved}{chunks}{approved}")).await).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_long_head_is_refused() {
    let office = Office::open();
    let callers = served(&office);
    let head = format!("GET /livez?{} HTTP/1.1\r\nHost: 127.0.0.1:8420\r\n\r\n", "x".repeat(20_000));
    assert!(rest(&mut callers.connect(&head).await).await.starts_with("HTTP/1.1 4"));
    let headers = "X: 1\r\n".repeat(200);
    let head = format!("GET /livez HTTP/1.1\r\nHost: 127.0.0.1:8420\r\n{headers}\r\n");
    assert!(rest(&mut callers.connect(&head).await).await.starts_with("HTTP/1.1 431 "));
}

/// On one connection of HTTP/2 a hundred requests could be in flight.
#[tokio::test(start_paused = true)]
async fn http_2_is_not_spoken() {
    let office = Office::open();
    let callers = served(&office);
    // The preface, and an empty SETTINGS frame.
    let mut pipe = callers.connect("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let answer = rest(&mut pipe).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:?}");
    let upgrade = "GET /livez HTTP/1.1\r\nHost: 127.0.0.1:8420\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
    let answer = rest(&mut callers.connect(upgrade).await).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("live\n"), "{answer:?}");
}

/// A client that sends decisions and disconnects has no more in hand than others.
#[tokio::test(start_paused = true)]
async fn a_decision_keeps_its_place_without_its_caller() {
    let office = Office::open();
    let callers = served(&office);
    let (started, task) = office.escalate("o-1", None).await;
    let silent = Fault::Lost(Failure::Silence);
    let rule = office.world.inject(Rule::new(Matcher::operation("DescribeExecution"), silent));
    let request = post(&format!("/v1/tasks/{}/decision", task.id), r#"{"outcome":"approved"}"#);
    for in_hand in 1..=128 {
        let gone = callers.connect(&request).await;
        while office.world.hits(rule) < in_hand {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(gone);
    }
    let answer = rest(&mut callers.connect(&request).await).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains(":busy"), "{answer}");
    assert!(answer.contains("retry-after: 2\r\n"), "{answer}");
    let shown = callers.get(&format!("/v1/tasks/{}", task.id)).await;
    assert!(shown.starts_with("HTTP/1.1 200 "), "another class has its own places: {shown}");
    office.world.calm();
    // The calls time out, and the places are free again.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let answer = rest(&mut callers.connect(&request).await).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(office.world.accepted(&started.token), 1);
}
