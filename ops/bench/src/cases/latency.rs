//! From the put of a task, whose record can be read at once, to its accepted callback.

use anyhow::{Result, ensure};

use super::float;
use crate::service::{self, Arrival};
use crate::stage::{Setup, Stage};
use crate::table::{Row, Target};

/// A rate of arrivals, how many arrive, whether ingest sends hints, and the targets of the middle and of the last of a
/// hundred in milliseconds.
struct Pace {
    per_second: u64,
    count: u64,
    hints: bool,
    targets: [Option<f64>; 2],
}

const PACES: [Pace; 4] = [
    Pace { per_second: 2, count: 60, hints: false, targets: [Some(125.0), Some(300.0)] },
    Pace { per_second: 100, count: 1_500, hints: false, targets: [None, Some(300.0)] },
    Pace { per_second: 2, count: 60, hints: true, targets: [Some(30.0), Some(60.0)] },
    Pace { per_second: 100, count: 1_500, hints: true, targets: [None, Some(60.0)] },
];

pub(crate) async fn run(setup: &Setup) -> Result<Vec<Row>> {
    let mut rows = vec![];
    let model = service::Arguments::fast(4);
    for Pace { per_second, count, hints, targets } in PACES {
        let stage = Stage::new(setup, &model)?;
        let queue = format!("hints = {:?}", stage.hints().await?);
        let settings: &[(&str, &str)] = if hints { &[("queues", &queue)] } else { &[] };
        let mut worker = stage.worker(settings)?;
        stage.ready(&mut worker).await?;
        stage.reset().await?;
        let count = setup.tasks.unwrap_or(count);
        stage.arrive(Arrival { count, order_bytes: 512, per_second, hints }).await?;
        let mut latencies = stage.settled(count, &mut worker).await?.latencies_us;
        ensure!(!latencies.is_empty(), "no callback was accepted");
        latencies.sort_unstable();
        for ((name, percent), target) in [("p50", 50), ("p99", 99)].into_iter().zip(targets) {
            let latency = latencies[(latencies.len() - 1) * percent / 100];
            let way = if hints { "with hints" } else { "by polling" };
            let what = format!("record to callback, {per_second} tasks/s {way}, {name}");
            let row = Row::new("latency", what, float(latency) / 1e3, "ms");
            rows.push(match target {
                Some(most) => row.target(Target::AtMost(most)),
                None => row,
            });
        }
    }
    Ok(rows)
}
