//! What a test's worker logs, as lines of JSON.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

/// Everything that was logged, as text.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

/// Hears the log of this thread until it is dropped.
pub(crate) struct Listening {
    _log: DefaultGuard,
    _second: Dispatch,
}

/// Listens to the log of this thread, at its usual level.
pub(crate) fn listen() -> (Log, Listening) {
    let log = Log::default();
    let writer = log.clone();
    let lines =
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
    // With one subscriber alone, tracing asks only the thread that is first to reach a line whether anybody wants it, and
    // remembers the answer: another test, which has no subscriber, would silence the line here too.
    let second = Dispatch::new(tracing_subscriber::registry());
    let lines = lines.with_filter(LevelFilter::INFO);
    let log_guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines));
    (log, Listening { _log: log_guard, _second: second })
}

impl Log {
    pub(crate) fn lines(&self) -> Vec<Json> {
        let text = String::from_utf8(self.0.lock().expect("no holder panics").clone()).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no holder panics").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
