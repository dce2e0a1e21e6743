//! What the API says to requests that are wrong, foreign, or only look.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use worker::api::serve;
use worker::console::pages;

use crate::office::{Office, decision, request};

#[tokio::test(start_paused = true)]
async fn every_refusal_is_a_problem() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let path = format!("/v1/tasks/{}/decision", task.id);
    let json = |body: &str| decision(&task, body, &[]);
    let large = format!(r#"{{"outcome":"approved","reason":"{}"}}"#, "x".repeat(300_000));
    let plain = request(Method::POST, &path).header(header::CONTENT_TYPE, "text/plain");
    let cases = [
        (request(Method::GET, "/v1/nothing").body(Body::empty()).unwrap(), 404, "no-such-resource"),
        (request(Method::GET, "/v1/").body(Body::empty()).unwrap(), 404, "no-such-resource"),
        (request(Method::DELETE, "/v1/tasks").body(Body::empty()).unwrap(), 405, "method-not-allowed"),
        (request(Method::GET, &path).body(Body::empty()).unwrap(), 405, "method-not-allowed"),
        (request(Method::GET, "/v1/tasks/nonsense").body(Body::empty()).unwrap(), 422, "invalid-request"),
        (request(Method::GET, "/v1/tasks?stauts=DUE").body(Body::empty()).unwrap(), 422, "invalid-request"),
        (request(Method::GET, "/v1/tasks/%FF").body(Body::empty()).unwrap(), 422, "invalid-request"),
        (request(Method::GET, "/v1/tasks//decision").body(Body::empty()).unwrap(), 405, "method-not-allowed"),
        (request(Method::GET, "/v1/rulesets/%FF").body(Body::empty()).unwrap(), 422, "invalid-request"),
        (request(Method::GET, "/v1/rulesets/%20").body(Body::empty()).unwrap(), 404, "no-such-ruleset"),
        (request(Method::GET, "/v1/tasks?limit=0").body(Body::empty()).unwrap(), 422, "invalid-request"),
        (request(Method::GET, "/v1/tasks?limit=201").body(Body::empty()).unwrap(), 422, "invalid-request"),
        (
            request(Method::GET, "/v1/tasks/00000000000000000000000000000000").body(Body::empty()).unwrap(),
            404,
            "no-such-task",
        ),
        (json("{"), 422, "invalid-request"),
        (json("{}"), 422, "invalid-request"),
        (json(r#"{"outcome":"escalated"}"#), 422, "invalid-request"),
        (json(r#"{"outcome":"approved","reson":"typo"}"#), 422, "invalid-request"),
        (json(r#"{"outcome":"rejected"}"#), 422, "invalid-request"),
        (json(r#"{"outcome":"approved","by":"rule"}"#), 422, "invalid-request"),
        (json(&large), 413, "too-large"),
        (plain.body(Body::from(r#"{"outcome":"approved"}"#)).unwrap(), 415, "not-json"),
        (decision(&task, "{}", &[(header::IF_MATCH, "3")]), 422, "invalid-request"),
        (
            decision(&task, "{}", &[(header::HeaderName::from_static("sec-fetch-site"), "cross-site")]),
            403,
            "foreign-request",
        ),
        (axum::http::Request::get("/v1/tasks").body(Body::empty()).unwrap(), 400, "no-host"),
        (
            axum::http::Request::get("/v1/tasks")
                .header(header::HOST, "evil.example")
                .body(Body::empty())
                .unwrap(),
            403,
            "foreign-request",
        ),
    ];
    for (request, status, problem) in cases {
        let asked = format!("{} {}", request.method(), request.uri());
        let answer = office.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (status, problem), "{asked}");
        assert!(!answer.json()["detail"].as_str().unwrap().is_empty(), "{asked}");
        if status == 405 {
            assert!(!answer.header(header::ALLOW).is_empty(), "{asked}");
        }
    }
    let shown = office.get(&format!("/v1/tasks/{}", task.id)).await.json();
    assert_eq!((shown["status"].as_str(), shown["revision"].as_i64()), (Some("ESCALATED"), Some(2)));
}

/// A parameter that is there but empty, or that DynamoDB would reject, is the caller's mistake, never an outage.
#[tokio::test(start_paused = true)]
async fn no_parameter_makes_an_outage() {
    let office = Office::open();
    for _ in 0..2 {
        office.escalate("o-1", Some(600)).await;
    }
    let cursor = |query: String| {
        let office = &office;
        async move { office.get(&query).await.json()["cursor"].as_str().expect("more").to_owned() }
    };
    let list = cursor("/v1/tasks?status=ESCALATED&limit=1".to_owned()).await;
    let long = "o".repeat(1_025);
    let mut queries: Vec<String> =
        ["status", "order_id", "day", "due_before", "limit", "cursor"].map(|name| format!("{name}=")).into();
    queries
        .extend(["order_id", "status&limit", "limit=1&limit=2", "limit=-1", "limit=1e3"].map(str::to_owned));
    queries
        .extend(["limit=99999999999999999999", "day=0", "nothing=1", "=", "status=%00"].map(str::to_owned));
    queries.push(format!("order_id={long}"));
    // The page after it is outside of the other query.
    queries.push(format!("due_before=2000-01-01T00:00:00Z&cursor={list}"));
    for start_time in ["", &long] {
        let id = "7a7816bf8f01cfea414140de5dae2223";
        let forged =
            format!(r#"{{"Order":{{"order_id":"o-1","start_time":"{start_time}","task_id":"{id}"}}}}"#);
        let forged = aws_smithy_types::base64::encode(forged).replace('=', "");
        queries.push(format!("order_id=o-1&cursor={forged}"));
    }
    for query in queries {
        let answer = office.get(&format!("/v1/tasks?{query}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", answer.text);
        assert_eq!(answer.problem(), "invalid-request", "{query}");
    }
    // An order's id may be anything else.
    for id in ["%20", "%00", "ü", &long[1..]] {
        assert_eq!(office.get(&format!("/v1/tasks?order_id={id}")).await.status, StatusCode::OK, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_is_a_latch() {
    let office = Office::open();
    assert_eq!(office.get("/livez").await.status, StatusCode::OK);
    let starting = office.get("/readyz").await;
    assert_eq!((starting.status.as_u16(), starting.text.as_str()), (503, "starting: the test\n"));
    office.state.readiness.ready();
    assert_eq!(office.get("/readyz").await.status, StatusCode::OK);
    office.state.readiness.drain();
    assert_eq!(office.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(office.get("/livez").await.status, StatusCode::OK);
    let status = office.get("/v1/status").await.json();
    assert_eq!(status["phase"], "draining");
    assert!(status["ruleset"]["label"].as_str().unwrap().starts_with("rules@"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_route() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    office.get(&format!("/v1/tasks/{}", task.id)).await;
    office.get("/v1/nothing/at/all").await;
    let answer = office.get("/metrics").await;
    assert_eq!(answer.header(header::CONTENT_TYPE), "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        r#"countersign_http_requests_total{route="/v1/tasks/{id}",method="GET",status="200"} 1"#,
        r#"countersign_http_requests_total{route="other",method="GET",status="404"} 1"#,
        r#"countersign_http_request_duration_seconds_count{class="read"} 1"#,
        r#"countersign_http_request_duration_seconds_count{class="other"} 1"#,
    ] {
        assert!(answer.text.contains(line), "{line} is not in {}", answer.text);
    }
    assert!(!answer.text.contains(task.id.as_str()));
}

/// On a real socket: a request in hand is answered, then the server ends.
#[tokio::test]
async fn the_server_finishes_what_it_has_when_asked_to_stop() {
    let office = Office::open();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let served =
        office.state.tracker.spawn(serve(listener, office.state.clone(), pages(&office.state), stop.clone()));
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    assert_eq!(http.get(format!("{url}/livez")).send().await.unwrap().text().await.unwrap(), "live\n");
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), served).await.expect("it ends").unwrap();
    http.get(format!("{url}/livez")).send().await.expect_err("nobody listens");
}
