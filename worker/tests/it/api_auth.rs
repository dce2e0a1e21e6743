//! Who may do what over HTTP: tokens, roles, and whose word a name is.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use jiff::SignedDuration;
use model::{Failure, Fault, Matcher, Rule};
use serde_json::Value as Json;
use tokio::time::Instant;
use worker::api::routes::matrix;
use worker::config::AuthMode;
use worker::control::tokens::{Role, Secret};

use crate::browser::browser_of;
use crate::heard::listen;
use crate::office::{Answer, CONTROL, Office, request};
use crate::pipes::{pipes, rest};

const ROLES: [Role; 4] = [Role::Viewer, Role::Reviewer, Role::Author, Role::Operator];

fn office() -> Office {
    Office::open_as(|clock| clock, |config| config.auth.mode = AuthMode::Tokens)
}

impl Office {
    /// A new token of a person.
    async fn token(&self, name: &str, roles: &[Role]) -> Secret {
        let secret = Secret::generate().expect("random numbers");
        let times = (self.now(), self.now() + SignedDuration::from_hours(24));
        let table = &self.state.control_table;
        table.store_token(&secret.hash(), name, roles, "the test", times).await.expect("the model answers");
        secret
    }

    /// Changes a text of a stored token, as an edit by hand would.
    async fn edit_token(&self, token: &Secret, attribute: &str, value: &str) {
        let keys = self.world.items(CONTROL).into_iter().map(|item| {
            serde_json::to_value(&*item).expect("JSON")["sk"]["S"].as_str().unwrap_or_default().to_owned()
        });
        let key = keys.into_iter().find(|key| key.starts_with(token.hash().id())).expect("it is stored");
        let client = self.world.client_for("somebody").dynamodb();
        let update = client
            .update_item()
            .table_name(CONTROL)
            .key("pk", AttributeValue::S("api-token".to_owned()))
            .key("sk", AttributeValue::S(key))
            .update_expression("SET #attribute = :value")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", AttributeValue::S(value.to_owned()));
        update.send().await.expect("the model answers");
    }

    async fn call(&self, method: &str, path: &str, body: &str, token: Option<&Secret>) -> Answer {
        let method: Method = method.parse().expect("a method");
        let mut request = request(method, path).header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
        }
        let answer = self.send(request.body(Body::from(body.to_owned())).expect("a request")).await;
        let hidden = token.is_none_or(|token| !answer.text.contains(token.reveal()));
        assert!(hidden, "an answer holds the caller's token: {}", answer.text);
        answer
    }
}

/// A path and a body that a handler accepts or refuses by itself.
fn example(path: &str, task: &str) -> (String, String) {
    let body = match path.rsplit('/').next() {
        Some("decision") => r#"{"outcome":"approved"}"#,
        Some("reconsider" | "claim" | "release" | "log-level") => "{}",
        Some("tasks:batch") => r#"{"decisions":[]}"#,
        Some("comments") => r#"{"text":"asked"}"#,
        _ => r#"{"reason":"a test"}"#,
    };
    (path.replace("{id}", task).replace("{sha256}", "ffff"), body.to_owned())
}

/// Every route with every role, without a token, and with one that is not valid.
#[tokio::test(start_paused = true)]
async fn each_route_needs_its_role() {
    let office = office();
    let (_, task) = office.escalate("o-1", None).await;
    let mut tokens = Vec::new();
    for role in ROLES {
        tokens.push((role, office.token(role.as_str(), &[role]).await));
    }
    let unknown = Secret::generate().expect("random numbers");
    let matrix = matrix();
    let open = matrix.iter().filter(|(_, _, role)| role.is_none()).map(|(_, path, _)| *path);
    assert_eq!(
        open.collect::<Vec<_>>(),
        ["/livez", "/readyz", "/v1/openapi.json"],
        "every other route needs a role"
    );
    for (method, path, needed) in matrix {
        let (path, body) = example(path, task.id.as_str());
        for token in [None, Some(&unknown)] {
            let answer = office.call(method, &path, &body, token).await;
            let is_open = needed.is_none();
            assert_eq!(
                answer.status != StatusCode::UNAUTHORIZED,
                is_open,
                "{method} {path}: {}",
                answer.text
            );
            if !is_open {
                assert_eq!(answer.problem(), "unauthenticated");
                assert_eq!(answer.header(header::WWW_AUTHENTICATE), "Bearer");
            }
        }
        let Some(needed) = needed else { continue };
        for (role, token) in &tokens {
            let answer = office.call(method, &path, &body, Some(token)).await;
            let may = *role == needed || needed == Role::Viewer;
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} as {role}: {}", answer.text);
            let is_forbidden = answer.status == StatusCode::FORBIDDEN;
            assert_eq!(is_forbidden, !may, "{method} {path} as {role}: {}", answer.text);
            if is_forbidden {
                assert_eq!(answer.problem(), "forbidden");
                assert!(answer.text.contains(needed.as_str()), "{}", answer.text);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_person_of_a_decision_is_the_tokens() {
    let office = office();
    let (started, task) = office.escalate("o-1", None).await;
    let ada = office.token("ada", &[Role::Reviewer]).await;
    let bob = office.token("bob", &[Role::Reviewer]).await;
    let path = format!("/v1/tasks/{}/decision", task.id);
    let approve = r#"{"outcome":"approved","reason":"known"}"#;
    for claimed in ["the CFO", "ada"] {
        let body = format!(r#"{{"outcome":"approved","by":"{claimed}"}}"#);
        let answer = office.call("POST", &path, &body, Some(&ada)).await;
        assert_eq!(answer.problem(), "invalid-request", "{}", answer.text);
    }
    let decided = office.call("POST", &path, approve, Some(&ada)).await;
    assert_eq!(decided.status, StatusCode::OK, "{}", decided.text);
    let decision = decided.json()["decision"].clone();
    assert_eq!((&decision["decidedBy"], &decision["code"]), (&"ada".into(), &"decided-by-token".into()));
    let execution = office.world.execution(&started.execution_arn).expect("started");
    assert!(execution.output.expect("it goes on").contains("decided-by-token"));
    // The same person may repeat it; another learns who was first, and when.
    assert_eq!(office.call("POST", &path, approve, Some(&ada)).await.status, StatusCode::OK);
    let late = office.call("POST", &path, approve, Some(&bob)).await;
    assert_eq!(late.problem(), "decided-otherwise");
    let detail = late.json()["detail"].as_str().unwrap().to_owned();
    let at = decision["decidedAt"].as_str().unwrap();
    assert!(detail.contains("by ada") && detail.contains(at), "{detail}");

    let operator = office.token("olga", &[Role::Operator]).await;
    let paused = office.call("POST", "/v1/automation/pause", r#"{"reason":"stop"}"#, Some(&operator)).await;
    assert_eq!(paused.json()["paused"]["by"], "olga", "{}", paused.text);
    let status = office.call("GET", "/v1/status", "", Some(&ada)).await;
    assert_eq!(status.json()["identity"], "token");
    let me = office.call("GET", "/v1/me", "", Some(&ada)).await.json();
    assert_eq!((&me["name"], &me["roles"]), (&"ada".into(), &serde_json::json!(["reviewer"])));
}

#[tokio::test(start_paused = true)]
async fn without_authentication_a_name_is_the_callers_word() {
    let office = Office::open();
    let (_, task) = office.escalate("o-1", None).await;
    let decided = office.decide(&task, r#"{"outcome":"approved","by":"ada"}"#).await;
    assert_eq!(decided.json()["decision"]["code"], "decided-by-person");
    assert_eq!(office.get("/v1/status").await.json()["identity"], "claimed");
    assert!(office.get("/v1/me").await.json()["name"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_when_it_is_revoked_or_expires() {
    let office = office();
    let (ada, bob) = (office.token("ada", &[Role::Viewer]).await, office.token("bob", &[Role::Viewer]).await);
    let status = async |token: &Secret| office.call("GET", "/v1/me", "", Some(token)).await.status;
    assert_eq!((status(&ada).await, status(&bob).await), (StatusCode::OK, StatusCode::OK));
    let table = &office.state.control_table;
    let listed = table.tokens().await.unwrap();
    assert_eq!(listed.len(), 2);
    let today = worker::clock::day(office.now());
    assert!(listed.iter().all(|token| token.last_used.as_ref() == Some(&today)), "{listed:?}");
    let shown = format!("{:?}", office.world.items("control"));
    assert!(!shown.contains(ada.reveal()), "the table holds a token");

    table.revoke_token("", office.now()).await.expect_err("of which");
    assert_eq!(table.revoke_token(ada.hash().id(), office.now()).await.unwrap().name, "ada");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!((status(&ada).await, status(&bob).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    // Well within the time that a token is believed without a look.
    tokio::time::advance(Duration::from_secs(24 * 3_600 - 12)).await;
    assert_eq!(status(&bob).await, StatusCode::OK);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(status(&bob).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn hostile_credentials_let_nobody_in() {
    let office = office();
    let ada = office.token("ada", &[Role::Viewer]).await;
    let good = format!("Bearer {}", ada.reveal());
    let call = async |lines: &[&str]| {
        let request = request(Method::GET, "/v1/me");
        let request =
            lines.iter().fold(request, |request, line| request.header(header::AUTHORIZATION, *line));
        office.send(request.body(Body::empty()).expect("a request")).await.status
    };
    assert_eq!(call(&[&good]).await, StatusCode::OK);
    assert_eq!(call(&[&good.replace("Bearer", "bearer")]).await, StatusCode::OK);
    let (basic, short, long) =
        (good.replace("Bearer", "Basic"), good[..good.len() - 1].to_owned(), format!("{good}A"));
    let (upper, hash) = (good.to_uppercase(), format!("Bearer {:?}", ada.hash()));
    for line in ["", "Bearer", "Bearer ", "Bearer null", ada.reveal(), &basic, &short, &long, &upper, &hash] {
        assert_eq!(call(&[line]).await, StatusCode::UNAUTHORIZED, "{line}");
    }
    assert_eq!(call(&[&good, &good]).await, StatusCode::UNAUTHORIZED, "one line");
    // While the table does not answer, nobody is let in, and nobody is told that the token is wrong.
    let other = office.token("bob", &[Role::Viewer]).await;
    let other = format!("Bearer {}", other.reveal());
    for failure in [Failure::Connection, Failure::Silence] {
        let rule = office.world.inject(Rule::new(Matcher::operation("GetItem"), Fault::Lost(failure)));
        let begun = Instant::now();
        assert_eq!(call(&[&other]).await, StatusCode::SERVICE_UNAVAILABLE, "{failure:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{failure:?}: {:?}", begun.elapsed());
        office.world.end(rule);
    }
    assert_eq!(call(&[&other]).await, StatusCode::OK);
    // An item that was edited by hand lets nobody in: no roles, an unknown one, or the name that stands for the rules.
    for (attribute, value) in [("roles", ""), ("roles", "admin"), ("name", "rule"), ("expires", "2099-01-01")]
    {
        let edited = office.token("carol", &[Role::Viewer]).await;
        office.edit_token(&edited, attribute, value).await;
        let status = call(&[&format!("Bearer {}", edited.reveal())]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{attribute} = {value:?}");
    }
}

/// Each change and each refusal is one line: who, how that is known, to do what, and never with which token.
#[tokio::test(start_paused = true)]
async fn the_log_says_who_did_what_and_holds_no_token() {
    let (log, _listening) = listen();
    let office = office();
    let (_, task) = office.escalate("o-1", None).await;
    let (ada, olga) =
        (office.token("ada", &[Role::Reviewer]).await, office.token("olga", &[Role::Operator]).await);
    let stranger = Secret::generate().expect("random numbers");
    let (decide, pause) = (format!("/v1/tasks/{}/decision", task.id), "/v1/automation/pause");
    for (path, body, token) in [
        (&*decide, r#"{"outcome":"approved"}"#, None),
        (&*decide, r#"{"outcome":"approved"}"#, Some(&stranger)),
        (&*decide, r#"{"outcome":"approved"}"#, Some(&olga)),
        (&*decide, r#"{"outcome":"approved"}"#, Some(&ada)),
        (pause, r#"{"reason":"stop"}"#, Some(&olga)),
    ] {
        office.call("POST", path, body, token).await;
    }
    browser_of(&office, "vic", Role::Viewer).await;
    let lines: Vec<Json> = log.lines().into_iter().filter(|line| line["route"].is_string()).collect();
    let told = |line: &Json| {
        ["route", "by", "identity", "response", "refusal"].map(|field| line[field].to_string()).join(" ")
    };
    let told: Vec<String> = lines.iter().map(told).collect();
    assert_eq!(
        told,
        [
            r#""POST /v1/tasks/{id}/decision" "nobody" "none" 401 "no_token""#,
            r#""POST /v1/tasks/{id}/decision" "nobody" "none" 401 "unknown_token""#,
            r#""POST /v1/tasks/{id}/decision" "olga" "token" 403 "role""#,
            r#""POST /v1/tasks/{id}/decision" "ada" "token" 200 null"#,
            r#""POST /v1/automation/pause" "olga" "token" 200 null"#,
            r#""POST /console/sign-in" "vic" "token" null null"#,
        ]
    );
    assert_eq!(lines[3]["task.id"], task.id.as_str());
    let all = format!("{:?}", log.lines());
    for token in [&ada, &olga, &stranger] {
        let random = token.reveal().trim_start_matches("csgn_");
        assert!(!all.contains(random), "a line holds a token");
    }
}

/// Those who only read see what the schema masks nowhere; those who decide see the whole order.
#[tokio::test(start_paused = true)]
async fn a_viewer_does_not_see_masked_fields() {
    let schema = "[fields]\namount = \"money\"\n\"customer.id\" = { type = \"text\", masked = true }\n";
    let rules = [("rules/none.rhai", "pass();"), ("schema/order.toml", schema)];
    let office = Office::open_under(&rules, |clock| clock, |config| config.auth.mode = AuthMode::Tokens);
    let order = r#"{"amount":12.50,"customer":{"id":"c-secret"}}"#;
    let (_, task) = office.receive_order("o-1", None, |_| order.to_owned()).await;
    office.escalate_task(&task).await;
    let path = format!("/v1/tasks/{}", task.id);
    for role in ROLES {
        let token = office.token(role.as_str(), &[role]).await;
        let shown = office.call("GET", &path, "", Some(&token)).await;
        assert!(shown.text.contains(r#""amount":12.50"#), "{}", shown.text);
        assert_eq!(shown.text.contains("c-secret"), role == Role::Reviewer, "{role}: {}", shown.text);
    }
}

/// Guessing costs the table at most ten reads a minute from one address, and those who have a token go on.
#[tokio::test(start_paused = true)]
async fn guessing_is_slowed() {
    let office = office();
    let (callers, listener) = pipes();
    office.serve(listener);
    let ada = office.token("ada", &[Role::Viewer]).await;
    let send = async |token: &Secret| {
        let head = format!(
            "GET /v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
            token.reveal()
        );
        rest(&mut callers.connect(&head).await).await
    };
    assert!(send(&ada).await.starts_with("HTTP/1.1 200 "));
    let reads = Matcher::operation("GetItem").when(|call| call.body["Key"]["pk"]["S"] == "api-token");
    let none = Fault::Delayed { there_ms: 0, back_ms: 0 };
    let rule = office.world.inject(Rule::new(reads, none));
    let mut statuses = Vec::new();
    for _ in 0..30 {
        let answer = send(&Secret::generate().expect("random numbers")).await;
        statuses.push(answer[9..12].to_owned());
        if answer.starts_with("HTTP/1.1 429 ") {
            assert!(answer.contains("retry-after: 60\r\n"), "{answer}");
        }
    }
    assert_eq!(statuses[..10], vec!["401"; 10]);
    assert_eq!(statuses[10..], vec!["429"; 20]);
    assert_eq!(office.world.hits(rule), 10);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(send(&ada).await.starts_with("HTTP/1.1 200 "), "a token that was valid is looked up again");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(send(&Secret::generate().expect("random numbers")).await.starts_with("HTTP/1.1 401 "));
    let metrics = office.get("/metrics").await.text;
    for line in [r#"{reason="unknown_token"} 11"#, r#"{reason="too_many_failures"} 20"#] {
        assert!(metrics.contains(&format!("countersign_http_requests_refused_total{line}")), "{metrics}");
    }
}
