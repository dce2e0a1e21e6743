//! What a service can use while it answers one call: the time, the random numbers, the options, and the list of
//! changes.

use rand::Rng as _;
use rand::rngs::SmallRng;

use super::events::Change;
use super::options::Options;

/// The context of one call.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    /// Milliseconds since the epoch.
    pub(super) now_ms: u64,
    pub(super) rng: &'a mut SmallRng,
    pub(super) options: &'a Options,
    pub(super) changes: &'a mut Vec<Change>,
    /// The node that made the call; empty for the world itself.
    pub(super) node: &'a str,
}

impl Turn<'_> {
    /// A time whose state an eventually consistent read may return.
    pub(super) fn lagging(&mut self, lag_ms: u64) -> u64 {
        if lag_ms == 0 {
            self.now_ms
        } else {
            self.now_ms - self.rng.random_range(0..=lag_ms).min(self.now_ms)
        }
    }

    /// Returns whether an event with this probability in percent happens.
    pub(super) fn happens(&mut self, percent: u8) -> bool {
        percent > 0 && self.rng.random_range(0..100) < percent
    }
}
