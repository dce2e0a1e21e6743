//! Liveness and readiness of the process.
//!
//! A process becomes ready once, at start, and stays ready until it drains. The health of the data path shows in
//! metrics and alerts instead: an outage of Step Functions or a broken rule edit must not make a scaling group replace
//! the fleet.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;

/// Tells whether the process may receive work. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<Phase>>);

/// The phase of a process. It only moves down this list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Not ready yet, for this reason.
    Starting(String),
    /// Ready, even if an AWS service fails later.
    Ready,
    /// Asked to stop.
    Draining,
}

impl Readiness {
    /// Creates the state of a process that is not ready yet; `reason` says what it is waiting for.
    pub fn starting(reason: &str) -> Readiness {
        Readiness(Arc::new(Mutex::new(Phase::Starting(reason.to_owned()))))
    }

    /// Sets what the process is waiting for. Has no effect once it is ready.
    pub fn waits_for(&self, reason: &str) {
        self.advance(Phase::Starting(reason.to_owned()));
    }

    /// Marks the process as ready. Has no effect once it is draining.
    pub fn ready(&self) {
        self.advance(Phase::Ready);
    }

    /// Marks the process as draining: it must not receive new work.
    pub fn drain(&self) {
        self.advance(Phase::Draining);
    }

    /// Returns the current phase.
    ///
    /// # Panics
    ///
    /// Never: no thread panics while it holds the lock.
    pub fn phase(&self) -> Phase {
        self.0.lock().expect("no thread panics while it holds the lock").clone()
    }

    fn advance(&self, to: Phase) {
        let mut phase = self.0.lock().expect("no thread panics while it holds the lock");
        match (&*phase, &to) {
            (Phase::Starting(_), _) | (Phase::Ready, Phase::Draining) => *phase = to,
            (Phase::Ready, Phase::Starting(_) | Phase::Ready) | (Phase::Draining, _) => {}
        }
    }
}

impl Phase {
    /// The phase in one word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Phase::Starting(_) => "starting",
            Phase::Ready => "ready",
            Phase::Draining => "draining",
        }
    }
}

/// `GET /livez`: succeeds as long as the process serves requests.
pub(super) async fn livez() -> &'static str {
    "live\n"
}

/// `GET /readyz`.
pub(super) async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, String) {
    match readiness.phase() {
        Phase::Starting(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("starting: {reason}\n")),
        Phase::Ready => (StatusCode::OK, "ready\n".to_owned()),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_only_moves_on() {
        let readiness = Readiness::starting("the ruleset");
        readiness.waits_for("the tables");
        assert_eq!(readiness.phase(), Phase::Starting("the tables".to_owned()));
        readiness.ready();
        readiness.waits_for("again");
        assert_eq!(readiness.phase(), Phase::Ready);
        readiness.drain();
        readiness.ready();
        assert_eq!(readiness.phase(), Phase::Draining);
    }
}
