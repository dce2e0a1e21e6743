//! Which shards may be read now: parents before children. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::lease::plan::{Lease, Position, Subject};

/// How long the lease of a shard that listings no longer show is kept, in seconds: twice the stream's retention.
pub const TOMBSTONE_SECONDS: i64 = 48 * 3_600;

/// How long a parent must be missing before it counts as gone, in seconds: listings lag, and may show a child first.
pub const ORPHAN_SECONDS: i64 = 15;

/// A shard as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub shard: String,
    /// Its parent's id; kept in the listing even after the parent is gone.
    pub parent: Option<String>,
}

/// What a listing changes in the control table. From a partial listing only [`Change::Create`] with no missing parent
/// and [`Change::Found`] are valid: the caller omits the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A shard without a lease.
    Create {
        /// The shard.
        listed: Listed,
        /// Its parent is neither listed nor known, for the first time.
        parent_missing: bool,
    },
    /// A lease whose parent is neither listed nor known, for the first time.
    ParentMissing(Subject),
    /// A lease whose parent is listed or known after all.
    ParentFound(Subject),
    /// A lease whose parent stayed unseen for [`ORPHAN_SECONDS`].
    Orphan(Subject),
    /// A lease whose shard the listing lacks, for the first time.
    Missing(Subject),
    /// A lease whose shard is back.
    Found(Subject),
    /// A tombstone that nothing refers to.
    Forget(Subject),
}

/// The leases that may be worked on: not ended, and the parent ended or proven gone by a complete listing. If a
/// parent's lease is only missing, the child waits: absence is not proof.
pub fn ready(leases: &[Lease]) -> Vec<&Lease> {
    let position: BTreeMap<&Subject, &Position> =
        leases.iter().map(|lease| (&lease.subject, &lease.position)).collect();
    let parent_is_done = |lease: &Lease| match (&lease.subject, &lease.parent) {
        (Subject::Shard { stream, .. }, Some(parent)) => {
            let parent = Subject::Shard { stream: stream.clone(), shard: parent.clone() };
            lease.parent_gone || position.get(&parent).is_some_and(|position| **position == Position::End)
        }
        (Subject::Shard { .. } | Subject::Sweep(_), _) => true,
    };
    leases.iter().filter(|lease| lease.position != Position::End && parent_is_done(lease)).collect()
}

/// Ended shards that no lease names as its parent: their children are not known yet, or there are none.
pub fn childless(leases: &[Lease]) -> BTreeSet<&Subject> {
    let parents: BTreeSet<(&str, &str)> = leases
        .iter()
        .filter_map(|lease| match (&lease.subject, &lease.parent) {
            (Subject::Shard { stream, .. }, Some(parent)) => Some((stream.as_str(), parent.as_str())),
            (Subject::Shard { .. } | Subject::Sweep(_), _) => None,
        })
        .collect();
    let has_no_child = |lease: &&Lease| match &lease.subject {
        Subject::Shard { stream, shard } => !parents.contains(&(stream.as_str(), shard.as_str())),
        Subject::Sweep(_) => false,
    };
    let ended = leases.iter().filter(|lease| lease.position == Position::End);
    ended.filter(has_no_child).map(|lease| &lease.subject).collect()
}

/// Compares the leases of one stream with a listing of it at `now` (epoch seconds). Conclusions from an absence are
/// valid only for a **complete** listing: from a partial one, the caller uses only what shows that a shard exists.
///
/// A parent is gone after two listings at least [`ORPHAN_SECONDS`] apart. Deleting takes two listings at least
/// [`TOMBSTONE_SECONDS`] apart, neither of them empty: an empty listing of a stream that had shards is a fault, not a
/// fact.
pub fn sync(stream: &str, leases: &[Lease], listing: &[Listed], now: i64) -> Vec<Change> {
    let known: BTreeMap<&str, &Lease> = leases
        .iter()
        .filter_map(|lease| match &lease.subject {
            Subject::Shard { stream: of, shard } if of == stream => Some((shard.as_str(), lease)),
            Subject::Shard { .. } | Subject::Sweep(_) => None,
        })
        .collect();
    if listing.is_empty() {
        return vec![];
    }
    let parent_is_missing = |parent: &Option<String>| match parent {
        None => false,
        Some(parent) => {
            !known.contains_key(parent.as_str()) && listing.iter().all(|listed| listed.shard != *parent)
        }
    };
    let mut changes: Vec<Change> = parents_first(listing)
        .into_iter()
        .filter(|listed| !known.contains_key(listed.shard.as_str()))
        .map(|listed| Change::Create {
            listed: listed.clone(),
            parent_missing: parent_is_missing(&listed.parent),
        })
        .collect();
    for (shard, lease) in &known {
        match (parent_is_missing(&lease.parent), lease.parent_missing_since) {
            (true, None) if !lease.parent_gone => {
                changes.push(Change::ParentMissing(lease.subject.clone()));
            }
            (true, Some(since)) if !lease.parent_gone && now.saturating_sub(since) >= ORPHAN_SECONDS => {
                changes.push(Change::Orphan(lease.subject.clone()));
            }
            (false, Some(_)) if !lease.parent_gone => {
                changes.push(Change::ParentFound(lease.subject.clone()));
            }
            (true | false, None | Some(_)) => {}
        }
        let is_listed = listing.iter().any(|listed| listed.shard == *shard);
        if !is_listed {
            let may_go = lease.position == Position::End && children_have_moved(shard, &known);
            changes.extend(unlisted(lease, may_go, now));
        } else if lease.missing_since.is_some() {
            changes.push(Change::Found(lease.subject.clone()));
        }
    }
    changes
}

/// What the end of a former `stream` changes, once all its shards are read to their end: their tombstones are deleted
/// after two listings, as in [`sync`]. None is deleted before the table's current stream, `latest`, has a lease: until
/// then they are the only trace of a stream that was replaced.
pub fn forget_former(stream: &str, latest: Option<&str>, leases: &[Lease], now: i64) -> Vec<Change> {
    let of = |stream| leases.iter().filter(move |lease| lease.subject.stream() == Some(stream));
    let is_replaced = latest.is_some_and(|latest| latest != stream && of(latest).next().is_some());
    if !is_replaced || of(stream).any(|lease| lease.position != Position::End) {
        return vec![];
    }
    of(stream).filter_map(|lease| unlisted(lease, true, now)).collect()
}

/// What a listing without a lease's shard changes: the first marks the lease, a much later one deletes it if allowed.
fn unlisted(lease: &Lease, may_go: bool, now: i64) -> Option<Change> {
    match lease.missing_since {
        None => Some(Change::Missing(lease.subject.clone())),
        Some(since) if may_go && now.saturating_sub(since) >= TOMBSTONE_SECONDS => {
            Some(Change::Forget(lease.subject.clone()))
        }
        Some(_) => None,
    }
}

fn children_have_moved(shard: &str, known: &BTreeMap<&str, &Lease>) -> bool {
    known
        .values()
        .filter(|lease| lease.parent.as_deref() == Some(shard))
        .all(|child| child.position != Position::TrimHorizon)
}

/// A listing sorted so that each parent precedes its children: listings have no guaranteed order.
fn parents_first(listing: &[Listed]) -> Vec<&Listed> {
    let by_id: BTreeMap<&str, &Listed> =
        listing.iter().map(|listed| (listed.shard.as_str(), listed)).collect();
    let depth = |listed: &Listed| {
        let mut depth = 0;
        let mut at = listed;
        while let Some(parent) = at.parent.as_deref().and_then(|parent| by_id.get(parent))
            && depth <= listing.len()
        {
            depth += 1;
            at = parent;
        }
        depth
    };
    let mut sorted: Vec<&Listed> = by_id.values().copied().collect();
    sorted.sort_by_key(|listed| (depth(listed), listed.shard.as_str()));
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::checkpoint::SequenceNumber;

    fn listed(shard: &str, parent: Option<&str>) -> Listed {
        Listed { shard: shard.to_owned(), parent: parent.map(str::to_owned) }
    }

    fn lease(shard: &str, parent: Option<&str>, position: Position, missing_since: Option<i64>) -> Lease {
        Lease {
            subject: Subject::Shard { stream: "arn".to_owned(), shard: shard.to_owned() },
            parent: parent.map(str::to_owned),
            owner: None,
            target: None,
            epoch: 0,
            counter: 0,
            position,
            parent_gone: false,
            parent_missing_since: None,
            missing_since,
        }
    }

    fn ids(leases: &[&Lease]) -> Vec<String> {
        leases.iter().map(|lease| lease.subject.key()).collect()
    }

    #[test]
    fn a_child_waits_for_its_parents_end() {
        let after = Position::After(SequenceNumber("9".to_owned()));
        let mut leases = [
            lease("a", None, after, None),
            lease("b", Some("a"), Position::TrimHorizon, None),
            lease("c", Some("b"), Position::TrimHorizon, None),
            lease("d", Some("never-seen"), Position::TrimHorizon, None),
        ];
        assert_eq!(ids(&ready(&leases)), ["shard|arn|a"]);
        leases[0].position = Position::End;
        assert_eq!(ids(&ready(&leases)), ["shard|arn|b"]);
        leases[3].parent_gone = true;
        assert_eq!(ids(&ready(&leases)), ["shard|arn|b", "shard|arn|d"]);
    }

    #[test]
    fn a_shard_is_childless_until_a_lease_names_it() {
        let (end, start) = (Position::End, Position::TrimHorizon);
        let mut leases = vec![lease("a", None, end, None), lease("b", None, start.clone(), None)];
        assert_eq!(childless(&leases), BTreeSet::from([&leases[0].subject]), "one that is open is none");
        leases.push(lease("c", Some("a"), start, None));
        assert_eq!(childless(&leases), BTreeSet::new());
        leases[2].subject = Subject::Shard { stream: "other".to_owned(), shard: "c".to_owned() };
        assert_eq!(childless(&leases).len(), 1, "a child is of the same stream");
    }

    #[test]
    fn a_listing_in_any_order_creates_parents_first() {
        let listing = [listed("c", Some("b")), listed("a", Some("gone")), listed("b", Some("a"))];
        let created: Vec<(String, bool)> = sync("arn", &[], &listing, 0)
            .into_iter()
            .map(|change| match change {
                Change::Create { listed, parent_missing } => (listed.shard, parent_missing),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(created, [("a".to_owned(), true), ("b".to_owned(), false), ("c".to_owned(), false)]);
    }

    #[test]
    fn a_parent_is_gone_at_the_second_look_only() {
        let listing = [listed("b", Some("a"))];
        let subject = Subject::Shard { stream: "arn".to_owned(), shard: "b".to_owned() };
        let at = |since, now, listing: &[Listed]| {
            let mut child = lease("b", Some("a"), Position::TrimHorizon, None);
            child.parent_missing_since = since;
            sync("arn", &[child], listing, now)
        };
        assert_eq!(at(None, 100, &listing), [Change::ParentMissing(subject.clone())]);
        assert_eq!(at(Some(100), 100 + ORPHAN_SECONDS - 1, &listing), []);
        assert_eq!(at(Some(100), 100 + ORPHAN_SECONDS, &listing), [Change::Orphan(subject.clone())]);
        let both = [listing[0].clone(), listed("a", None)];
        let later = at(Some(100), 100 + ORPHAN_SECONDS, &both);
        assert!(later.contains(&Change::ParentFound(subject)), "{later:?}");
    }

    #[test]
    fn an_empty_listing_changes_nothing() {
        let old = lease("a", None, Position::End, Some(0));
        assert_eq!(sync("arn", std::slice::from_ref(&old), &[], TOMBSTONE_SECONDS * 9), []);
    }

    #[test]
    fn a_tombstone_is_forgotten_in_two_steps_and_late() {
        let listing = [listed("b", Some("a"))];
        let child = lease("b", Some("a"), Position::After(SequenceNumber("1".to_owned())), None);
        let at = |missing_since, now| {
            let leases = [lease("a", None, Position::End, missing_since), child.clone()];
            sync("arn", &leases, &listing, now)
        };
        let subject = Subject::Shard { stream: "arn".to_owned(), shard: "a".to_owned() };
        assert_eq!(at(None, 100), [Change::Missing(subject.clone())]);
        assert_eq!(at(Some(100), 100 + TOMBSTONE_SECONDS - 1), []);
        assert_eq!(at(Some(100), 100 + TOMBSTONE_SECONDS), [Change::Forget(subject)]);
    }

    #[test]
    fn a_tombstone_stays_while_a_child_has_not_moved_or_it_is_not_ended() {
        let listing = [listed("b", Some("a"))];
        let still =
            [lease("a", None, Position::End, Some(0)), lease("b", Some("a"), Position::TrimHorizon, None)];
        assert_eq!(sync("arn", &still, &listing, TOMBSTONE_SECONDS), []);
        let open = [lease("a", None, Position::TrimHorizon, Some(0))];
        assert_eq!(
            sync("arn", &open, &listing, TOMBSTONE_SECONDS),
            [Change::Create { listed: listed("b", Some("a")), parent_missing: false }]
        );
    }

    #[test]
    fn a_former_stream_is_forgotten_in_two_steps_and_not_before_the_new_one_has_leases() {
        let of = |stream: &str, shard: &str, position, missing_since| {
            let mut lease = lease(shard, None, position, missing_since);
            lease.subject = Subject::Shard { stream: stream.to_owned(), shard: shard.to_owned() };
            lease
        };
        let latest = of("new", "n", Position::TrimHorizon, None);
        let former = |since| [of("old", "a", Position::End, since), of("old", "b", Position::End, since)];
        let subjects = former(None).map(|lease| lease.subject);
        let forget = |leases: &[Lease], now| forget_former("old", Some("new"), leases, now);
        let at = |since, now| forget(&[&[latest.clone()][..], &former(since)].concat(), now);
        assert_eq!(at(None, 100), subjects.clone().map(Change::Missing));
        assert_eq!(at(Some(100), 100 + TOMBSTONE_SECONDS - 1), []);
        assert_eq!(at(Some(100), 100 + TOMBSTONE_SECONDS), subjects.map(Change::Forget));
        assert_eq!(forget(&former(Some(0)), TOMBSTONE_SECONDS), [], "the new one has no leases");
        assert_eq!(
            forget_former("old", None, &former(Some(0)), TOMBSTONE_SECONDS),
            [],
            "there is no new one"
        );
        let [a, mut b] = former(Some(0));
        b.position = Position::TrimHorizon;
        assert_eq!(forget(&[latest, a, b], TOMBSTONE_SECONDS), [], "one is not read to its end");
    }

    #[test]
    fn a_shard_that_is_back_is_found() {
        let listing = [listed("a", None)];
        let lost = [lease("a", None, Position::TrimHorizon, Some(5))];
        assert_eq!(
            sync("arn", &lost, &listing, 9),
            [Change::Found(Subject::Shard { stream: "arn".to_owned(), shard: "a".to_owned() })]
        );
    }
}
