//! Callers with access tokens of an identity provider: who they are, what they may do, and what the log says.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use axum::routing::get;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use worker::config::AuthMode;
use worker::control::tokens::{Role, Secret};

use crate::browser::{Browser, hidden};
use crate::heard::listen;
use crate::office::{Answer, Office, request};
use crate::pipes::{pipes, rest};

/// A provider on loopback. Its key is in the test's hands.
struct IdentityProvider {
    issuer: String,
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

fn url(bytes: &[u8]) -> String {
    let text = aws_smithy_types::base64::encode(bytes);
    text.trim_end_matches('=').replace('+', "-").replace('/', "_")
}

impl IdentityProvider {
    async fn start() -> IdentityProvider {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random);
        let pair = pair.expect("a key");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let key = json!({"kty": "EC", "crv": "P-256", "kid": "one", "x": url(x), "y": url(y)});
        let keys = json!({"keys": [key]}).to_string();
        let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")}).to_string();
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(async || document))
            .route("/keys", get(async || keys));
        // Ends with the test's runtime.
        TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
        IdentityProvider { issuer, pair, random }
    }

    /// A worker's API whose callers this provider knows.
    async fn office(&self) -> Office {
        let office = Office::open_as(
            |clock| clock,
            |config| {
                config.auth.mode = AuthMode::Oidc;
                config.auth.oidc.issuer.clone_from(&self.issuer);
                "countersign".clone_into(&mut config.auth.oidc.audience);
                "console".clone_into(&mut config.auth.oidc.client_id);
                for role in [Role::Viewer, Role::Reviewer, Role::Operator] {
                    config.auth.oidc.roles.insert(format!("{role}s"), role);
                }
            },
        );
        office.state.auth.provider().expect("oidc").refresh().await.expect("it answers");
        office
    }

    /// An access token with the claims of `more`.
    fn token(&self, office: &Office, more: Json) -> String {
        let now = office.now().as_second();
        let mut claims = json!({"iss": self.issuer, "aud": "countersign", "iat": now, "exp": now + 300});
        claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let header = json!({"alg": "ES256", "kid": "one", "typ": "at+jwt"}).to_string();
        let message = format!("{}.{}", url(header.as_bytes()), url(claims.to_string().as_bytes()));
        let signature = self.pair.sign(&self.random, message.as_bytes()).expect("a signature");
        format!("{message}.{}", url(signature.as_ref()))
    }
}

async fn call(office: &Office, method: Method, path: &str, body: &str, token: &str) -> Answer {
    let request = request(method, path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let answer = office.send(request.body(Body::from(body.to_owned())).expect("a request")).await;
    assert!(!answer.text.contains(token), "an answer holds the caller's token: {}", answer.text);
    answer
}

#[tokio::test]
async fn the_person_of_a_decision_is_the_providers_and_the_log_says_so() {
    let (log, _listening) = listen();
    let provider = IdentityProvider::start().await;
    let office = provider.office().await;
    let (_, task) = office.escalate("o-1", None).await;
    let ada =
        provider.token(&office, json!({"sub": "00u1", "name": "the CFO", "groups": ["reviewers", "x"]}));
    let none = provider.token(&office, json!({"sub": "00u2", "groups": ["x"]}));
    let rule = provider.token(&office, json!({"sub": "rule", "groups": ["reviewers"]}));
    let late = provider.token(&office, json!({"sub": "00u1", "groups": ["reviewers"], "exp": 1}));
    let me = call(&office, Method::GET, "/v1/me", "", &ada).await.json();
    assert_eq!((&me["name"], &me["roles"]), (&"00u1".into(), &json!(["reviewer"])));

    let path = format!("/v1/tasks/{}/decision", task.id);
    let approve = r#"{"outcome":"approved"}"#;
    for (token, status, problem) in [
        (&none, StatusCode::FORBIDDEN, "forbidden"),
        (&rule, StatusCode::UNAUTHORIZED, "unauthenticated"),
        (&late, StatusCode::UNAUTHORIZED, "unauthenticated"),
        (&ada.replace('.', ".a"), StatusCode::UNAUTHORIZED, "unauthenticated"),
    ] {
        let refused = call(&office, Method::POST, &path, approve, token).await;
        assert_eq!((refused.status, refused.problem().as_str()), (status, problem), "{}", refused.text);
    }
    let decided = call(&office, Method::POST, &path, approve, &ada).await;
    assert_eq!(decided.status, StatusCode::OK, "{}", decided.text);
    let decision = decided.json()["decision"].clone();
    assert_eq!((&decision["decidedBy"], &decision["code"]), (&"00u1".into(), &"decided-by-oidc".into()));
    let pause = call(&office, Method::POST, "/v1/automation/pause", r#"{"reason":"stop"}"#, &ada).await;
    assert_eq!(pause.status, StatusCode::FORBIDDEN, "a reviewer is no operator");
    assert_eq!(call(&office, Method::GET, "/v1/status", "", &ada).await.json()["identity"], "oidc");

    let lines: Vec<Json> = log.lines().into_iter().filter(|line| line["route"].is_string()).collect();
    let told = |line: &Json| {
        ["by", "identity", "response", "refusal"].map(|field| line[field].to_string()).join(" ")
    };
    assert_eq!(
        lines.iter().map(told).collect::<Vec<_>>(),
        [
            r#""00u2" "oidc" 403 "role""#,
            r#""nobody" "none" 401 "unknown_token""#,
            r#""nobody" "none" 401 "unknown_token""#,
            r#""nobody" "none" 401 "unknown_token""#,
            r#""00u1" "oidc" 200 null"#,
            r#""00u1" "oidc" 403 "role""#,
        ]
    );
    assert!(lines[2]["detail"].as_str().is_some_and(|why| why.contains("expired")), "{}", lines[2]);
    let all = format!("{:?}", log.lines());
    for part in [&ada, &none, &late].into_iter().flat_map(|token| token.split('.').skip(1)) {
        assert!(!all.contains(part), "a line holds a part of a token");
    }
}

/// Signing in begins and ends in the same browser, and a session ends where its person signs out.
#[tokio::test]
async fn a_session_of_the_provider_belongs_to_one_browser() {
    let provider = IdentityProvider::start().await;
    let office = provider.office().await;
    let mut browser = Browser::new(&office);
    let page = browser.get("/console/sign-in?next=%2Fconsole%2Fautomation").await;
    assert!(page.text.contains("/console/sign-in/provider?next=%2Fconsole%2Fautomation"), "{}", page.text);
    let begun = browser.get("/console/sign-in/provider").await;
    assert!(begun.text.contains("Not now: nothing was changed"), "{}", begun.text);
    for query in ["", "?code=x", "?code=x&state=y", "?state=y&error=access_denied"] {
        let refused = browser.get(&format!("/console/sign-in/callback{query}")).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{query}: {}", refused.text);
        assert!(refused.text.contains("was not begun in this browser"), "{query}: {}", refused.text);
    }
    let (secret, table) = (Secret::generate().expect("random numbers"), &office.state.control_table);
    let times = (office.now(), office.now() + jiff::SignedDuration::from_hours(1));
    let who = ("00u1", Some("Ada <Lovelace>"));
    table.store_session(&secret.hash(), who, &[Role::Reviewer], times).await.expect("stored");
    browser.cookie = format!("countersign={}", secret.reveal());
    let inbox = browser.get("/console").await;
    assert!(inbox.text.contains("Ada &#60;Lovelace&#62; (00u1)"), "{}", inbox.text);
    let form = format!("form_token={}", hidden(&inbox, "form_token"));
    browser.post("/console/sign-out", &form).await;
    browser.cookie = format!("countersign={}", secret.reveal());
    assert_eq!(browser.get("/console").await.status, StatusCode::UNAUTHORIZED, "the cookie of before");
}

/// Machines without an identity provider keep their tokens.
#[tokio::test]
async fn tokens_of_the_control_table_go_on() {
    let provider = IdentityProvider::start().await;
    let office = provider.office().await;
    let secret = Secret::generate().expect("random numbers");
    let times = (office.now(), office.now() + jiff::SignedDuration::from_hours(1));
    let table = &office.state.control_table;
    table.store_token(&secret.hash(), "batch", &[Role::Viewer], "the test", times).await.expect("stored");
    let me = call(&office, Method::GET, "/v1/me", "", secret.reveal()).await;
    assert_eq!((me.status, &me.json()["name"]), (StatusCode::OK, &"batch".into()));
}

/// Ten forged tokens of an address within a minute, and the next are slowed; good ones from the same address are not.
#[tokio::test]
async fn forging_is_slowed() {
    let provider = IdentityProvider::start().await;
    let office = provider.office().await;
    let (callers, listener) = pipes();
    office.serve(listener);
    let send = async |token: &str| {
        let head = format!(
            "GET /v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        rest(&mut callers.connect(&head).await).await[9..12].to_owned()
    };
    let forged = provider.token(&office, json!({"sub": "00u1", "aud": "another"}));
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(send(&forged).await);
    }
    assert_eq!(statuses[..10], vec!["401"; 10]);
    assert_eq!(statuses[10..], vec!["429"; 2]);
    let good = provider.token(&office, json!({"sub": "00u1", "groups": ["viewers"]}));
    assert_eq!(send(&good).await, "200");
}
