//! A collector of traces on loopback: it speaks OTLP over HTTP, decodes what it gets, and keeps the bytes in a log that the
//! search for tokens reads.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use ops::world::World;
use prost::Message as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A running collector. Dropping it ends it.
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    received: Arc<Mutex<Vec<ResourceSpans>>>,
    _serving: JoinSet<()>,
}

impl Collector {
    /// A collector that answers.
    pub(crate) async fn start(world: &World) -> Collector {
        Collector::serve(Some(world.dir().join("traces.log"))).await
    }

    /// One that takes connections and requests, and never answers.
    pub(crate) async fn silent() -> Collector {
        Collector::serve(None).await
    }

    async fn serve(log: Option<PathBuf>) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<ResourceSpans>>>::default();
        let (into, mut serving) = (Arc::clone(&received), JoinSet::new());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, log.clone(), Arc::clone(&into)));
            }
        });
        Collector { endpoint, received, _serving: serving }
    }

    /// Every span so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().unwrap();
        let scopes = received.iter().flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// What the exporters say of themselves.
    pub(crate) fn resources(&self) -> Vec<KeyValue> {
        let received = self.received.lock().unwrap();
        let resources = received.iter().filter_map(|spans| spans.resource.clone());
        resources.flat_map(|resource| resource.attributes).collect()
    }
}

/// Answers the requests of one connection; without a log, none of them.
async fn answer(stream: TcpStream, log: Option<PathBuf>, into: Arc<Mutex<Vec<ResourceSpans>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some((name, value)) = head[start..].split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let Some(log) = &log else { continue };
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        OpenOptions::new().create(true).append(true).open(log).unwrap().write_all(&body).unwrap();
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        into.lock().unwrap().extend(request.resource_spans);
        // An empty message is an answer in full.
        let response =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(response).await.unwrap();
    }
}

/// The text of an attribute.
pub(crate) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()? {
        AnyValue { value: Some(Value::StringValue(text)) } => Some(text),
        _ => None,
    }
}
