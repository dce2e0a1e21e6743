//! The Lambda function, between a runtime API of this program and the model.

use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout};

use super::{float, median};
use crate::orders;
use crate::process::Process;
use crate::service;
use crate::stage::{Setup, Stage, clean};
use crate::table::{Row, Target};

const LIMIT: Duration = Duration::from_secs(60);

/// Lambda's side of the runtime API (Runtime API, Lambda developer guide).
struct Lambda {
    address: String,
    events: mpsc::Sender<Value>,
    said: mpsc::Receiver<Said>,
}

/// What the function says.
#[derive(Debug)]
enum Said {
    Ready(Instant),
    Answered(Value),
}

#[derive(Clone)]
struct Served {
    events: Arc<Mutex<mpsc::Receiver<Value>>>,
    said: mpsc::Sender<Said>,
}

pub(crate) async fn run(setup: &Setup) -> Result<Vec<Row>> {
    let batches = setup.tasks.map_or(300, |tasks| tasks / orders::BATCH).max(1);
    let (mut ready, mut first) = (vec![], vec![]);
    let (mut warm, mut peak) = (0.0, 0.0);
    let stage = Stage::new(setup, &service::Arguments::fast(1))?;
    let mut number = 0;
    for round in 0..setup.rounds {
        let mut lambda = Lambda::serve().await?;
        let began = Instant::now();
        let process = lambda.start(setup, &stage)?;
        let Said::Ready(at) = lambda.heard().await? else { anyhow::bail!("it answered before it asked") };
        ready.push(float(u64::try_from((at - began).as_micros())?) / 1e3);
        let began = Instant::now();
        lambda.batch(&mut number).await?;
        first.push(float(u64::try_from(began.elapsed().as_micros())?) / 1e3);
        peak = float(process.taken()?.peak_kib) / 1_024.0;
        if round + 1 == setup.rounds {
            let before = process.taken()?.cpu_us;
            for _ in 0..batches {
                lambda.batch(&mut number).await?;
            }
            warm = float(process.taken()?.cpu_us.saturating_sub(before)) / float(batches) / 1e3;
            peak = float(process.taken()?.peak_kib) / 1_024.0;
        }
    }
    let bare = stage.bare(&["puts", "--batches", &batches.to_string()])?;
    let bare = float(bare.cpu_us) / float(batches) / 1e3;
    let mut zipped = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    zipped.write_all(&std::fs::read(&setup.ingest)?)?;
    let zip = float(zipped.finish()?.len() as u64) / 1_048_576.0;
    Ok(vec![
        Row::new("ingest", "started to ready", median(ready), "ms").target(Target::AtMost(10.5)),
        Row::new("ingest", "first batch of ten", median(first), "ms"),
        Row::new("ingest", "processor time of a warm batch of ten", warm, "ms").over("bare PutItem", bare),
        Row::new("ingest", "peak memory", peak, "MiB").target(Target::AtMost(13.0)),
        Row::new("ingest", "zip", zip, "MiB").target(Target::AtMost(4.5)),
    ])
}

impl Lambda {
    async fn serve() -> Result<Lambda> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let ((events, next), (said, heard)) = (mpsc::channel(1), mpsc::channel(16));
        let served = Served { events: Arc::new(Mutex::new(next)), said };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_event))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .with_state(served);
        #[expect(clippy::disallowed_methods, reason = "it ends with this program")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Lambda { address, events, said: heard })
    }

    fn start(&self, setup: &Setup, stage: &Stage) -> Result<Process> {
        let mut command = Command::new(&setup.ingest);
        clean(&mut command).envs([
            ("AWS_LAMBDA_RUNTIME_API", self.address.as_str()),
            ("AWS_ENDPOINT_URL", stage.url()),
            ("AWS_LAMBDA_FUNCTION_NAME", "ingest"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "ingest"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "ingest"),
            ("TASKS_TABLE", crate::schema::TASKS),
        ]);
        Process::start(command, std::path::Path::new("/dev/null"))
    }

    async fn heard(&mut self) -> Result<Said> {
        timeout(LIMIT, self.said.recv()).await.context("the function said nothing")?.context("it is served")
    }

    /// One batch, which must be stored.
    async fn batch(&mut self, number: &mut u64) -> Result<()> {
        let mut records = vec![];
        for _ in 0..orders::BATCH {
            *number += 1;
            let sent = Timestamp::now().as_millisecond().to_string();
            records.push(json!({
                "messageId": format!("m{number}"), "receiptHandle": "h", "body": orders::message(*number),
                "attributes": { "SentTimestamp": sent }, "messageAttributes": {},
                "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:tasks", "awsRegion": "us-east-1",
            }));
        }
        self.events.send(json!({ "Records": records })).await?;
        loop {
            if let Said::Answered(answer) = self.heard().await? {
                let failures = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
                anyhow::ensure!(failures == 0, "the function could not store a batch: {answer}");
                return Ok(());
            }
        }
    }
}

async fn next_event(State(served): State<Served>) -> Response {
    drop(served.said.send(Said::Ready(Instant::now())).await);
    let Some(event) = served.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = (Timestamp::now().as_millisecond() + 60_000).to_string();
    let headers = [
        ("lambda-runtime-aws-request-id", "r".to_owned()),
        ("lambda-runtime-deadline-ms", deadline),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:000000000000:function:ingest".to_owned(),
        ),
    ];
    (headers, Json(event)).into_response()
}

/// The runtime sends JSON without its content type.
async fn answered(State(served): State<Served>, answer: Bytes) -> StatusCode {
    let answer = serde_json::from_slice(&answer).unwrap_or_default();
    drop(served.said.send(Said::Answered(answer)).await);
    StatusCode::ACCEPTED
}
