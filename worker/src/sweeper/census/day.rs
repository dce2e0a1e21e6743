//! The tasks that settled on this day in UTC, of one bucket.

use std::ops::ControlFlow;

use statemachine::status::Status;

use crate::aws::attribute::{number_of, text_of};
use crate::metrics::counts::Settled;
use crate::tasks::table::Key;

/// What is read of an entry.
pub(super) const WANTED: &str = "#status, #decision, #listAt";
/// A settled task may appear in the index so much later than its time in it, for clocks that differ and for the index,
/// which lags behind.
const LATE_SECONDS: i64 = 180;

/// What is remembered of the day between two counts.
#[derive(Debug, Default)]
pub(super) struct Today {
    /// The tasks that settled before `until`, and before `stopped` if there is one.
    counted: Settled,
    until: i64,
    /// Where the last count stopped, if it did not come near the present.
    stopped: Option<Key>,
}

/// One count of the day. Only what is new since the last count is read, the earliest first.
#[derive(Debug)]
pub(super) struct Part {
    from: i64,
    /// All that settled before this time is in the index.
    until: i64,
    settled: Settled,
    /// What settled since `until`: the next count reads it again.
    recent: Settled,
    /// Whether anything of `recent` was read.
    is_near: bool,
    /// Where the next page starts.
    next: Option<Key>,
}

impl Today {
    /// Begins a count.
    pub(super) fn begin(&mut self, day: &str, now: i64) -> Part {
        if self.counted.day != day {
            let counted = Settled { day: day.to_owned(), ..Settled::default() };
            *self = Today { counted, until: i64::MIN, stopped: None };
        }
        Part {
            from: self.until,
            until: self.until.max(now - LATE_SECONDS),
            settled: self.counted.clone(),
            recent: Settled { day: day.to_owned(), ..Settled::default() },
            is_near: false,
            next: self.stopped.clone(),
        }
    }

    /// Ends a count, whether or not all was read.
    pub(super) fn end(&mut self, part: Part) -> Settled {
        let Part { from, until, settled, recent, is_near, next } = part;
        let is_partial = next.is_some();
        // All before `until` was read as soon as anything later was.
        let (until, stopped) = if is_near || !is_partial { (until, None) } else { (from, next) };
        *self = Today { counted: settled.clone(), until, stopped };
        let mut all = settled;
        all.add(&recent);
        all.partial = is_partial;
        all
    }
}

impl Part {
    /// From which time on entries are read, in epoch seconds.
    pub(super) fn from(&self) -> i64 {
        self.from
    }

    /// Where the next page starts; none at the beginning.
    pub(super) fn start(&self) -> Option<Key> {
        self.next.clone()
    }

    /// Takes in a page; breaks after the last.
    pub(super) fn read(&mut self, (entries, next): (Vec<Key>, Option<Key>)) -> ControlFlow<()> {
        for entry in &entries {
            let is_past = number_of(entry, "listAt").is_some_and(|at| at < self.until);
            self.is_near |= !is_past;
            note_settled(if is_past { &mut self.settled } else { &mut self.recent }, entry);
        }
        self.next = next;
        if self.next.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

fn note_settled(settled: &mut Settled, entry: &Key) {
    let decision = entry.get("decision").and_then(|decision| decision.as_m().ok());
    let by_rule = decision.and_then(|map| text_of(map, "decidedBy")).is_some_and(|by| by == "rule");
    let status = text_of(entry, "status").and_then(|status| Status::parse(&status));
    let count = match status {
        Some(Status::Approved | Status::Rejected) if by_rule => &mut settled.automatic,
        Some(Status::Approved | Status::Rejected) => &mut settled.people,
        Some(Status::Expired) if decision.is_some() => &mut settled.elsewhere,
        Some(Status::Expired) => &mut settled.expired,
        Some(Status::Failed) => &mut settled.failed,
        // Edited by hand: no such entry stands in a day.
        Some(Status::Pending | Status::Escalated) | None => return,
    };
    *count += 1;
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::aws::attribute::{number, text};

    const PAGE: usize = 10;

    /// A page of entries that settled at these times.
    fn page(settled: &[i64], from: i64, start: Option<Key>) -> (Vec<Key>, Option<Key>) {
        let first = start.map_or(0, |key| usize::try_from(number_of(&key, "place").unwrap()).unwrap());
        let entry = |at: i64| {
            HashMap::from([("status".to_owned(), text("EXPIRED")), ("listAt".to_owned(), number(at))])
        };
        let of_list: Vec<i64> = settled.iter().copied().filter(|at| *at >= from).collect();
        let end = (first + PAGE).min(of_list.len());
        let next = (end < of_list.len())
            .then(|| HashMap::from([("place".to_owned(), number(i64::try_from(end).unwrap()))]));
        (of_list[first..end].iter().map(|at| entry(*at)).collect(), next)
    }

    fn count(today: &mut Today, day: &str, now: i64, settled: &[i64]) -> Settled {
        let mut part = today.begin(day, now);
        for _ in 0..3 {
            if part.read(page(settled, part.from(), part.start())).is_break() {
                break;
            }
        }
        today.end(part)
    }

    #[test]
    fn a_long_day_is_counted_in_parts_and_then_exactly() {
        let mut settled: Vec<i64> = (0..200).map(|n| n * 10).collect();
        let (mut today, mut now) = (Today::default(), 2_000);
        for expected in [30, 60, 90, 120, 150, 180] {
            let counted = count(&mut today, "2026-11-22", now, &settled);
            assert_eq!((counted.expired, counted.partial), (expected, true));
        }
        // The rest is near the present, and read again each time: late entries of the index are counted too.
        for more in [0, 1, 2, 3] {
            let counted = count(&mut today, "2026-11-22", now, &settled);
            assert_eq!((counted.expired, counted.partial), (200 + more, false));
            settled.push(now - 30);
            settled.sort_unstable();
            now += 60;
        }
    }

    #[test]
    fn more_than_a_count_reads_near_the_present_is_a_lower_bound() {
        let (settled, mut today) = ([1_990; 50], Today::default());
        for _ in 0..2 {
            let counted = count(&mut today, "2026-11-22", 2_000, &settled);
            assert_eq!((counted.expired, counted.partial), (30, true), "and none is counted twice");
        }
    }

    #[test]
    fn each_day_begins_at_zero() {
        let mut today = Today::default();
        for (day, now) in [("2026-11-22", 300), ("2026-11-23", 600)] {
            assert_eq!(count(&mut today, day, now, &[10, 20]).expired, 2, "what its own list has");
        }
    }
}
