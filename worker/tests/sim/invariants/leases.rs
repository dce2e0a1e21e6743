//! A lease has one holder at a time, its position only moves on, and a shard is read after its parent.

use std::collections::{BTreeMap, BTreeSet};

use model::{Call, Event, Item, Value, World};
use serde_json::Value as Json;

use crate::invariants::listings::Listings;
use crate::invariants::records::place;
use crate::invariants::{Moved, number, text};
use crate::scene::{LATE_MS, OPERATOR};
use crate::windows::Windows;

/// The control table's leases and heartbeats, from their observed changes.
#[derive(Debug)]
pub(crate) struct Leases {
    lease_ms: u64,
    /// By sort key.
    rows: BTreeMap<String, Item>,
    /// When each worker's heartbeat was last written.
    beats: BTreeMap<String, u64>,
    /// When a heart beat again after peers could call its worker dead.
    revived: BTreeMap<String, u64>,
    /// When each worker's heart beat first.
    born: BTreeMap<String, u64>,
    /// When each worker started, as far as its own heartbeats tell.
    started: BTreeMap<String, u64>,
    /// Since when each worker has been up for a lease's time, as its heartbeat tells it; not those that leave.
    established: BTreeMap<String, u64>,
    /// Workers that have taken a lease.
    takers: BTreeSet<String>,
    /// Shards that were read to their end, even if their lease is forgotten.
    ended: BTreeSet<String>,
    /// Since when the fleet is at rest.
    quiet_from_ms: Option<u64>,
    /// What the processes were told of the streams.
    pub(crate) listings: Listings,
}

/// How long after the last trouble every worker knows which leases it lost.
const AT_REST_MS: u64 = 30_000;
/// How much longer than a holder's own deadline a call may arrive: one attempt of the SDK, and what a fault adds.
const IN_FLIGHT_MS: u64 = 5_000 + LATE_MS;

fn key(stream: &str, shard: &str) -> String {
    format!("shard|{stream}|{shard}")
}

/// The stream and the shard of a lease's sort key; none where it is not a shard's.
pub(crate) fn shard_of(sk: &str) -> Option<(&str, &str)> {
    sk.strip_prefix("shard|")?.split_once('|')
}

pub(crate) fn is_of(worker: &str, node: &str) -> bool {
    worker.strip_prefix(node).is_some_and(|rest| rest.starts_with('-'))
}

impl Leases {
    pub(crate) fn new(lease_ms: u64) -> Leases {
        Leases {
            lease_ms,
            rows: BTreeMap::new(),
            beats: BTreeMap::new(),
            revived: BTreeMap::new(),
            born: BTreeMap::new(),
            started: BTreeMap::new(),
            established: BTreeMap::new(),
            takers: BTreeSet::new(),
            ended: BTreeSet::new(),
            quiet_from_ms: None,
            listings: Listings::default(),
        }
    }

    /// A shard's stored position.
    pub(crate) fn position(&self, stream: &str, shard: &str) -> &str {
        self.rows.get(&key(stream, shard)).map_or("TRIM_HORIZON", |row| text(row, "position"))
    }

    /// How often a shard's lease was taken.
    pub(crate) fn epoch(&self, stream: &str, shard: &str) -> i64 {
        self.rows.get(&key(stream, shard)).map_or(0, |row| number(row, "epoch"))
    }

    /// A node's worker holds a shard's lease.
    pub(crate) fn is_held(&self, stream: &str, shard: &str, node: &str) -> bool {
        self.rows.get(&key(stream, shard)).is_some_and(|row| is_of(text(row, "owner"), node))
    }

    pub(crate) fn rows(&self) -> &BTreeMap<String, Item> {
        &self.rows
    }

    pub(crate) fn beats(&self) -> &BTreeMap<String, u64> {
        &self.beats
    }

    pub(crate) fn note_beat(&mut self, worker: &str, at_ms: u64, new: Option<&Item>) {
        let before = match new {
            Some(_) => self.beats.insert(worker.to_owned(), at_ms),
            None => self.beats.remove(worker),
        };
        if before.is_some_and(|before_ms| at_ms >= before_ms + self.lease_ms) {
            self.revived.insert(worker.to_owned(), at_ms);
        }
        self.born.entry(worker.to_owned()).or_insert(at_ms);
        if let Some(uptime_ms) = new.and_then(|item| u64::try_from(number(item, "uptimeMs")).ok()) {
            let started_ms = at_ms.saturating_sub(uptime_ms);
            let earliest_ms = self.started.entry(worker.to_owned()).or_insert(started_ms);
            *earliest_ms = started_ms.min(*earliest_ms);
        }
        let lease_ms = i64::try_from(self.lease_ms).expect("a lease is short");
        let is_established = |item: &Item| {
            item.get("leaving") != Some(&Value::BOOL(true)) && number(item, "uptimeMs") >= lease_ms
        };
        if new.is_some_and(is_established) {
            self.established.entry(worker.to_owned()).or_insert(at_ms);
        } else {
            self.established.remove(worker);
        }
    }

    /// A heartbeat was edited by hand: what it told of its worker's age is not relied on.
    pub(crate) fn note_edited_beat(&mut self, worker: &str) {
        self.established.remove(worker);
        self.takers.insert(worker.to_owned());
    }

    /// A worker's first lease: it is a newcomer, and every one of its looks has shown an established worker.
    fn check_first_take(&mut self, sk: &str, at_ms: u64, taker: &str, wrong: &mut Vec<String>) {
        let born_ms = self.born.get(taker).copied().unwrap_or(0);
        let is_first = self.takers.insert(taker.to_owned());
        // Its first heartbeats may have failed or come late: it has been up for longer than it has been seen.
        let started_ms = self.started.get(taker).copied().unwrap_or(born_ms);
        let is_new = is_first && at_ms < started_ms + self.lease_ms;
        let beside = self.established.iter().find(|(_, since_ms)| **since_ms <= born_ms);
        if let Some((beside, _)) = beside.filter(|_| is_new) {
            let age_ms = at_ms - born_ms;
            wrong.push(format!("lease {sk}: {taker} took it at the age of {age_ms} ms, beside {beside}"));
        }
    }

    /// A lease's item changed. Gives the position that was written, if one was.
    pub(crate) fn note_lease(
        &mut self,
        world: &World,
        event: &Event,
        old: Option<&Item>,
        new: Option<&Item>,
        wrong: &mut Vec<String>,
    ) -> Option<Moved> {
        let item = new.or(old)?;
        let sk = text(item, "sk").to_owned();
        match new {
            Some(new) => self.rows.insert(sk.clone(), new.clone()),
            None => self.rows.remove(&sk),
        };
        let node = event.call.as_ref().map_or(OPERATOR, |call| &call.node);
        if node == OPERATOR {
            return None;
        }
        self.check_listing(world, event, old, new, wrong);
        if old.is_some_and(|old| !is_lease(old)) {
            // Edited by hand: the discoverer removes or completes it, and its fence and its position start anew.
            let is_end = new.is_some_and(|new| text(new, "position") == "SHARD_END");
            self.ended.extend(is_end.then_some(sk));
            return None;
        }
        let (Some(old), Some(new)) = (old, new) else {
            if new.is_none() {
                self.check_forgotten(world, &sk, old, wrong);
            }
            return None;
        };
        let (before, after) = (text(old, "owner"), text(new, "owner"));
        let (epoch_before, epoch) = (number(old, "epoch"), number(new, "epoch"));
        if epoch < epoch_before || number(new, "counter") < number(old, "counter") {
            wrong.push(format!("lease {sk}: its fence went back"));
        }
        let is_taken = epoch > epoch_before;
        if is_taken {
            self.check_take(&sk, event.at_ms, before, after, wrong);
            self.check_first_take(&sk, event.at_ms, after, wrong);
        } else if before != after && !is_of(before, node) {
            wrong.push(format!("lease {sk}: {node} changed the owner {before} to {after:?}"));
        }
        let (from, to) = (text(old, "position"), text(new, "position"));
        if from == to {
            return None;
        }
        if !is_of(before, node) || is_taken {
            wrong.push(format!("lease {sk}: {node} moved the position of {before}'s lease"));
        }
        let goes_back = from == "SHARD_END"
            || to == "TRIM_HORIZON"
            || (from != "TRIM_HORIZON" && to != "SHARD_END" && place(to) < place(from));
        if goes_back {
            wrong.push(format!("lease {sk}: its position went back from {from} to {to}"));
        }
        if to == "SHARD_END" {
            self.ended.insert(sk.clone());
        }
        let (stream, shard) = shard_of(&sk)?;
        Some(Moved { stream: stream.to_owned(), shard: shard.to_owned(), to: to.to_owned() })
    }

    fn check_take(&self, sk: &str, at_ms: u64, before: &str, after: &str, wrong: &mut Vec<String>) {
        let Some(beat_ms) = self.beats.get(before).filter(|_| before != after) else { return };
        // A peer that called it dead just before it came back may still be on its way.
        let is_on_its_way =
            self.revived.get(before).is_some_and(|revived_ms| at_ms < revived_ms + 3 * IN_FLIGHT_MS);
        // A peer sees a beat after it was written, so its patience ends after this.
        if at_ms < beat_ms + self.lease_ms && !is_on_its_way {
            let age_ms = at_ms - beat_ms;
            wrong
                .push(format!("lease {sk}: {after} took it from {before}, whose heart beat {age_ms} ms ago"));
        }
    }

    fn check_forgotten(&self, world: &World, sk: &str, old: Option<&Item>, wrong: &mut Vec<String>) {
        let Some((stream, shard)) = shard_of(sk) else {
            wrong.push(format!("lease {sk}: deleted"));
            return;
        };
        if is_there(world, stream, shard) {
            wrong.push(format!("lease {sk}: deleted while its shard is there"));
        }
        if old.is_none_or(|old| number(old, "missingSince") == 0 || text(old, "position") != "SHARD_END") {
            wrong.push(format!("lease {sk}: deleted at the first look"));
        }
        let waits = |row: &&Item| text(row, "parent") == shard && text(row, "position") == "TRIM_HORIZON";
        if self.rows.values().any(|row| waits(&row)) {
            wrong.push(format!("lease {sk}: deleted before its child was read"));
        }
    }

    /// Records of a shard were read: its parent must be done.
    pub(crate) fn check_lineage(&self, world: &World, stream: &str, shard: &str, wrong: &mut Vec<String>) {
        let parent =
            world.shards(stream).into_iter().find(|view| view.id == shard).and_then(|view| view.parent);
        let Some(parent) = parent else { return };
        let row = self.rows.get(&key(stream, shard));
        let is_orphan = row.is_some_and(|row| row.get("parentGone") == Some(&Value::BOOL(true)));
        if !is_orphan && !self.ended.contains(&key(stream, &parent)) {
            wrong.push(format!("shard {shard}: read before its parent {parent} ended"));
        }
    }

    /// A shard was closed: the leases of the children that its holder was told of must be there.
    pub(crate) fn check_children(
        &self,
        moved: &Moved,
        told: Option<&BTreeSet<String>>,
        wrong: &mut Vec<String>,
    ) {
        for child in told.into_iter().flatten() {
            if !self.rows.contains_key(&key(&moved.stream, child)) {
                wrong.push(format!("shard {}: ended without its child {child}", moved.shard));
            }
        }
    }

    /// From this moment on nothing disturbs the fleet.
    pub(crate) fn calm(&mut self, now_ms: u64) {
        self.quiet_from_ms = Some(now_ms + AT_REST_MS);
    }

    /// A shard is polled: once the fleet is at rest its only reader is the holder of its lease.
    pub(crate) fn check_reader(&self, call: &Call, wrong: &mut Vec<String>) {
        let is_quiet = self.quiet_from_ms.is_some_and(|from_ms| call.sent_ms >= from_ms);
        if !is_quiet || call.operation != "GetRecords" {
            return;
        }
        let mut iterator = call.text("ShardIterator").unwrap_or_default().split('|');
        let (Some(stream), Some(shard)) = (iterator.next(), iterator.next()) else { return };
        if !self.is_held(stream, shard, &call.node) {
            let owner = self.rows.get(&key(stream, shard)).map_or("", |row| text(row, "owner"));
            wrong.push(format!("shard {shard}: {} polls it, whose lease is {owner:?}'s", call.node));
        }
    }

    /// A holder's write was refused; counts what that shows.
    /// A shard is called missing only by who was told a listing that lacks it; a parent gone only if it is.
    fn check_listing(
        &self,
        world: &World,
        event: &Event,
        old: Option<&Item>,
        new: Option<&Item>,
        wrong: &mut Vec<String>,
    ) {
        let Some(new) = new else { return };
        let sk = text(new, "sk");
        let Some((stream, shard)) = shard_of(sk) else { return };
        let was_told = |shard| {
            let node = event.call.as_ref().map_or("", |call| &call.node);
            self.listings.lacked(node, stream, shard, event.at_ms)
        };
        let is_missing = |item: &Item| item.contains_key("missingSince");
        if is_missing(new)
            && !old.is_some_and(is_missing)
            && is_there(world, stream, shard)
            && !was_told(shard)
        {
            wrong.push(format!("lease {sk}: called missing while its shard is there"));
        }
        let is_orphan = |item: &Item| item.get("parentGone") == Some(&Value::BOOL(true));
        if is_orphan(new) && !old.is_some_and(is_orphan) && is_there(world, stream, text(new, "parent")) {
            wrong.push(format!("lease {sk}: its parent is called gone while it is there"));
        }
    }

    pub(crate) fn note_refused(&self, call: &Call, stored: Option<&Json>, windows: &mut Windows) {
        let is_checkpoint = !call.body["ExpressionAttributeValues"][":position"].is_null();
        let owner = stored.and_then(|stored| stored["owner"]["S"].as_str());
        if is_checkpoint && owner.is_none_or(|owner| !is_of(owner, &call.node)) {
            windows.hit(6);
        }
    }
}

/// What every lease has: its numbers can be counted on.
pub(crate) fn is_lease(row: &Item) -> bool {
    let is_number =
        |name| matches!(row.get(name), Some(Value::N(_))) && (0..=i64::MAX / 2).contains(&number(row, name));
    is_number("epoch") && is_number("counter") && matches!(row.get("position"), Some(Value::S(_)))
}

fn is_there(world: &World, stream: &str, shard: &str) -> bool {
    world.shards(stream).iter().any(|view| view.id == shard && view.is_known)
}
