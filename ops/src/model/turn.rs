//! What the services may see while they answer one call: the time, the dice, the settings, and where changes are noted.

use rand::Rng as _;
use rand::rngs::SmallRng;

use super::events::Change;
use super::options::Options;

/// One call's turn.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    /// Milliseconds since the epoch.
    pub(super) now_ms: u64,
    pub(super) rng: &'a mut SmallRng,
    pub(super) options: &'a Options,
    pub(super) changes: &'a mut Vec<Change>,
    /// Who asks; empty for the world itself.
    pub(super) node: &'a str,
}

impl Turn<'_> {
    /// A moment as an eventually consistent read may see it.
    pub(super) fn lagging(&mut self, lag_ms: u64) -> u64 {
        if lag_ms == 0 {
            self.now_ms
        } else {
            self.now_ms - self.rng.random_range(0..=lag_ms).min(self.now_ms)
        }
    }

    /// Tells whether something of a given percentage happens.
    pub(super) fn happens(&mut self, percent: u8) -> bool {
        percent > 0 && self.rng.random_range(0..100) < percent
    }
}
