//! The export of traces by OTLP over HTTP: off unless the variables of OpenTelemetry ask for it.
//!
//! Nothing waits for the export. A span that has ended goes into a queue with a bound; if the queue is full, it is dropped
//! and counted. One task takes batches out of the queue and sends them (`traces/batches.rs`). `steps/trace.rs` has the
//! spans.

mod batches;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::Context;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor};
use reqwest::Client;
use reqwest::redirect::Policy;
use rustls::crypto::ring;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::batches::Batches;
use crate::config;
use crate::metrics::{Metrics, Traced};

/// How long the end of the process waits for the spans that are not exported yet. With the other parts of a drain it stays
/// below systemd's `TimeoutStopSec`.
const END: Duration = Duration::from_secs(1);

/// Where spans are made. Cheap to clone; while traces are off it holds nothing, and no span is made.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<SdkTracer>);

/// The running export; off by default.
#[derive(Debug, Default)]
pub struct Export {
    traces: Traces,
    stop: CancellationToken,
    sending: JoinSet<()>,
}

impl Traces {
    /// What makes spans; none while traces are off.
    pub(crate) fn tracer(&self) -> Option<&SdkTracer> {
        self.0.as_ref()
    }
}

impl Export {
    /// Starts the export, if there is one. Traces are no reason not to work: if it cannot start, the log says why.
    pub fn start(settings: Option<config::Traces>, metrics: &Metrics) -> Export {
        let Some(settings) = settings else { return Export::default() };
        match exporter(&settings) {
            Ok(exporter) => Export::of(exporter, &settings, metrics),
            Err(error) => {
                let error = format!("{error:#}");
                warn!(error, "traces are not exported: {error}");
                Export::default()
            }
        }
    }

    fn of(mut exporter: impl SpanExporter + 'static, settings: &config::Traces, metrics: &Metrics) -> Export {
        let mut resource = Resource::builder();
        if !settings.names_service {
            resource = resource.with_service_name("countersign");
        }
        let resource = resource.build();
        exporter.set_resource(&resource);
        let (into, spans) = mpsc::channel(settings.queue);
        let queue = Queue { into, metrics: metrics.clone() };
        let provider =
            SdkTracerProvider::builder().with_span_processor(queue).with_resource(resource).build();
        let (stop, mut sending) = (CancellationToken::new(), JoinSet::new());
        let batches = Batches::new(exporter, spans, settings, metrics.clone());
        sending.spawn(batches.send(stop.clone()));
        let to = shown(&settings.endpoint);
        info!("traces are exported to {to}");
        Export { traces: Traces(Some(provider.tracer("countersign"))), stop, sending }
    }

    /// Where spans are made.
    pub fn traces(&self) -> Traces {
        self.traces.clone()
    }

    /// Exports the spans that are left, for a second at most.
    pub async fn end(mut self) {
        self.stop.cancel();
        if timeout(END, self.sending.join_next()).await.is_err() {
            warn!("the last traces could not be exported within {} s; their spans are lost", END.as_secs());
        }
    }
}

fn exporter(settings: &config::Traces) -> anyhow::Result<opentelemetry_otlp::SpanExporter> {
    // An error means that it is set already.
    let _ = ring::default_provider().install_default();
    // A redirect could lead the receiver's key anywhere.
    let mut http = Client::builder().redirect(Policy::none()).timeout(settings.timeout);
    if settings.endpoint.scheme() == "http" {
        // A system without certificates can reach a receiver in plain text.
        http = http.tls_certs_only([]);
    }
    let http = http.build().context("the HTTP client cannot start")?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(http)
        .with_endpoint(settings.endpoint.as_str())
        .with_timeout(settings.timeout);
    Ok(exporter.build()?)
}

/// A receiver's address without the keys that its URL may have.
fn shown(endpoint: &reqwest::Url) -> String {
    format!("{}{}", endpoint.origin().ascii_serialization(), endpoint.path())
}

/// The bounded queue of spans that have ended.
#[derive(Debug)]
struct Queue {
    into: mpsc::Sender<SpanData>,
    metrics: Metrics,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.into.try_send(span).is_err() {
            self.metrics.traced(Traced::Dropped, 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
