//! What systemd is told, if it started the worker (`Type=notify`): that it is ready, that it stops, and that it is alive.
//!
//! Without systemd each of these does nothing.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

/// Tells that the worker may receive work, so that `systemctl start` returns.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// Tells that the worker drains.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// How often systemd must hear of this process; none if it does not ask.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Tells at half of `period` that the process is alive. It runs beside the worker's other tasks, so that a runtime that
/// stands still falls silent, and systemd starts the worker again.
pub async fn tell_alive(period: Duration) -> Infallible {
    let mut ticks = interval(period / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tell(NotifyState::Watchdog);
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "systemd cannot be told: {error}");
    }
}
