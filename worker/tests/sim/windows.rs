//! How often each crash or race window was hit: a set of seeds that misses a window proves nothing about it.

use std::fmt;

/// The windows, with the names from the architecture.
pub(crate) const NAMES: [&str; 18] = [
    "W0 ended before D",
    "W1 D applied, its answer lost",
    "W2 ended after D, before C",
    "W3 C sent, its answer lost",
    "W4 ended after C, before M",
    "W5 ended after M, before K",
    "W6 a zombie's K refused",
    "W7 K moved back",
    "W8 K held by an unfinished record",
    "W9 SHARD_END sent, its answer lost",
    "W10 a person and a rule together",
    "W11 rules changed between deliveries",
    "W12 refused for good",
    "W13 two senders",
    "W14 a new token for a retried state",
    "W15 a person after the workflow's end",
    "W16 the item gone before D",
    "W17 given back to the rules while D is on its way",
];

/// The number of hits of each window.
#[derive(Debug, Clone, Default)]
pub(crate) struct Windows([u64; 18]);

impl Windows {
    pub(crate) fn hit(&mut self, window: usize) {
        self.0[window] += 1;
    }

    pub(crate) fn add(&mut self, other: &Windows) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }

    pub(crate) fn assert_each_at_least(&self, least: u64) {
        for (name, hits) in NAMES.iter().zip(self.0) {
            assert!(hits >= least, "{name}: hit {hits} times, too rarely to show anything");
        }
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NAMES.iter().zip(self.0).try_for_each(|(name, hits)| write!(f, "\n  {hits:>7}  {name}"))
    }
}
