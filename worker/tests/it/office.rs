//! A worker's API over a world of its own, and a caller who checks that no answer holds a token.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::serve::Listener;
use jiff::Timestamp;
use model::{
    IndexSchema, KeySchema, Kind, Options, Projection, Start, Started, TableSchema, World, credentials,
};
use rules::{Files, FourEyes, Ruleset};
use serde_json::Value as Json;
use statemachine::item::{Item, Value};
use statemachine::message::Message;
use statemachine::task::{Escalation, ReceivedAt, Task};
use statemachine::worklist::Worklist;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use worker::api::health::Readiness;
use worker::api::scrape::{self, ScrapeState};
use worker::api::{ApiState, router, serve};
use worker::aws::clients::Clients;
use worker::clock::Clock;
use worker::config::Config;
use worker::console::pages;
use worker::control::active_rules::ActiveRules;
use worker::fleet::parts::Parts;
use worker::metrics::{Metrics, registry};
use worker::steps::decision;
use worker::tasks::list::TaskList;
use worker::tasks::table::Notes;
use worker::traces::Traces;

use crate::declared;

pub(crate) const TABLE: &str = "tasks";
pub(crate) const CONTROL: &str = "control";
/// Every token of the model begins with it.
const TOKEN_START: &str = "AAAAKgAAAAIAAAAAAAAAAQ";

pub(crate) struct Office {
    pub(crate) world: World,
    pub(crate) state: ApiState,
    pub(crate) watched: ScrapeState,
}

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Office {
    pub(crate) fn open() -> Office {
        Office::open_with(|clock| clock)
    }

    /// An office whose worker looks at another clock.
    pub(crate) fn open_with(clock_of: impl FnOnce(Clock) -> Clock) -> Office {
        Office::open_as(clock_of, |_| {})
    }

    /// The same with other settings.
    pub(crate) fn open_as(clock_of: impl FnOnce(Clock) -> Clock, set: impl FnOnce(&mut Config)) -> Office {
        Office::open_under(&[("rules/none.rhai", "pass();")], clock_of, set)
    }

    /// The same with these rules.
    pub(crate) fn open_under(
        rules: &[(&str, &str)],
        clock_of: impl FnOnce(Clock) -> Clock,
        set: impl FnOnce(&mut Config),
    ) -> Office {
        let world = world();
        let clock = clock_of(clock(&world));
        let clients = clients(&world);
        let mut registry = registry();
        let metrics = Metrics::register(&mut registry);
        let files = rules.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        let ruleset = Ruleset::from_files(Files::from_iter(files)).expect("a ruleset");
        let mut config = Config::load(None, &[]).expect("the defaults");
        (config.tables.tasks, config.tables.control) = (TABLE.to_owned(), CONTROL.to_owned());
        (config.budgets.send_task, config.budgets.describe_execution) = (1_000, 1_000);
        config.budgets.execution_history = 1_000;
        set(&mut config);
        let task_list = TaskList::new(&clients.dynamodb, TABLE);
        let parts =
            Parts::new(&config, clients, clock, ActiveRules::new(ruleset), metrics, Traces::default());
        let readiness = Readiness::starting("the test");
        let watched = ScrapeState::new(&parts, Arc::new(registry), readiness.clone());
        let state =
            ApiState::new(&config, &parts, task_list, readiness, TaskTracker::new()).expect("a client");
        Office { world, state, watched }
    }

    /// A waiting execution and its PENDING task.
    pub(crate) async fn receive(&self, order_id: &str, timeout_seconds: Option<u64>) -> (Started, Task) {
        self.receive_order(order_id, timeout_seconds, |_| r#"{"amount":12.50}"#.to_owned()).await
    }

    /// The same with an order that is made of its token.
    pub(crate) async fn receive_order(
        &self,
        order_id: &str,
        timeout_seconds: Option<u64>,
        order: impl FnOnce(&str) -> String,
    ) -> (Started, Task) {
        let name = format!("{order_id}-{}", self.world.executions().len());
        let started = self.world.start(Start {
            timeout_seconds,
            tells_timeout: timeout_seconds.is_some(),
            ..Start::new(&name, order_id)
        });
        let mut task = task_of(&self.world, &started);
        task.order = Some(order(&started.token).into());
        put(&self.world, &task).await;
        (started, task)
    }

    /// A waiting execution whose task was left to a person.
    pub(crate) async fn escalate(&self, order_id: &str, timeout_seconds: Option<u64>) -> (Started, Task) {
        let (started, task) = self.receive(order_id, timeout_seconds).await;
        self.escalate_task(&task).await;
        (started, task)
    }

    /// Leaves a PENDING task to a person.
    pub(crate) async fn escalate_task(&self, task: &Task) {
        let escalation = Escalation {
            code: "high-amount".to_owned(),
            reason: "above the limit".to_owned(),
            rule: None,
            ruleset: None,
            at: worker::clock::text(self.now()),
        };
        self.state
            .tasks
            .escalate(task, &escalation, &self.four_eyes(task), Notes::default(), self.now())
            .await
            .expect("the model answers");
    }

    /// What the rules ask of people, as it is stored when a task is left to them.
    pub(crate) fn four_eyes(&self, task: &Task) -> FourEyes {
        let order = decision::order(task);
        self.state.automation.rules.pin().four_eyes(&decision::facts(task, order.as_deref()))
    }

    /// Serves the API and the console to those who connect to a listener, for as long as the test runs.
    pub(crate) fn serve<L: Listener<Addr = SocketAddr>>(&self, listener: L) {
        let (state, stop) = (self.state.clone(), CancellationToken::new());
        self.state.tracker.spawn(serve(listener, state, pages(&self.state), stop));
    }

    pub(crate) fn now(&self) -> Timestamp {
        clock(&self.world).now()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn decide(&self, task: &Task, body: &str) -> Answer {
        self.send(decision(task, body, &[])).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let request = request(Method::POST, path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    /// Sends a request. Whatever the answer is, the API declares it and it holds no token.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        // The worker's two listeners.
        let router = match request.uri().path() {
            "/metrics" => scrape::router(self.watched.clone()),
            _ => router(self.state.clone(), pages(&self.state)),
        };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = router.oneshot(request).await.expect("a router never fails");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body in memory");
        let text = String::from_utf8(body.to_vec()).expect("text");
        let all = format!("{:?}{text}", parts.headers);
        assert!(!all.contains(TOKEN_START), "an answer holds a token: {all}");
        let answer = Answer { status: parts.status, headers: parts.headers, text };
        declared::check(&method, &path, &answer);
        answer
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The name of the problem.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header(header::CONTENT_TYPE), "application/problem+json", "{}", self.text);
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        let name = json["type"].as_str().unwrap_or_default();
        name.strip_prefix("urn:countersign:problem:").expect("a stable type").to_owned()
    }
}

pub(crate) fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:8420")
}

pub(crate) fn decision(task: &Task, body: &str, headers: &[(header::HeaderName, &str)]) -> Request<Body> {
    let path = format!("/v1/tasks/{}/decision", task.id);
    let request = request(Method::POST, &path).header(header::CONTENT_TYPE, "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, *value));
    request.body(Body::from(body.to_owned())).expect("a request")
}

/// The task of an execution that has just sent its message.
pub(crate) fn task_of(world: &World, started: &Started) -> Task {
    let now = clock(world).now();
    let received_at = ReceivedAt { text: worker::clock::text(now), epoch_seconds: now.as_second() };
    Task::new(Message::parse(&started.body).expect("the model's message"), received_at, None)
}

/// Stores a task as ingest does.
pub(crate) async fn put(world: &World, task: &Task) {
    let client = world.client_for("ingest").dynamodb();
    let item = attributes(&task.to_item());
    client.put_item().table_name(TABLE).set_item(Some(item)).send().await.expect("the model answers");
}

/// A world with the two tables.
pub(crate) fn world() -> World {
    let world = World::new(7, Options::default());
    world.create_table(schema());
    world.create_table(TableSchema {
        name: CONTROL.to_owned(),
        key: KeySchema::hash_and_range(("pk", Kind::S), ("sk", Kind::S)),
        indexes: Vec::new(),
        has_stream: false,
    });
    world
}

/// The worker's clients.
pub(crate) fn clients(world: &World) -> Clients {
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(credentials()))
        .http_client(world.client_for("worker"))
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .build();
    Clients::new(&shared)
}

/// The world's time.
pub(crate) fn clock(world: &World) -> Clock {
    let world = world.clone();
    Clock::from_fn(move || {
        let millis = i64::try_from(world.now_ms()).expect("virtual time is near");
        Timestamp::from_millisecond(millis).expect("virtual time is near")
    })
}

/// The tasks table, as the template makes it.
fn schema() -> TableSchema {
    let index = |name: &str, hash, range, projection| IndexSchema {
        name: name.to_owned(),
        key: KeySchema::hash_and_range(hash, range),
        projection,
    };
    let listed = [
        "orderId",
        "startTime",
        "transactionId",
        "status",
        "delivery",
        "receivedAt",
        "deadline",
        "revision",
        "decision",
        "escalation",
    ];
    TableSchema {
        name: TABLE.to_owned(),
        key: KeySchema::hash(("taskId", Kind::S)),
        indexes: vec![
            index(
                "worklist",
                ("list", Kind::S),
                ("listAt", Kind::N),
                Projection::Include(listed.map(str::to_owned).to_vec()),
            ),
            index("by-order", ("orderId", Kind::S), ("startTime", Kind::S), Projection::KeysOnly),
        ],
        has_stream: true,
    }
}

fn attributes(item: &Item) -> HashMap<String, AttributeValue> {
    let value = |value: &Value| match value {
        Value::Text(text) => AttributeValue::S(text.clone()),
        Value::Number(digits) => AttributeValue::N(digits.clone()),
        Value::Map(map) => AttributeValue::M(attributes(map)),
        Value::Bytes(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
        Value::Other => panic!("a new task holds nothing else"),
    };
    item.iter().map(|(name, held)| (name.clone(), value(held))).collect()
}

/// The first key of an open list that a task may stand in.
pub(crate) fn list_of(task: &Task) -> String {
    Worklist::Escalated.key_of(&task.id)
}
