//! How often a shard is polled and for how many records: often while records arrive, rarely while none arrive or polls
//! fail.

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::fault::Class;
use crate::stream::limits::PAGE_RECORDS;

/// The pause while records arrive: four polls a second per shard, as AWS's own pollers do.
const BUSY_POLL: Duration = Duration::from_millis(250);
/// The longest pause for an idle shard, reached by doubling.
pub(super) const IDLE_POLL: Duration = Duration::from_secs(1);
/// How many records are requested from an idle shard; after a full page, the next request is for as many as the API
/// allows.
const SMALL_PAGE: u32 = 100;

/// When to poll next, and for how many records.
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

    /// Notes a page with this many records, of this many that were granted. A backlog ends at the end of the shard and
    /// not at the first short page: a page of large records is short too.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses after repeating the same event.
    fn pauses(pace: &mut Pace, times: usize, what: impl Fn(&mut Pace)) -> Vec<u128> {
        let mut pause = || {
            what(pace);
            pace.pause.as_millis()
        };
        std::iter::repeat_with(&mut pause).take(times).collect()
    }

    #[test]
    fn a_busy_shard_is_polled_four_times_a_second_and_an_idle_one_once() {
        let mut pace = Pace::default();
        assert_eq!(pace.pause, Duration::ZERO, "the first poll does not wait");
        assert_eq!(pauses(&mut pace, 3, |pace| pace.got(1, 100, true)), [250, 250, 250]);
        assert_eq!(pauses(&mut pace, 4, |pace| pace.got(0, 100, true)), [500, 1_000, 1_000, 1_000]);
        assert_eq!(pauses(&mut pace, 1, |pace| pace.got(1, 100, true)), [250], "one record wakes it");
    }

    #[test]
    fn a_full_page_asks_for_large_ones_until_the_end_is_reached() {
        let mut pace = Pace::default();
        pace.got(SMALL_PAGE as usize - 1, SMALL_PAGE, false);
        assert_eq!(pace.page(), SMALL_PAGE);
        pace.got(SMALL_PAGE as usize, SMALL_PAGE, false);
        assert_eq!(pace.page(), PAGE_RECORDS);
        pace.got(3, PAGE_RECORDS, false);
        assert_eq!(pace.page(), PAGE_RECORDS, "a page of large records may be short");
        pace.got(3, PAGE_RECORDS, true);
        assert_eq!(pace.page(), SMALL_PAGE);
        // Fewer records may be granted than were requested.
        pace.got(10, 10, true);
        assert_eq!(pace.page(), PAGE_RECORDS);
    }

    #[test]
    fn polls_that_fail_are_rarer_and_never_stop() {
        for (class, longest_ms) in [
            (Class::Throttled, 4_000),
            (Class::Transient, 4_000),
            (Class::Systemic, 10_000),
            (Class::Refused, 10_000),
        ] {
            let mut pace = Pace::default();
            let pauses = pauses(&mut pace, 8, |pace| pace.failed(class));
            assert_eq!(pauses[..4], [250, 500, 1_000, 2_000], "{class:?}");
            assert_eq!(pauses[7], longest_ms, "{class:?}");
            pace.got(0, 100, true);
            assert_eq!(pace.pause, IDLE_POLL, "{class:?}: a page ends the failures");
        }
    }
}
