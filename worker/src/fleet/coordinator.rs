//! Takes and releases leases as the plan says, and starts and stops the work of each.
//!
//! It alone owns this process's leases, and compares them with the table in every round, so that the two cannot differ
//! for long.

mod gauges;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::work::Local;
use crate::aws::fault::Fault;
use crate::aws::rate_limit::RateLimits;
use crate::lease::fleet::{Fleet, Roster};
use crate::lease::fleet_view::{FleetView, Look};
use crate::lease::guard::Validity;
use crate::lease::lineage::{childless, ready};
use crate::lease::plan::{Action, Lease, Subject, View, plan};
use crate::metrics::Service;
use crate::metrics::behind::Behind;
use crate::metrics::trouble::Trouble;
use crate::stream::reader::{Ended, ReaderParts};
use crate::sweeper::Sweeper;

/// How often the lease table is compared with the work here: the longest that a released lease waits to be taken.
const ROUND: Duration = Duration::from_secs(1);
/// The same while another worker leaves, so that its leases are taken soon.
const HANDOFF_ROUND: Duration = Duration::from_millis(300);
/// A heartbeat that has not changed for this many lease times is removed.
const DEAD_LEASES: u32 = 10;

/// What the coordinator works with.
#[derive(Debug)]
pub struct Coordinator {
    /// For readers.
    pub parts: ReaderParts,
    /// For the worklists' buckets.
    pub sweeper: Sweeper,
    /// Divided among the workers of the fleet.
    pub rates: Arc<RateLimits>,
    /// This worker's name.
    pub me: String,
    /// How long a lease outlives its holder's last heartbeat.
    pub lease: Duration,
    /// Until when this worker may act.
    pub validity: Validity,
    /// When the last round ended, for the heartbeat's watchdog.
    pub last_round: Arc<std::sync::Mutex<Instant>>,
    /// Whether this worker lists the streams.
    pub is_discoverer: watch::Sender<bool>,
    /// The fleet as this worker sees it, for `countersign status`.
    pub view: FleetView,
    /// Whether this worker takes part: not while it is a newcomer beside established workers.
    pub is_member: watch::Sender<bool>,
    /// Wakes the discoverer.
    pub discover: Arc<Notify>,
    /// Woken when leases were made.
    pub made: Arc<Notify>,
    /// Cancelled after the first complete round.
    pub ready: CancellationToken,
}

#[derive(Debug, Default)]
struct Hands {
    work: BTreeMap<Subject, Local>,
    /// How far behind dropped work was, until the table shows that others continue it: a worker that is cut off must
    /// not look up to date.
    dropped: BTreeMap<Subject, Arc<Behind>>,
    running: JoinSet<(Subject, Ended)>,
    fleet: Fleet,
    /// Of the reads of the control table.
    trouble: Trouble,
    /// Ended shards without known children, each with the number of rounds that found it so.
    childless: BTreeMap<Subject, u32>,
    /// Another worker is leaving.
    peer_leaves: bool,
}

impl Coordinator {
    /// Runs until `leave`, then releases every lease and returns.
    pub async fn run(self, leave: CancellationToken) {
        let mut hands = Hands::default();
        let mut next = Instant::now();
        // Not the same as `leaving`: the request may come during a round, after `leaving` was read.
        let mut left = false;
        loop {
            let leaving = leave.is_cancelled();
            if leaving && hands.work.is_empty() {
                return self.release_rest().await;
            }
            tokio::select! {
                // Ended work first, so that a drained lease is released before the next round looks at it. Leaving starts
                // a round at once.
                biased;
                Some(ended) = hands.running.join_next() => match ended {
                    Ok((subject, ended)) => self.ended(&mut hands, subject, ended).await,
                    Err(panicked) => {
                        error!(error = %panicked, "the work of a lease panicked: {panicked}; it restarts from its checkpoint");
                        let of_it = hands.work.extract_if(.., |_, local| local.run == panicked.id());
                        hands.dropped.extend(of_it.map(|(subject, local)| (subject, local.behind)));
                    }
                },
                () = leave.cancelled(), if !left => {
                    left = true;
                    self.leave(&mut hands).await;
                }
                () = self.made.notified() => self.round(&mut hands, leaving).await,
                () = sleep_until(next) => {
                    self.round(&mut hands, leaving).await;
                    next = Instant::now() + if hands.peer_leaves { HANDOFF_ROUND } else { ROUND };
                }
            }
        }
    }

    async fn leave(&self, hands: &mut Hands) {
        info!("leaving the fleet; leases to release: {}", hands.work.len());
        self.list_streams(false);
        self.round(hands, true).await;
        // Leases that no plan covers, because the table did not respond, drain as well.
        hands.work.values_mut().for_each(Local::drain);
    }

    async fn round(&self, hands: &mut Hands, leaving: bool) {
        self.look(hands, leaving).await;
        self.show(hands);
    }

    async fn look(&self, hands: &mut Hands, leaving: bool) {
        for (subject, local) in hands.work.iter().filter(|(_, local)| local.is_overdue()) {
            warn!(
                "lease {}: the work in flight did not finish in time; the next holder repeats it",
                subject.key()
            );
            local.lost.cancel();
        }
        if !self.validity.is_valid() {
            // No heartbeat has been written for too long: other workers may have taken every lease.
            hands.work.values().for_each(|local| local.lost.cancel());
            // Another worker may be listing by now, and the rate limit of listings is meant for one.
            self.list_streams(false);
            // All work was dropped, so nothing is stuck: the heartbeat may resume.
            self.looked();
            return;
        }
        match self.view(hands).await {
            Ok((leases, asked)) => {
                hands.trouble.answered();
                self.follow(hands, &leases, asked, leaving).await;
                self.looked();
                self.ready.cancel();
            }
            Err(fault) => {
                hands.trouble.failed(fault.class, &self.parts.metrics, Service::Control);
                error!(error = %fault, "the control table does not respond: {fault}");
            }
        }
    }

    /// For the heartbeat's watchdog.
    fn looked(&self) {
        *self.last_round.lock().expect("no holder of the time panics") = Instant::now();
    }

    /// Reads the leases, and returns them with the time at which the heartbeats were requested.
    async fn view(&self, hands: &mut Hands) -> Result<(Vec<Lease>, Instant), Fault> {
        // In this order: the holder of a lease that is seen here sent a heartbeat before, so the second read shows it.
        let leases = self.parts.leases.list().await?;
        let asked = Instant::now();
        let beats = self.parts.control_table.heartbeats().await?;
        // A heartbeat in the response was written before the response came; one that is missing may have been written at
        // any time after the request. A change counts from the response, and an age is measured at the request. Both err
        // towards waiting longer, so a slow response makes no worker look dead.
        hands.fleet.note(&beats, Instant::now());
        Ok((leases, asked))
    }

    async fn follow(&self, hands: &mut Hands, leases: &[Lease], now: Instant, leaving: bool) {
        let Roster { alive, live, sharing, peer_leaves } =
            hands.fleet.roster(&self.me, leaving, leases, self.lease, now);
        hands.peer_leaves = peer_leaves;
        let workers = hands.fleet.workers(leases);
        let ready = ready(leases);
        let shards = ready.iter().filter_map(|lease| match &lease.subject {
            Subject::Shard { shard, .. } => Some((shard.clone(), lease.owner.clone())),
            Subject::Sweep(_) => None,
        });
        let shards = shards.collect();
        self.view.see(Look { at: now, me: self.me.clone(), lease: self.lease, workers, shards });
        if live.contains(&self.me) {
            self.is_member.send_replace(true);
        }
        self.share_rates(sharing);
        self.lead(hands, &live, now).await;
        self.seek_children(hands, leases);
        for (subject, local) in &hands.work {
            let row = leases.iter().find(|lease| lease.subject == *subject);
            if local.is_gone(row, &self.me, self.lease) {
                warn!("lease {}: lost to another worker, or deleted", subject.key());
                local.lost.cancel();
            } else if !local.guard.is_live() {
                // Started before a gap in the heartbeats: it may do nothing more. The lease is taken again once it ends.
                local.lost.cancel();
            }
        }
        let is_unowned = |lease: &&&Lease| !lease.owner.as_ref().is_some_and(|owner| alive.contains(owner));
        let unowned = ready.iter().filter(is_unowned).count();
        self.parts.metrics.unowned.set(i64::try_from(unowned).unwrap_or(i64::MAX));
        let is_anothers = |lease: &&Lease| !is_unowned(&lease) && lease.owner.as_ref() != Some(&self.me);
        hands.dropped.retain(|subject, _| {
            ready.iter().find(|lease| lease.subject == *subject).is_some_and(|lease| !is_anothers(lease))
        });
        let view = View { me: &self.me, live: &live, alive: &alive, ready: &ready };
        let (mut takes, mut idle) = (vec![], vec![]);
        for action in plan(view) {
            match action {
                Action::Take(subject) => takes.push(subject),
                Action::Release(subject, target) => match hands.work.get_mut(&subject) {
                    Some(local) => {
                        local.target = target;
                        local.drain();
                    }
                    None => idle.push((subject, target)),
                },
            }
        }
        // Leases of this process that nothing here works on (a release failed, the work was dropped or ended by itself)
        // are released to the worker that the plan names, or else taken again.
        let mine = ready.iter().filter(|lease| lease.owner.as_ref() == Some(&self.me));
        let (mut releases, mut again) = (vec![], vec![]);
        for lease in mine {
            match idle.iter().find(|(subject, _)| *subject == lease.subject) {
                Some((_, target)) => releases.push(((*lease).clone(), target.clone())),
                None => again.push(lease.subject.clone()),
            }
        }
        self.release_idle(releases).await;
        if !leaving {
            takes.extend(again);
        }
        let seen = ready
            .iter()
            .filter(|lease| takes.contains(&lease.subject) && !hands.work.contains_key(&lease.subject));
        let seen: Vec<Lease> = seen.map(|lease| (*lease).clone()).collect();
        self.take(hands, seen).await;
    }

    /// The live worker with the smallest name lists the streams and removes the heartbeats of dead workers.
    async fn lead(&self, hands: &Hands, live: &[String], now: Instant) {
        let is_me = live.first() == Some(&self.me);
        self.list_streams(is_me);
        if is_me {
            for worker in hands.fleet.dead(self.lease * DEAD_LEASES, now) {
                if let Err(fault) = self.parts.control_table.remove_heartbeat(&worker).await {
                    warn!(error = %fault, "cannot remove the heartbeat of the dead worker {worker}: {fault}; retrying");
                }
            }
        }
    }

    /// Wakes the discoverer, if it runs here, once for each shard that ended without visible children, whichever worker
    /// read it. It does so in the second round, because the first may see the shard's end before its children.
    fn seek_children(&self, hands: &mut Hands, leases: &[Lease]) {
        let looks = |subject| hands.childless.get(subject).map_or(1, |looks: &u32| looks.saturating_add(1));
        let now: BTreeMap<Subject, u32> =
            childless(leases).into_iter().map(|subject| (subject.clone(), looks(subject))).collect();
        // A worker that becomes the discoverer lists at once anyway.
        if *self.is_discoverer.borrow() && now.values().any(|looks| *looks == 2) {
            self.discover.notify_one();
        }
        hands.childless = now;
    }

    /// Sets whether this worker lists the streams.
    fn list_streams(&self, is_me: bool) {
        self.is_discoverer.send_if_modified(|was_me| std::mem::replace(was_me, is_me) != is_me);
    }

    fn share_rates(&self, workers: usize) {
        self.rates.share(workers);
        self.parts.discovery.of_readers.share(workers);
    }
}
