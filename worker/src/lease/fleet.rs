//! Which workers are alive and which of them may take leases, judged by the movement of their heartbeats on this
//! process's own monotonic clock. No wall clock is used.
//!
//! A worker that starts and crashes every second must not hold leases when it crashes. A *newcomer*, which has been up
//! for less than a lease's time, therefore takes part only while no *established* worker is alive: at the first start
//! of a fleet, or when all the others leave.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::control::table::Heartbeat;
use crate::lease::fleet_view::Worker;
use crate::lease::plan::{Lease, Subject};

/// The heartbeats, as this process has seen them move.
#[derive(Debug, Default)]
pub struct Fleet {
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    beat: Heartbeat,
    moved: Instant,
}

/// The workers that take part, by one reading of the heartbeats and the leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// Workers whose heartbeat moves, sorted, this one included: they keep their leases.
    pub alive: Vec<String>,
    /// Those of them that may take leases: not leaving, and no newcomers beside an established worker.
    pub live: Vec<String>,
    /// How many share the fleet's rate limits.
    pub sharing: usize,
    /// Another worker is releasing its leases.
    pub peer_leaves: bool,
}

impl Fleet {
    /// Records the table's current heartbeats. A heartbeat that is seen for the first time counts as moving.
    pub fn note(&mut self, beats: &[Heartbeat], now: Instant) {
        self.seen.retain(|worker, _| beats.iter().any(|beat| beat.worker == *worker));
        for beat in beats {
            let seen = self
                .seen
                .entry(beat.worker.clone())
                .or_insert_with(|| Seen { beat: beat.clone(), moved: now });
            if seen.beat.counter != beat.counter {
                seen.moved = now;
            }
            seen.beat.clone_from(beat);
        }
    }

    /// Who takes part, for the worker `me`, which is `leaving` or not. `lease` is how long a heartbeat may stand still;
    /// `now` is when the heartbeats were asked for last: what was written since is not known.
    pub fn roster(&self, me: &str, leaving: bool, leases: &[Lease], lease: Duration, now: Instant) -> Roster {
        let holders: BTreeSet<&str> = leases.iter().filter_map(|lease| lease.owner.as_deref()).collect();
        let alive: BTreeMap<&str, Option<&Heartbeat>> = self
            .seen
            .iter()
            .filter(|(worker, seen)| *worker == me || now.duration_since(seen.moved) < lease)
            .map(|(worker, seen)| (worker.as_str(), Some(&seen.beat)))
            .chain((!self.seen.contains_key(me)).then_some((me, None)))
            .collect();
        let is_leaving = |worker: &str, beat: Option<&Heartbeat>| {
            if worker == me { leaving } else { beat.is_some_and(|beat| beat.leaving) }
        };
        // Each worker reports its own uptime, so that all see the same newcomers.
        let is_new = |beat: Option<&Heartbeat>| {
            beat.is_none_or(|beat| beat.uptime.is_some_and(|uptime| uptime < lease))
        };
        let has_established = alive.iter().any(|(worker, beat)| !is_new(*beat) && !is_leaving(worker, *beat));
        // A newcomer that holds leases took them when no worker was established: it keeps taking part.
        let waits = |worker: &str, beat: Option<&Heartbeat>| {
            has_established && is_new(beat) && !holders.contains(worker)
        };
        let names = |is: &dyn Fn(&str, Option<&Heartbeat>) -> bool| -> Vec<String> {
            let chosen = alive.iter().filter(|(worker, beat)| is(worker, **beat));
            chosen.map(|(worker, _)| (*worker).to_owned()).collect()
        };
        Roster {
            alive: names(&|_, _| true),
            live: names(&|worker, beat| !is_leaving(worker, beat) && !waits(worker, beat)),
            // This one has people to serve, whatever it waits for.
            sharing: names(&|worker, beat| worker == me || !waits(worker, beat)).len(),
            peer_leaves: alive.iter().any(|(worker, beat)| *worker != me && is_leaving(worker, *beat)),
        }
    }

    /// Workers whose heartbeat has stood still for `long`: their items can go.
    pub fn dead(&self, long: Duration, now: Instant) -> Vec<String> {
        let dead = self.seen.iter().filter(|(_, seen)| now.duration_since(seen.moved) >= long);
        dead.map(|(worker, _)| worker.clone()).collect()
    }

    /// Every worker that has a heartbeat, moving or not, with what it holds.
    pub fn workers(&self, leases: &[Lease]) -> Vec<Worker> {
        let holds = |worker: &str, is: fn(&Subject) -> bool| {
            let held = leases.iter().filter(|lease| lease.owner.as_deref() == Some(worker));
            held.filter(|lease| is(&lease.subject)).count()
        };
        self.seen
            .iter()
            .map(|(worker, seen)| Worker {
                beat: seen.beat.clone(),
                moved: seen.moved,
                shards: holds(worker, |subject| matches!(subject, Subject::Shard { .. })),
                buckets: holds(worker, |subject| matches!(subject, Subject::Sweep(_))),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::plan::Subject;
    use crate::lease::plan::tests::lease_of;

    const LEASE: Duration = Duration::from_secs(10);

    fn beat(worker: &str, counter: i64, leaving: bool, uptime_s: u64) -> Heartbeat {
        Heartbeat {
            worker: worker.to_owned(),
            counter,
            leaving,
            ruleset: String::new(),
            version: String::new(),
            uptime: Some(Duration::from_secs(uptime_s)),
            report: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_dies_by_standing_still_and_not_by_any_clock_of_its_own() {
        let mut fleet = Fleet::default();
        let alive = |fleet: &Fleet, now| fleet.roster("me", false, &[], LEASE, now);
        fleet.note(&[beat("w1", 5, false, 99)], Instant::now());
        tokio::time::advance(Duration::from_secs(9)).await;
        fleet.note(&[beat("w1", 6, false, 99)], Instant::now());
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(alive(&fleet, Instant::now()).live, ["w1"]);
        fleet.note(&[beat("w1", 6, true, 99)], Instant::now());
        let leaving = alive(&fleet, Instant::now());
        assert_eq!((leaving.live, leaving.peer_leaves), (vec!["me".to_owned()], true));
        assert_eq!(leaving.alive, ["me", "w1"]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(alive(&fleet, Instant::now()).alive, ["me"]);
        assert_eq!(fleet.dead(LEASE, Instant::now()), ["w1"]);
        let asked = Instant::now();
        tokio::time::advance(LEASE * 2).await;
        fleet.note(&[beat("w1", 7, false, 99)], Instant::now());
        assert_eq!(alive(&fleet, asked).live, ["w1"], "it moved after the question");
        fleet.note(&[], Instant::now());
        assert_eq!(fleet.dead(LEASE, Instant::now()).len(), 0);
    }

    /// Who may take leases, and how many share the rates, as `me` sees it.
    fn takers(beats: &[Heartbeat], me: (&str, bool), leases: &[Lease]) -> (Vec<String>, usize) {
        let mut fleet = Fleet::default();
        fleet.note(beats, Instant::now());
        let roster = fleet.roster(me.0, me.1, leases, LEASE, Instant::now());
        (roster.live, roster.sharing)
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_waits_for_a_leases_time_beside_an_established_worker() {
        let at = |new_s, old_s| [beat("new", 1, false, new_s), beat("old", 9, false, old_s)];
        let both = vec!["new".to_owned(), "old".to_owned()];
        let old = vec!["old".to_owned()];
        for me in ["new", "old"] {
            let shares = if me == "new" { 2 } else { 1 };
            assert_eq!(takers(&at(9, 10), (me, false), &[]), (old.clone(), shares), "{me}");
            assert_eq!(takers(&at(10, 99), (me, false), &[]), (both.clone(), 2), "{me}");
            assert_eq!(takers(&at(0, 9), (me, false), &[]), (both.clone(), 2), "{me}: nobody is established");
            let holds = [lease_of(Subject::Sweep(1), Some("new"))];
            assert_eq!(takers(&at(9, 10), (me, false), &holds), (both.clone(), 2), "{me}: it has its part");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_hands_over_to_newcomers_when_nobody_else_is_there() {
        let leaving = [beat("new", 1, false, 1), beat("old", 9, true, 99)];
        assert_eq!(takers(&leaving, ("new", false), &[]).0, ["new"]);
        let not_told_yet = [beat("new", 1, false, 1), beat("old", 9, false, 99)];
        assert_eq!(takers(&not_told_yet, ("old", true), &[]).0, ["new"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_of_a_version_without_an_age_is_established() {
        let mut old = beat("old", 1, false, 0);
        old.uptime = None;
        assert_eq!(takers(&[beat("new", 1, false, 1), old], ("new", false), &[]).0, ["old"]);
    }
}
