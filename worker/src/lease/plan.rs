//! Which worker holds which lease. This is a pure function: every worker computes the same plan from the same view, so
//! no leader is needed.
//!
//! A lease does not expire by itself: it lives as long as the heartbeat of its holder. An idle fleet therefore writes
//! one heartbeat per worker, not one renewal per shard.

use std::collections::BTreeMap;

use crate::lease::checkpoint::SequenceNumber;

/// How far the records of a shard are settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// None are settled: read from the oldest record.
    TrimHorizon,
    /// Settled up to and including this record.
    After(SequenceNumber),
    /// All records are settled, to the end of the shard. The lease stays as a tombstone.
    End,
}

/// The work that a lease covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// One shard of one stream.
    Shard {
        /// The stream's ARN; a stream that is enabled again has a new one.
        stream: String,
        /// The shard's id in the stream.
        shard: String,
    },
    /// One bucket of the worklists.
    Sweep(u8),
}

impl Subject {
    /// The sort key of the lease's item.
    pub fn key(&self) -> String {
        match self {
            Subject::Shard { stream, shard } => format!("shard|{stream}|{shard}"),
            Subject::Sweep(bucket) => format!("sweep|{bucket:02}"),
        }
    }

    /// Parses a sort key.
    pub fn parse(key: &str) -> Option<Subject> {
        match key.split('|').collect::<Vec<_>>()[..] {
            ["shard", stream, shard] => {
                Some(Subject::Shard { stream: stream.to_owned(), shard: shard.to_owned() })
            }
            ["sweep", bucket] => bucket.parse().ok().map(Subject::Sweep),
            _ => None,
        }
    }

    /// The stream, if this is a shard.
    pub fn stream(&self) -> Option<&str> {
        match self {
            Subject::Shard { stream, .. } => Some(stream),
            Subject::Sweep(_) => None,
        }
    }

    /// Shards and buckets are distributed over the workers separately.
    fn is_shard(&self) -> bool {
        matches!(self, Subject::Shard { .. })
    }
}

/// One lease as the control table stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The work it covers.
    pub subject: Subject,
    /// The shard's parent, if it has one.
    pub parent: Option<String>,
    /// The worker that holds the lease.
    pub owner: Option<String>,
    /// The worker for which it was released.
    pub target: Option<String>,
    /// Incremented each time the lease changes hands.
    pub epoch: i64,
    /// Incremented on each write. `epoch` and `counter` fence every write of a holder.
    pub counter: i64,
    /// How far the work has come.
    pub position: Position,
    /// Whether a complete listing showed that the parent is gone, and no lease for it is known.
    pub parent_gone: bool,
    /// When a complete listing first lacked the parent, in epoch seconds.
    pub parent_missing_since: Option<i64>,
    /// When a complete listing first lacked the shard, in epoch seconds.
    pub missing_since: Option<i64>,
}

/// What one worker knows about the fleet.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// This worker.
    pub me: &'a str,
    /// Workers whose heartbeat advances and that are not leaving, in sorted order.
    pub live: &'a [String],
    /// Workers whose heartbeat advances, including those that are leaving: they keep what they hold.
    pub alive: &'a [String],
    /// Leases whose work may be done now: parents come first, and ended ones are left out.
    pub ready: &'a [&'a Lease],
}

/// What this worker should do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Take a lease that no worker holds.
    Take(Subject),
    /// Release a held lease, for another worker if there is one: drain, checkpoint, then write the release.
    Release(Subject, Option<String>),
}

/// Computes the next actions of this worker.
///
/// Free leases go to the least loaded worker; each worker takes the leases that this assigns to it. If no lease is
/// free, the most loaded workers give leases to the least loaded ones until no two differ by more than one. A worker
/// that is leaving releases everything.
pub fn plan(view: View<'_>) -> Vec<Action> {
    [true, false].into_iter().flat_map(|shards| plan_kind(view, shards)).collect()
}

fn plan_kind(view: View<'_>, shards: bool) -> Vec<Action> {
    let mut load: BTreeMap<&str, Vec<&Subject>> =
        view.live.iter().map(|name| (name.as_str(), vec![])).collect();
    let mut actions = vec![];
    let mut free = vec![];
    let mut leaving = vec![];
    for lease in view.ready.iter().filter(|lease| lease.subject.is_shard() == shards) {
        let subject = &lease.subject;
        let owner = lease.owner.as_deref().filter(|owner| view.alive.iter().any(|name| name == owner));
        let target = lease.target.as_deref().filter(|_| lease.owner.is_none());
        if let Some(held) = owner.and_then(|owner| load.get_mut(owner)) {
            held.push(subject);
        } else if let Some(owner) = owner {
            leaving.push((owner, subject));
        } else if let Some(held) = target.and_then(|target| load.get_mut(target)) {
            held.push(subject);
            if target == Some(view.me) {
                actions.push(Action::Take(subject.clone()));
            }
        } else {
            free.push(subject);
        }
    }
    let none_free = free.is_empty();
    for subject in free {
        if give_to_least(&mut load, subject) == Some(view.me) {
            actions.push(Action::Take(subject.clone()));
        }
    }
    for (owner, subject) in leaving {
        let target = give_to_least(&mut load, subject);
        if owner == view.me {
            actions.push(Action::Release(subject.clone(), target.map(str::to_owned)));
        }
    }
    if none_free {
        actions.extend(even_out(&mut load, view.me));
    }
    actions
}

fn give_to_least<'a>(
    load: &mut BTreeMap<&'a str, Vec<&'a Subject>>,
    subject: &'a Subject,
) -> Option<&'a str> {
    let (name, held) = load.iter_mut().min_by_key(|(name, held)| (held.len(), **name))?;
    held.push(subject);
    Some(name)
}

/// Moves leases from the most to the least loaded worker until no two differ by more than one; returns what `me` gives.
fn even_out(load: &mut BTreeMap<&str, Vec<&Subject>>, me: &str) -> Vec<Action> {
    let mut given = vec![];
    loop {
        let most = load
            .iter()
            .max_by_key(|(name, held)| (held.len(), **name))
            .map(|(name, held)| (*name, held.len()));
        let least = load
            .iter()
            .min_by_key(|(name, held)| (held.len(), **name))
            .map(|(name, held)| (*name, held.len()));
        let (Some((from, many)), Some((to, few))) = (most, least) else { return given };
        if many <= few + 1 {
            return given;
        }
        let moved = load.get_mut(from).and_then(Vec::pop).expect("the most loaded holds one");
        load.get_mut(to).expect("the least loaded is known").push(moved);
        if from == me {
            given.push(Action::Release(moved.clone(), Some(to.to_owned())));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn lease(n: usize, owner: Option<&str>) -> Lease {
        let shard = format!("shard-{n:03}");
        lease_of(Subject::Shard { stream: "arn".to_owned(), shard }, owner)
    }

    /// A lease whose work has not begun.
    pub(in crate::lease) fn lease_of(subject: Subject, owner: Option<&str>) -> Lease {
        Lease {
            subject,
            parent: None,
            owner: owner.map(str::to_owned),
            target: None,
            epoch: 1,
            counter: 1,
            position: Position::TrimHorizon,
            parent_gone: false,
            parent_missing_since: None,
            missing_since: None,
        }
    }

    /// Lets every worker plan on the same view and carries the plans out; returns how many leases changed hands.
    fn round(leases: &mut [Lease], live: &[String], alive: &[String]) -> usize {
        let mut plans = vec![];
        for me in alive {
            let ready: Vec<&Lease> = leases.iter().collect();
            plans.extend(
                plan(View { me, live, alive, ready: &ready }).into_iter().map(|action| (me.clone(), action)),
            );
        }
        for (me, action) in &plans {
            let (Action::Take(subject) | Action::Release(subject, _)) = action;
            let lease = leases.iter_mut().find(|lease| lease.subject == *subject).unwrap();
            match action {
                Action::Take(_) => {
                    let is_taken = lease.owner.as_ref().is_some_and(|owner| alive.contains(owner));
                    assert!(!is_taken, "{me} takes a lease that {:?} holds", lease.owner);
                    (lease.owner, lease.target) = (Some(me.clone()), None);
                }
                Action::Release(_, target) => {
                    assert_eq!(lease.owner.as_ref(), Some(me));
                    (lease.owner, lease.target) = (None, target.clone());
                }
            }
        }
        plans.len()
    }

    fn settle(leases: &mut [Lease], live: &[String], alive: &[String]) -> usize {
        (1..20).find(|_| round(leases, live, alive) == 0).expect("a plan settles")
    }

    fn spread(leases: &[Lease], live: &[String]) -> usize {
        let count = |name| leases.iter().filter(|lease| lease.owner.as_ref() == Some(name)).count();
        let counts: Vec<usize> = live.iter().map(count).collect();
        assert_eq!(counts.iter().sum::<usize>(), leases.len(), "every lease has a live owner");
        counts.iter().max().unwrap() - counts.iter().min().unwrap()
    }

    fn workers(n: usize) -> Vec<String> {
        (0..n).map(|n| format!("w{n:02}")).collect()
    }

    #[test]
    fn every_fleet_is_balanced_after_a_start_a_join_a_leave_and_a_death() {
        for shards in [1, 2, 7, 16, 256] {
            for fleet in [1, 2, 3, 5, 16] {
                let mut leases: Vec<Lease> = (0..shards).map(|n| lease(n, None)).collect();
                let mut live = workers(fleet);
                settle(&mut leases, &live, &live.clone());
                assert!(spread(&leases, &live) <= 1);

                live.push("w99".to_owned());
                settle(&mut leases, &live, &live.clone());
                assert!(spread(&leases, &live) <= 1, "after a join");

                let alive = live.clone();
                live.remove(0);
                settle(&mut leases, &live, &alive);
                assert!(spread(&leases, &live) <= 1, "after one leaves");

                if live.len() > 1 {
                    live.pop();
                    settle(&mut leases, &live, &live.clone());
                    assert!(spread(&leases, &live) <= 1, "after a death");
                }
            }
        }
    }

    #[test]
    fn a_lone_worker_that_leaves_releases_for_anyone() {
        let mine = lease(0, Some("w00"));
        let view = View { me: "w00", live: &[], alive: &workers(1), ready: &[&mine] };
        assert_eq!(plan(view), [Action::Release(mine.subject.clone(), None)]);
    }

    #[test]
    fn a_lease_released_for_a_dead_worker_is_free() {
        let mut released = lease(0, None);
        released.target = Some("w09".to_owned());
        let live = workers(1);
        let view = View { me: "w00", live: &live, alive: &live, ready: &[&released] };
        assert_eq!(plan(view), [Action::Take(released.subject.clone())]);
    }

    #[test]
    fn keys_read_back() {
        for subject in [
            Subject::Shard {
                stream: "arn:aws:dynamodb:eu-west-1:1:table/t/stream/2026-11-22T10:00:00.000".to_owned(),
                shard: "shardId-00000001795341600000-0a1b2c3d".to_owned(),
            },
            Subject::Sweep(7),
        ] {
            assert_eq!(Subject::parse(&subject.key()), Some(subject));
        }
        assert_eq!(Subject::parse("other"), None);
    }
}
