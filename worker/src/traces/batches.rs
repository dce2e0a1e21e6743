//! Sends spans in batches, one after the other, and says when that begins to fail and when it works again.

use std::mem;
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::select;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::shown;
use crate::config;
use crate::metrics::{Metrics, Traced};

/// The spans that are to be sent, and where to.
pub(super) struct Batches<E> {
    exporter: E,
    spans: mpsc::Receiver<SpanData>,
    /// The most spans of one batch.
    most: usize,
    delay: Duration,
    timeout: Duration,
    /// For the log.
    to: String,
    /// Spans that were lost since exports fail; none while they succeed.
    lost: Option<usize>,
    metrics: Metrics,
}

impl<E: SpanExporter> Batches<E> {
    pub(super) fn new(
        exporter: E,
        spans: mpsc::Receiver<SpanData>,
        settings: &config::Traces,
        metrics: Metrics,
    ) -> Batches<E> {
        let config::Traces { batch: most, delay, timeout, ref endpoint, .. } = *settings;
        Batches { exporter, spans, most, delay, timeout, to: shown(endpoint), lost: None, metrics }
    }

    /// Works until `stop`, and then sends what is left.
    pub(super) async fn send(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            let is_open = !self.spans.is_closed();
            let (spans, most) = (&mut self.spans, self.most);
            let fill = async {
                loop {
                    let room = most - batch.len();
                    if room == 0 || spans.recv_many(&mut batch, room).await == 0 {
                        break;
                    }
                }
            };
            select! {
                // A full batch goes first. After a stop there is always one: of what is left.
                biased;
                _ = timeout(self.delay, fill) => {}
                () = stop.cancelled(), if is_open => {
                    self.spans.close();
                    continue;
                }
            }
            if !batch.is_empty() {
                self.export(mem::take(&mut batch)).await;
            } else if self.spans.is_closed() {
                return;
            }
        }
    }

    async fn export(&mut self, batch: Vec<SpanData>) {
        let count = batch.len();
        let exported = timeout(self.timeout, self.exporter.export(batch)).await;
        self.note(exported.unwrap_or(Err(OTelSdkError::Timeout(self.timeout))), count);
    }

    fn note(&mut self, exported: OTelSdkResult, count: usize) {
        match (exported, self.lost) {
            (Ok(()), before) => {
                self.metrics.traced(Traced::Exported, count);
                self.lost = None;
                if let Some(lost) = before {
                    info!("traces are exported again; {lost} spans were lost");
                }
            }
            (Err(error), before) => {
                self.metrics.traced(Traced::Failed, count);
                self.lost = Some(before.unwrap_or_default() + count);
                if before.is_none() {
                    warn!(
                        error = %error,
                        "traces are not exported to {}: {error}; their spans are lost until it answers: check that a \
                         receiver of OTLP over HTTP listens there, or unset OTEL_EXPORTER_OTLP_ENDPOINT and restart the \
                         worker", self.to
                    );
                }
            }
        }
    }
}
