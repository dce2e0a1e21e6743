//! How often a shard is polled, and for how much: quick while records come, slow while none do or polls fail.

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::Class;
use crate::stream::limits::PAGE_RECORDS;

/// While records come: four polls a second a shard, as AWS's own pollers do.
const BUSY_POLL: Duration = Duration::from_millis(250);
/// The longest pause of an idle shard, reached by doubling.
pub(super) const IDLE_POLL: Duration = Duration::from_secs(1);
/// How many records an idle shard asks for; after a full page the next is as large as the API allows.
const SMALL_PAGE: u32 = 100;

/// When to poll next, and for how much.
#[derive(Debug)]
pub(super) struct Pace {
    pause: Duration,
    full: bool,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { pause: Duration::ZERO, full: false }
    }
}

impl Pace {
    pub(super) fn next_poll(&self) -> Instant {
        Instant::now() + self.pause
    }

    pub(super) fn page(&self) -> u32 {
        if self.full { PAGE_RECORDS } else { SMALL_PAGE }
    }

    /// A page came, of this many that were granted. A backlog ends with the shard's, not with one short page: a page
    /// of large records is short too.
    pub(super) fn got(&mut self, records: usize, granted: u32, is_at_end: bool) {
        self.full = records >= granted as usize || (self.full && !is_at_end);
        self.pause = if records > 0 { BUSY_POLL } else { (self.pause * 2).clamp(BUSY_POLL, IDLE_POLL) };
    }

    pub(super) fn failed(&mut self, class: Class) {
        let longest = match class {
            Class::Throttled | Class::Transient => IDLE_POLL * 4,
            Class::Systemic | Class::Refused => IDLE_POLL * 10,
        };
        self.pause = (self.pause * 2).clamp(BUSY_POLL, longest);
    }
}
