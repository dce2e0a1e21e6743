//! The open connections: how many there may be, and which one is closed for a newcomer.
//!
//! Each open connection costs memory and a file descriptor, and anyone who can reach the port can open many and send
//! nothing. So a newcomer always gets a place: the connection that has been without a request in hand for the longest is
//! closed for it. A request in hand is one that has a place in its class ([`super::limits`]), and all the classes
//! together have fewer places than there may be connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// The most open connections of the API. Many systems allow a process 1,024 open files, and the calls to AWS need some of
/// them.
pub(super) const MAX_CONNECTIONS: usize = 512;

/// The open connections of one listener. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    open: Arc<Mutex<Open>>,
    /// The most that there may be.
    most: usize,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Open {
    count: usize,
    /// Grows; the least of `idle` has waited for the longest.
    turn: u64,
    /// The connections without a request in hand.
    idle: BTreeMap<u64, CancellationToken>,
}

/// The place of one open connection. The connection is closed once `closed` is cancelled.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) closed: CancellationToken,
    of: Connections,
    /// Its turn among the idle ones; none while it has a request in hand.
    turn: Mutex<Option<u64>>,
}

/// While it exists, its connection has a request in hand and is not closed for a newcomer.
#[derive(Debug)]
pub(super) struct Busy(Arc<Connection>);

impl Connections {
    pub(super) fn new(most: usize, metrics: Metrics) -> Connections {
        Connections { open: Arc::default(), most, metrics }
    }

    /// A place for a new connection.
    pub(super) fn enter(&self) -> Arc<Connection> {
        let closed = CancellationToken::new();
        let mut open = self.lock();
        if open.count >= self.most {
            // The evicted one leaves the count when its task ends; until then there is one more.
            if let Some((_, longest)) = open.idle.pop_first() {
                longest.cancel();
                self.metrics.http_connections_evicted.inc();
            }
        }
        open.count += 1;
        self.metrics.http_connections.inc();
        let turn = open.wait(closed.clone());
        Arc::new(Connection { closed, of: self.clone(), turn: Mutex::new(Some(turn)) })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().expect("no thread panics while it holds the lock")
    }
}

impl Open {
    /// Adds a connection that has just become idle; returns its turn.
    fn wait(&mut self, closed: CancellationToken) -> u64 {
        self.turn += 1;
        self.idle.insert(self.turn, closed);
        self.turn
    }
}

impl Connection {
    /// Marks a request of this connection as in hand.
    pub(super) fn busy(self: Arc<Self>) -> Busy {
        if let Some(turn) = self.turn().take() {
            self.of.lock().idle.remove(&turn);
        }
        Busy(self)
    }

    fn turn(&self) -> MutexGuard<'_, Option<u64>> {
        self.turn.lock().expect("no thread panics while it holds the lock")
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let turn = self.0.of.lock().wait(self.0.closed.clone());
        *self.0.turn() = Some(turn);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let turn = self.turn().take();
        let mut open = self.of.lock();
        open.count -= 1;
        self.of.metrics.http_connections.dec();
        if let Some(turn) = turn {
            open.idle.remove(&turn);
        }
    }
}
