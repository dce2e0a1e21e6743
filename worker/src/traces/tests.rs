//! The queue and its batches, with receivers that fail, do not answer, or come back.

use std::io::Write;
use std::sync::{Arc, Mutex};

use opentelemetry::trace::Tracer as _;
use opentelemetry_sdk::error::OTelSdkError;
use prometheus_client::registry::Registry;
use tokio::time::{Instant, sleep};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::metrics::{registry, text};

#[derive(Debug, Clone, Copy)]
enum Answer {
    Takes,
    Refuses,
    Never,
}

/// A receiver that notes the size of each batch.
#[derive(Debug, Clone)]
struct Receiver {
    answer: Arc<Mutex<Answer>>,
    sizes: Arc<Mutex<Vec<usize>>>,
}

impl Receiver {
    fn that(answer: Answer) -> Receiver {
        Receiver { answer: Arc::new(Mutex::new(answer)), sizes: Arc::default() }
    }

    fn now(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }
}

impl SpanExporter for Receiver {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.sizes.lock().unwrap().push(batch.len());
        let answer = *self.answer.lock().unwrap();
        match answer {
            Answer::Takes => Ok(()),
            Answer::Refuses => Err(OTelSdkError::InternalFailure("status 503".to_owned())),
            Answer::Never => std::future::pending().await,
        }
    }
}

/// An export to a receiver, with its metrics.
fn export(to: &Receiver, queue: usize, delay: Duration) -> (Export, Registry) {
    let settings = config::Traces {
        endpoint: "http://user:password@otel:4318/v1/traces?key=secret".parse().unwrap(),
        timeout: Duration::from_secs(10),
        queue,
        batch: 2,
        delay,
        names_service: true,
    };
    let mut registry = registry();
    let metrics = Metrics::register(&mut registry);
    (Export::of(to.clone(), &settings, &metrics), registry)
}

fn make_spans(export: &Export, count: usize) {
    let traces = export.traces();
    let tracer = traces.tracer().unwrap();
    for _ in 0..count {
        drop(tracer.start("step"));
    }
}

/// How many spans were exported, failed and were dropped.
fn counted(registry: &Registry) -> [u64; 3] {
    let text = text(registry).unwrap();
    ["exported", "failed", "dropped"].map(|result| {
        let name = format!("countersign_trace_spans_total{{result=\"{result}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    })
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_never_answers_holds_up_neither_the_spans_nor_the_end() {
    let receiver = Receiver::that(Answer::Never);
    let (export, registry) = export(&receiver, 4, Duration::ZERO);
    // Nothing of this waits: there is no await.
    make_spans(&export, 10);
    assert_eq!(counted(&registry), [0, 0, 6], "the queue holds four");
    sleep(Duration::from_secs(9)).await;
    assert_eq!((receiver.sizes.lock().unwrap().clone(), counted(&registry)), (vec![2], [0, 0, 6]));
    sleep(Duration::from_secs(2)).await;
    assert_eq!((receiver.sizes.lock().unwrap().clone(), counted(&registry)), (vec![2, 2], [0, 2, 6]));
    let asked = Instant::now();
    export.end().await;
    assert_eq!(asked.elapsed(), END);
}

#[tokio::test(start_paused = true)]
async fn the_end_exports_what_waits_for_a_batch() {
    let receiver = Receiver::that(Answer::Takes);
    let (export, registry) = export(&receiver, 100, Duration::from_secs(3_600));
    make_spans(&export, 1);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(counted(&registry), [0, 0, 0]);
    make_spans(&export, 4);
    let (traces, asked) = (export.traces(), Instant::now());
    export.end().await;
    assert_eq!((receiver.sizes.lock().unwrap().clone(), counted(&registry)), (vec![2, 2, 1], [5, 0, 0]));
    assert_eq!(asked.elapsed(), Duration::ZERO);
    // A person's decision that takes longer than the end of the process.
    drop(traces.tracer().unwrap().start("late"));
    assert_eq!(counted(&registry), [5, 0, 1]);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_receiver_is_told_once_and_its_end_too() {
    let log = Log::default();
    let writer = log.clone();
    let lines = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let _listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines));

    let receiver = Receiver::that(Answer::Takes);
    let (export, registry) = export(&receiver, 100, Duration::from_secs(5));
    for answer in
        [Answer::Takes, Answer::Refuses, Answer::Refuses, Answer::Refuses, Answer::Takes, Answer::Takes]
    {
        receiver.now(answer);
        make_spans(&export, 2);
        sleep(Duration::from_secs(6)).await;
    }
    assert_eq!(counted(&registry), [6, 6, 0]);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let (begins, ends): (Vec<&str>, Vec<&str>) = log
        .lines()
        .filter(|line| line.contains("traces are not exported") || line.contains("again"))
        .partition(|line| line.contains("WARN"));
    assert_eq!((begins.len(), ends.len()), (1, 1), "{log}");
    assert!(
        begins[0].contains("to http://otel:4318/v1/traces: ") && begins[0].contains("status 503"),
        "{log}"
    );
    assert!(begins[0].contains("or unset OTEL_EXPORTER_OTLP_ENDPOINT"), "{log}");
    assert!(ends[0].contains("exported again; 6 spans were lost"), "{log}");
    assert!(!log.contains("password") && !log.contains("secret"), "{log}");
}
