//! Every line that a fleet logs is one JSON object in which no key stands twice.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};

use model::Options;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt as lines;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::run::run_seed;
use crate::stage::{Stage, replay};

/// Enough that leases change hands, are edited, and workers crash and leave.
const SEEDS: std::ops::Range<u64> = 0..4;

/// What was logged.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    /// Each line of it.
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let text = String::from_utf8(self.0.lock().expect("no holder panics").clone()).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no holder panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The keys of a JSON object. One that stands twice is an error.
#[derive(Debug)]
struct Keys(BTreeSet<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Keys, D::Error> {
        from.deserialize_map(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            if let Some(twice) = keys.replace(key) {
                return Err(A::Error::custom(format!("{twice} stands twice")));
            }
        }
        Ok(Keys(keys))
    }
}

/// Set for the process that writes the log.
const ALONE: &str = "LOG_ALONE";

/// Whether this process runs only the named test. If not, runs it in a process of its own, which must succeed: which
/// log lines are on is one state of a whole process, and other tests run beside this one.
pub(crate) fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let me = std::env::current_exe().expect("a running test has a file");
    let ended = std::process::Command::new(me).args(["--exact", test]).env(ALONE, "1").output();
    let ended = ended.expect("the same program starts");
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && told.contains("1 passed"), "{told}");
    false
}

#[test]
fn no_key_stands_twice_in_a_line_of_the_log() {
    if !is_alone("log::no_key_stands_twice_in_a_line_of_the_log") {
        return;
    }
    let written = Written::default();
    let writer = written.clone();
    // As `telemetry::start` sets it up.
    let layer = lines::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    let layer = layer.with_writer(move || writer.clone());
    let log = tracing_subscriber::registry().with(layer).with(LevelFilter::INFO);
    tracing::subscriber::with_default(log, || {
        // The second worker is given leases.
        replay(async || {
            let mut stage = Stage::new(Options { shards: 4, ..Options::default() });
            stage.sim.start_worker();
            stage.sim.pass(15_000).await?;
            stage.sim.start_worker();
            stage.sim.pass(20_000).await?;
            stage.end().await
        });
        for seed in SEEDS {
            run_seed(seed).unwrap_or_else(|what| panic!("SEED={seed}: {what}"));
        }
    });
    let text = String::from_utf8(written.0.lock().expect("no holder panics").clone()).expect("text");
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let keys: Keys = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        seen.extend(keys.0);
    }
    for known in ["timestamp", "level", "target", "message", "lease", "to"] {
        assert!(seen.contains(known), "{known}: no line has it, in {seen:?}");
    }
}
