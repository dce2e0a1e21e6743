//! What systemd is told, if it started the worker (`Type=notify`): that it is ready, that it stops, and that it is alive.
//!
//! Without systemd each of these does nothing. The messages go through a socket, whose reader may be slow: a separate
//! thread waits for it, never one that the worker's tasks need.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::{JoinHandle, spawn_blocking};
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
        if let Some(told) = tell(NotifyState::Watchdog) {
            // As long as systemd does not read, no more is sent.
            let _ = told.await;
        }
    }
}

fn tell(state: NotifyState<'static>) -> Option<JoinHandle<()>> {
    std::env::var_os("NOTIFY_SOCKET")?;
    Some(spawn_blocking(move || {
        if let Err(error) = sd_notify::notify(&[state]) {
            warn!(%error, "systemd cannot be told: {error}");
        }
    }))
}
