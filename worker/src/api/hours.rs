//! How many tasks settled in each of the last hours, and how: what this worker has seen of the fleet's counts since its
//! start. It makes no call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::workers::WorkersView;
use crate::clock::Clock;
use crate::lease::fleet_view::FleetView;
use crate::metrics::counts::Settled;

/// The workers count once a minute.
const EVERY: Duration = Duration::from_secs(60);
/// How many hours are kept.
pub(crate) const HOURS: i64 = 24;
const HOUR_SECONDS: i64 = 3_600;
/// The buckets of the worklists: with fewer, a worker has not told its counts, and the difference would be wrong.
const ALL_BUCKETS: u32 = statemachine::worklist::BUCKETS as u32;

/// What settled in one hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hour {
    pub(crate) rules: u64,
    pub(crate) people: u64,
    pub(crate) expired: u64,
}

/// The last hours. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Hours(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    last: Option<Settled>,
    hours: BTreeMap<i64, Hour>,
}

impl Hours {
    /// Looks at the fleet's counts until `stop`.
    pub(super) async fn run(self, fleet: FleetView, clock: Clock, stop: CancellationToken) {
        loop {
            if let Some(look) = fleet.last() {
                let now = clock.now().as_second();
                let view = WorkersView::of(look, Instant::now(), now);
                if view.counts.buckets == ALL_BUCKETS {
                    self.note(&view.counts.today, now);
                }
            }
            if timeout(EVERY, stop.cancelled()).await.is_ok() {
                return;
            }
        }
    }

    /// The last hours, the oldest first, each with its beginning in epoch seconds. Hours of before this worker's start are
    /// empty.
    pub(crate) fn last(&self, now: i64) -> Vec<(i64, Hour)> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let this = now.div_euclid(HOUR_SECONDS);
        let hours = (this - HOURS + 1)..=this;
        hours.map(|hour| (hour * HOUR_SECONDS, seen.hours.get(&hour).copied().unwrap_or_default())).collect()
    }

    fn note(&self, today: &Settled, now: i64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hour = now.div_euclid(HOUR_SECONDS);
        if let Some(last) = &seen.last {
            // At midnight the counts begin anew.
            let before = if last.day == today.day { last.clone() } else { Settled::default() };
            let new = Hour {
                rules: today.automatic.saturating_sub(before.automatic),
                people: today.people.saturating_sub(before.people),
                expired: today.expired.saturating_sub(before.expired),
            };
            let sum = seen.hours.entry(hour).or_default();
            sum.rules += new.rules;
            sum.people += new.people;
            sum.expired += new.expired;
        }
        seen.last = Some(today.clone());
        seen.hours.retain(|of, _| *of > hour - HOURS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(day: &str, automatic: u64, people: u64) -> Settled {
        Settled { day: day.to_owned(), automatic, people, ..Settled::default() }
    }

    #[test]
    fn an_hour_has_what_settled_in_it_since_the_start() {
        let hours = Hours::default();
        let at = |hour: i64, minute: i64| (496_000 + hour) * HOUR_SECONDS + minute * 60;
        hours.note(&settled("a", 1_000, 50), at(0, 1));
        hours.note(&settled("a", 1_010, 50), at(0, 59));
        hours.note(&settled("a", 1_015, 53), at(1, 1));
        hours.note(&settled("b", 2, 1), at(2, 1));
        let last = hours.last(at(2, 2));
        assert_eq!((last.len(), last[0].1), (24, Hour::default()));
        let shown: Vec<(u64, u64)> = last[21..].iter().map(|(_, hour)| (hour.rules, hour.people)).collect();
        assert_eq!(shown, [(10, 0), (5, 3), (2, 1)]);
        assert_eq!(last[23].0, at(2, 0));
        // A count that goes back, when a worker has left, is nothing that happened.
        hours.note(&settled("b", 1, 0), at(3, 0));
        assert_eq!(hours.last(at(3, 0))[23].1, Hour::default());
        hours.note(&settled("c", 1, 1), at(40, 0));
        assert_eq!(hours.0.lock().unwrap().hours.len(), 1, "a day is kept, and no more");
    }
}
