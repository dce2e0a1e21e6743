//! The model of AWS over loopback HTTP, as a process of its own: what it costs is not the worker's.
//!
//! The SDK's requests go to `/`; the benchmark's own to `/bench/…`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use jiff::Timestamp;
use model::{Node, Options, QueueSettings, Rate, Start, World};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::ledger::{Ledger, Page};
use crate::{orders, schema};

/// The largest request that is read.
const LARGEST: usize = 512 * 1024 * 1024;

/// The queue of hints.
const HINTS: &str = "hints";
/// As long as the tokens of AWS are.
const TOKEN_CHARS: usize = 640;

/// How the model behaves.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Shards of the stream
    #[arg(long, default_value_t = 4)]
    pub(crate) shards: u32,
    /// Milliseconds from a request to its response
    #[arg(long, default_value_t = 0)]
    pub(crate) latency_ms: u64,
    /// SendTask* calls a second
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) callbacks: u32,
    /// The most milliseconds until a stream record can be read
    #[arg(long, default_value_t = 0)]
    pub(crate) stream_lag_ms: u64,
}

impl Arguments {
    /// The fastest AWS that there can be: no latency, no limits.
    pub(crate) fn fast(shards: u32) -> Arguments {
        Arguments { shards, latency_ms: 0, callbacks: 1_000_000, stream_lag_ms: 0 }
    }

    /// As a command line of this program.
    pub(crate) fn command_line(&self) -> [String; 9] {
        let option = |name: &str, value: String| [name.to_owned(), value];
        let [a, b] = option("--shards", self.shards.to_string());
        let [c, d] = option("--latency-ms", self.latency_ms.to_string());
        let [e, f] = option("--callbacks", self.callbacks.to_string());
        let [g, h] = option("--stream-lag-ms", self.stream_lag_ms.to_string());
        ["model".to_owned(), a, b, c, d, e, f, g, h]
    }
}

/// Tasks to store.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// How many.
    pub(crate) count: u64,
    /// The size of each order.
    pub(crate) order_bytes: usize,
    /// How many a second; all at once if zero.
    pub(crate) per_second: u64,
    /// Whether a hint follows each, as with the template's `WakeUp`.
    #[serde(default)]
    pub(crate) hints: bool,
}

#[derive(Clone)]
struct Served {
    world: World,
    node: Node,
    ingest: Node,
    hints: String,
    ledger: Ledger,
    started: Arc<AtomicU64>,
}

/// Serves until it is killed. The first line that it prints is its address.
pub(crate) async fn serve(arguments: Arguments) -> Result<()> {
    let rate = |per_second: u32| Rate { burst: per_second, per_second };
    let options = Options {
        latency_ms: (arguments.latency_ms, arguments.latency_ms),
        stream_lag_ms: arguments.stream_lag_ms,
        shards: arguments.shards,
        send_task: rate(arguments.callbacks),
        token_chars: TOKEN_CHARS,
        keeps_events: false,
        ..Options::default()
    };
    let now_ms = u64::try_from(Timestamp::now().as_millisecond()).context("it is after 1970")?;
    let world = World::at(now_ms, 1, options);
    let tables = schema::tables()?;
    tables.iter().for_each(|table| world.create_table(table.clone()));
    let ledger = Ledger::new(tables.to_vec());
    world.observe({
        let ledger = ledger.clone();
        move |event| ledger.add(event)
    });
    let (node, ingest) = (world.client_for("worker"), world.client_for("ingest"));
    let hints = world.create_queue(HINTS, QueueSettings::default());
    let served = Served { world, node, ingest, hints, ledger, started: Arc::default() };
    let router = Router::new()
        .route("/bench/arrive", post(arrive))
        .route("/bench/hints", get(async |State(served): State<Served>| served.hints))
        .route("/bench/reset", post(reset))
        .route("/bench/page", get(page))
        .fallback(answer)
        .with_state(served);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

async fn page(State(served): State<Served>) -> Json<Page> {
    Json(served.ledger.page())
}

async fn reset(State(served): State<Served>) {
    served.ledger.reset();
}

/// Starts executions, and stores their tasks as ingest does.
async fn arrive(State(served): State<Served>, Json(arrival): Json<Arrival>) -> Result<(), Failure> {
    let began = Instant::now();
    for number in 0..arrival.count {
        // Somewhere within its share of the second: equal distances would fall in step with the worker's polls.
        let thousandths = number * 1_000 + number * 7_919 % 1_000;
        if let Some(nanos) = (thousandths * 1_000_000).checked_div(arrival.per_second) {
            tokio::time::sleep_until(began + Duration::from_nanos(nanos)).await;
        }
        let number = served.started.fetch_add(1, Ordering::Relaxed);
        let order = orders::order(number, arrival.order_bytes);
        let mut start = Start::new(&format!("e{number}"), &format!("o-{number}"));
        start.order = Some(order);
        let started = served.world.start(start);
        let item = orders::item(&started.body)?;
        let hint = json!({ "tasks": [item["taskId"]["S"]] });
        let put = json!({
            "TableName": schema::TASKS,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(taskId)",
        });
        let request = http::Request::post("http://aws/")
            .header("x-amz-target", "DynamoDB_20120810.PutItem")
            .body(SdkBody::from(put.to_string()))
            .context("a request has valid headers")?;
        let request = HttpRequest::try_from(request).context("a request has valid headers")?;
        let answer = served.ingest.call(request).await.map_err(|error| anyhow!("PutItem: {error}"))?;
        if !answer.status().is_success() {
            return Err(anyhow!("PutItem: {:?}", answer.body().bytes()).into());
        }
        if arrival.hints {
            served.world.send(&served.hints, &hint.to_string());
        }
    }
    Ok(())
}

/// One call of the SDK.
async fn answer(State(served): State<Served>, request: http::Request<Body>) -> Result<Response, Failure> {
    let (head, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, LARGEST).await.context("the request's body")?;
    let request = http::Request::from_parts(head, SdkBody::from(body));
    let request = HttpRequest::try_from(request).context("the SDK's headers are text")?;
    let answer = served.node.call(request).await.map_err(|error| anyhow!("the model: {error}"))?;
    let answer = answer.try_into_http1x().context("the model's headers are valid")?;
    let (head, body) = answer.into_parts();
    let body = body.bytes().map(Bytes::copy_from_slice).unwrap_or_default();
    Ok(http::Response::from_parts(head, Body::from(body)))
}

/// A failure of the benchmark itself; the SDK sees a 500.
struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:#}", self.0)).into_response()
    }
}
