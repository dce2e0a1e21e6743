//! What the operating system and tokio know of this process, under the names that all Prometheus clients use.

use std::fmt;

use procfs::ProcResult;
use procfs::process::{LimitValue, Process, Stat};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use tokio::runtime::Handle;

/// The metrics `process_*` and `tokio_*`, read at each scrape.
#[derive(Debug)]
pub(super) struct OfProcess;

/// One metric, ready to be written.
enum Value {
    Counter(f64),
    Gauge(f64),
}

impl Collector for OfProcess {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // A system that hides /proc from the process has no such metrics.
        let process = of_system().unwrap_or_default();
        for (name, help, unit, value) in process.into_iter().chain(of_tokio()) {
            write(&mut encoder, name, help, unit.as_ref(), value)?;
        }
        Ok(())
    }
}

type Row = (&'static str, &'static str, Option<Unit>, Value);

fn of_system() -> ProcResult<Vec<Row>> {
    let process = Process::myself()?;
    let Stat { utime, stime, starttime, vsize, rss, num_threads, .. } = process.stat()?;
    let ticks = float(procfs::ticks_per_second());
    let started = float(procfs::boot_time_secs()?) + float(starttime) / ticks;
    let most_files = match process.limits()?.max_open_files.soft_limit {
        LimitValue::Value(most) => float(most),
        LimitValue::Unlimited => f64::INFINITY,
    };
    let threads = u64::try_from(num_threads).unwrap_or(0);
    Ok(vec![
        (
            "process_cpu",
            "CPU time that this process has used",
            Some(Unit::Seconds),
            Value::Counter(float(utime + stime) / ticks),
        ),
        (
            "process_resident_memory",
            "Memory of this process that is in RAM",
            Some(Unit::Bytes),
            Value::Gauge(float(rss) * float(procfs::page_size())),
        ),
        (
            "process_virtual_memory",
            "Address space of this process",
            Some(Unit::Bytes),
            Value::Gauge(float(vsize)),
        ),
        (
            "process_start_time",
            "When this process started, in seconds since 1970",
            Some(Unit::Seconds),
            Value::Gauge(started),
        ),
        ("process_open_fds", "Open files and sockets", None, Value::Gauge(float(process.fd_count()? as u64))),
        ("process_max_fds", "Files and sockets that may be open at once", None, Value::Gauge(most_files)),
        ("process_threads", "Threads of this process", None, Value::Gauge(float(threads))),
    ])
}

/// What tokio tells without its unstable interface; nothing outside of a runtime.
fn of_tokio() -> Vec<Row> {
    let Ok(runtime) = Handle::try_current().map(|handle| handle.metrics()) else { return vec![] };
    let busy =
        (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64());
    vec![
        ("tokio_workers", "Threads that run tasks", None, Value::Gauge(float(runtime.num_workers() as u64))),
        (
            "tokio_alive_tasks",
            "Tasks that have not ended",
            None,
            Value::Gauge(float(runtime.num_alive_tasks() as u64)),
        ),
        (
            "tokio_global_queue_depth",
            "Tasks that wait for a thread. Above 0 for long, this machine has too little CPU",
            None,
            Value::Gauge(float(runtime.global_queue_depth() as u64)),
        ),
        (
            "tokio_workers_busy",
            "Time that the threads have spent running tasks",
            Some(Unit::Seconds),
            Value::Counter(busy.sum()),
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a float; counts beyond 2^53 may be rounded")]
fn float(count: u64) -> f64 {
    count as f64
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: Value,
) -> fmt::Result {
    match value {
        Value::Counter(value) => {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, unit, counter.metric_type())?)
        }
        Value::Gauge(value) => {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, unit, gauge.metric_type())?)
        }
    }
}
