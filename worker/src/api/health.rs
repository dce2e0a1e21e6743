//! Whether the process lives, and whether it is ready.
//!
//! Readiness is a latch at start plus draining. The health of the data path is metrics and alerts: an outage of
//! Step Functions or a broken rule edit must not make a scaling group replace the fleet.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;

use super::ApiState;

/// Whether the process may be sent work. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<Phase>>);

/// Where a process is in its life. It only moves down this list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Not yet ready, for this reason.
    Starting(String),
    /// Ready, whatever its services do meanwhile.
    Ready,
    /// Asked to stop.
    Draining,
}

impl Readiness {
    /// Not ready yet; `reason` says what is waited for.
    pub fn starting(reason: &str) -> Readiness {
        Readiness(Arc::new(Mutex::new(Phase::Starting(reason.to_owned()))))
    }

    /// Says what is waited for now. Without effect once ready.
    pub fn waits_for(&self, reason: &str) {
        self.advance(Phase::Starting(reason.to_owned()));
    }

    /// Ready from now on. Without effect once draining.
    pub fn ready(&self) {
        self.advance(Phase::Ready);
    }

    /// Not to be sent work any more.
    pub fn drain(&self) {
        self.advance(Phase::Draining);
    }

    /// Where the process is.
    ///
    /// # Panics
    ///
    /// Never: no holder of the phase panics.
    pub fn phase(&self) -> Phase {
        self.0.lock().expect("no holder of the phase panics").clone()
    }

    fn advance(&self, to: Phase) {
        let mut phase = self.0.lock().expect("no holder of the phase panics");
        match (&*phase, &to) {
            (Phase::Starting(_), _) | (Phase::Ready, Phase::Draining) => *phase = to,
            (Phase::Ready, Phase::Starting(_) | Phase::Ready) | (Phase::Draining, _) => {}
        }
    }
}

impl Phase {
    /// One word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Phase::Starting(_) => "starting",
            Phase::Ready => "ready",
            Phase::Draining => "draining",
        }
    }
}

/// `GET /livez`: the process serves.
pub(super) async fn livez() -> &'static str {
    "live\n"
}

/// `GET /readyz`.
pub(super) async fn readyz(State(state): State<ApiState>) -> (StatusCode, String) {
    match state.readiness.phase() {
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
