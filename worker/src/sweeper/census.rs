//! Counts what a bucket's worklists hold, once a minute, for operators. Nothing is decided by these counts.
//!
//! It reads the `worklist` index: every open task each time (a page of one megabyte costs 128 read units, and holds
//! about a thousand tasks), and each task that settled on this day about three times. An idle bucket costs five queries
//! of half a unit a minute.
//!
//! A count reads a limited number of pages. Beyond [`LIST_PAGES`] it is a lower bound and says so; beyond [`DAY_PAGES`]
//! the next count continues. With a million open tasks it costs 25,000 read units a minute for the whole fleet, about
//! four dollars and a half a day (on demand, us-east-1), and with a second a page it takes 198 seconds: it stays younger
//! than the 300 seconds after which CountersignTasksUncounted calls the counts old.

mod day;

use std::time::Duration;

use statemachine::worklist::{PENDING_GRACE_SECONDS, Worklist, key};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::day::Today;
use super::Sweeper;
use crate::aws::attribute::{number_of, text_of};
use crate::aws::fault::Fault;
use crate::clock;
use crate::lease::guard::Guard;
use crate::metrics::behind::Behind;
use crate::metrics::counts::{Counts, SOON_SECONDS, least};
use crate::tasks::table::Key;

/// The time between two counts.
const EVERY: Duration = Duration::from_secs(60);
/// How many pages of a list one count reads: about 12,000 tasks of a bucket, and 190,000 over all buckets. They are
/// those that have stood in it longest or, of people's tasks, those with the next deadlines.
const LIST_PAGES: usize = 12;
/// How many pages of the day's settled tasks one count reads: about 150,000 tasks of a bucket.
const DAY_PAGES: usize = 150;
/// How many rules are told apart of those that leave tasks to people. The others count as `other`.
const RULES: usize = 20;

impl Sweeper {
    /// Counts one bucket now and again, until `drain`.
    pub(super) async fn count(&self, bucket: u8, guard: &Guard, drain: &CancellationToken, behind: &Behind) {
        let mut today = Today::default();
        while guard.is_live() && !drain.is_cancelled() {
            match self.count_once(bucket, &mut today).await {
                Ok(counts) => behind.counted(counts),
                // The walks of the same lists count what lasts; the age of the counts shows the rest.
                Err(fault) => {
                    warn!(error = %fault, "the worklists of bucket {bucket} are not counted: {fault}")
                }
            }
            let next = Instant::now() + EVERY;
            tokio::select! {
                // A drain begins no count.
                biased;
                () = drain.cancelled() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    async fn count_once(&self, bucket: u8, today: &mut Today) -> Result<Counts, Fault> {
        let now = self.clock.now();
        let mut counts = Counts { at: now.as_second(), buckets: 1, ..Counts::default() };
        for list in Worklist::ALL {
            let wanted = match list {
                Worklist::Escalated => "#receivedAt, #deadline, #escalation",
                Worklist::Pending | Worklist::Due | Worklist::Verify => "#receivedAt, #deadline",
            };
            let key = list.key(bucket);
            let mut start = None;
            for _ in 0..LIST_PAGES {
                let (entries, next) = self.tasks.entries(&key, i64::MIN, wanted, start).await?;
                entries.iter().for_each(|entry| note_open(&mut counts, list, entry));
                start = next;
                if start.is_none() {
                    break;
                }
            }
            counts.partial |= start.is_some();
        }
        let day = clock::day(now);
        let key = key(&day, bucket);
        let mut part = today.begin(&day, now.as_second());
        for _ in 0..DAY_PAGES {
            let page = self.tasks.entries(&key, part.from(), day::WANTED, part.start()).await?;
            if part.read(page).is_break() {
                break;
            }
        }
        counts.today = today.end(part);
        Ok(counts)
    }
}

fn note_open(counts: &mut Counts, list: Worklist, entry: &Key) {
    let open = counts.open.of_mut(list);
    open.tasks += 1;
    let received = text_of(entry, "receivedAt").and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let received = received.map(jiff::Timestamp::as_second);
    open.oldest = least(open.oldest, received);
    let may_expire = match list {
        // A younger one is in the hands of the rules: with short deadlines there are always some.
        Worklist::Pending => received.is_none_or(|at| at.saturating_add(PENDING_GRACE_SECONDS) <= counts.at),
        Worklist::Escalated => true,
        Worklist::Due | Worklist::Verify => false,
    };
    if may_expire {
        let deadline = number_of(entry, "deadline");
        counts.next_deadline = least(counts.next_deadline, deadline);
        if deadline.is_some_and(|deadline| deadline <= counts.at.saturating_add(SOON_SECONDS)) {
            counts.due_soon += 1;
        }
    }
    if list == Worklist::Escalated {
        let escalation = entry.get("escalation").and_then(|escalation| escalation.as_m().ok());
        let code = escalation.and_then(|map| text_of(map, "code")).unwrap_or_default();
        let rule = escalation.and_then(|map| text_of(map, "rule")).unwrap_or(format!("({code})"));
        let by = &mut counts.escalated_by;
        let rule = if by.contains_key(&rule) || by.len() < RULES { rule } else { "other".to_owned() };
        *by.entry(rule).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::attribute::{number, text};

    #[test]
    fn a_task_that_the_rules_have_just_got_is_not_about_to_expire() {
        let now = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        for (list, age_s, left_s, due_soon) in [
            (Worklist::Pending, 10, 600, 0),
            (Worklist::Pending, PENDING_GRACE_SECONDS, 600, 1),
            (Worklist::Pending, 600, 3_601, 0),
            (Worklist::Escalated, 10, 600, 1),
            (Worklist::Escalated, 10, -600, 1),
            (Worklist::Escalated, 10, 3_601, 0),
            (Worklist::Due, 600, 600, 0),
            (Worklist::Verify, 600, 600, 0),
        ] {
            let received = now - jiff::SignedDuration::from_secs(age_s);
            let entry = Key::from([
                ("receivedAt".to_owned(), text(&clock::text(received))),
                ("deadline".to_owned(), number(now.as_second() + left_s)),
            ]);
            let mut counts = Counts { at: now.as_second(), ..Counts::default() };
            note_open(&mut counts, list, &entry);
            assert_eq!(counts.due_soon, due_soon, "{list:?}, {age_s} s old, {left_s} s left");
            assert_eq!(counts.open.of(list).oldest, Some(received.as_second()));
        }
    }
}
