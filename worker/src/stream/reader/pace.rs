//! How often a shard is polled and for how many records: four times a second, more rarely while polls fail, and for as
//! many records as the API allows after a full page.

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::fault::Class;
use crate::stream::limits::PAGE_RECORDS;

/// From one poll to the next, as AWS's own pollers do. A shard answers five reads a second (API reference); the fifth is
/// for attempts that the SDK repeats.
pub(super) const POLL: Duration = Duration::from_millis(250);
/// How many records are requested until a page is full; the next request is then for as many as the API allows. Each
/// request reserves room for its records, and many shards are read at the same time.
const SMALL_PAGE: u32 = 100;

/// When to poll next, and for how many records.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// From the start of the last poll to the start of the next.
    pause: Duration,
    /// When the last poll was due to start.
    last: Option<Instant>,
    full: bool,
}

impl Pace {
    /// When the next poll starts. A poll that took longer than the pause is followed at once.
    pub(super) fn next_poll(&mut self) -> Instant {
        let now = Instant::now();
        let next = self.last.map_or(now, |last| (last + self.pause).max(now));
        *self.last.insert(next)
    }

    pub(super) fn page(&self) -> u32 {
        if self.full { PAGE_RECORDS } else { SMALL_PAGE }
    }

    /// Notes a page with this many records, of this many that were granted. A backlog ends at the end of the shard and
    /// not at the first short page: a page of large records is short too.
    pub(super) fn got(&mut self, records: usize, granted: u32, is_at_end: bool) {
        self.full = records >= granted as usize || (self.full && !is_at_end);
        self.pause = POLL;
    }

    pub(super) fn failed(&mut self, class: Class) {
        let longest = match class {
            Class::Throttled | Class::Transient => POLL * 16,
            Class::Systemic | Class::Refused => POLL * 40,
        };
        self.pause = (self.pause * 2).clamp(POLL, longest);
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
    fn a_shard_is_polled_four_times_a_second_busy_or_idle() {
        let mut pace = Pace::default();
        assert_eq!(pauses(&mut pace, 2, |pace| pace.got(1, 100, true)), [250, 250]);
        assert_eq!(pauses(&mut pace, 3, |pace| pace.got(0, 100, true)), [250, 250, 250]);
        assert_eq!(pauses(&mut pace, 2, |pace| pace.got(100, 100, false)), [250, 250]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_starts_a_pause_after_the_one_before_it_started() {
        let mut pace = Pace::default();
        let begun = Instant::now();
        assert_eq!(pace.next_poll(), begun, "the first poll does not wait");
        tokio::time::advance(Duration::from_millis(40)).await;
        pace.got(1, 100, true);
        assert_eq!(pace.next_poll(), begun + POLL, "the time of the poll itself counts");
        tokio::time::advance(POLL * 3).await;
        pace.got(1, 100, true);
        assert_eq!(
            pace.next_poll(),
            begun + POLL * 3 + Duration::from_millis(40),
            "a slow poll makes up for nothing"
        );
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
            assert_eq!(pace.pause, POLL, "{class:?}: a page ends the failures");
        }
    }
}
