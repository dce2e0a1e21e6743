//! Takes and gives leases by the plan, starts and stops the work that each one stands for.
//!
//! One owner of all local leases: it compares them with the table on every round, so that what this process believes
//! and what the table says cannot stay apart.

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

/// How often the table is compared with what runs here: the longest a release waits to be taken up.
const ROUND: Duration = Duration::from_secs(1);
/// How often while another worker leaves: what it gives up is taken at once.
const HANDOFF_ROUND: Duration = Duration::from_millis(300);
/// Heartbeats that stood still for this many lease times are removed.
const DEAD_LEASES: u32 = 10;

/// What the coordinator works with.
#[derive(Debug)]
pub struct Coordinator {
    /// For readers.
    pub parts: ReaderParts,
    /// For the worklists' buckets.
    pub sweeper: Sweeper,
    /// Shared out by the number of workers.
    pub rates: Arc<RateLimits>,
    /// This worker's name.
    pub me: String,
    /// How long a lease outlives its holder's last heartbeat.
    pub lease: Duration,
    /// Until when this worker may act.
    pub validity: Validity,
    /// When the last round ended, for the heartbeat's watchdog.
    pub last_round: Arc<std::sync::Mutex<Instant>>,
    /// This worker lists the streams.
    pub is_discoverer: watch::Sender<bool>,
    /// What it sees of the fleet, for people who ask.
    pub view: FleetView,
    /// This worker takes part: it is no newcomer beside established workers.
    pub is_member: watch::Sender<bool>,
    /// Wakes the discoverer.
    pub discover: Arc<Notify>,
    /// Woken when leases were made.
    pub made: Arc<Notify>,
    /// Told after the first complete round.
    pub ready: CancellationToken,
}

#[derive(Debug, Default)]
struct Hands {
    work: BTreeMap<Subject, Local>,
    /// How far behind dropped work was, until the table shows that others go on with it: a worker
    /// that is cut off must not look up to date.
    dropped: BTreeMap<Subject, Arc<Behind>>,
    running: JoinSet<(Subject, Ended)>,
    fleet: Fleet,
    /// Of the looks at the control table.
    trouble: Trouble,
    /// Ended shards without known children, each with how many looks have shown it so.
    childless: BTreeMap<Subject, u32>,
    /// Another worker gives its leases up.
    peer_leaves: bool,
}

impl Coordinator {
    /// Works until `leave`, then gives everything up and returns.
    pub async fn run(self, leave: CancellationToken) {
        let mut hands = Hands::default();
        let mut next = Instant::now();
        // Not the same as `leaving`: the request may come while a round runs, between the loop's top and its bottom.
        let mut left = false;
        loop {
            let leaving = leave.is_cancelled();
            if leaving && hands.work.is_empty() {
                return self.release_rest().await;
            }
            tokio::select! {
                // Ended work first: a drained lease is released before another round looks at it. Leaving starts a
                // round at once.
                biased;
                Some(ended) = hands.running.join_next() => match ended {
                    Ok((subject, ended)) => self.ended(&mut hands, subject, ended).await,
                    Err(panicked) => {
                        // Taken anew on the next round, from its checkpoint.
                        error!(error = %panicked, "the work of a lease panicked: {panicked}");
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
        info!("leaving: {} leases to give up", hands.work.len());
        self.list_streams(false);
        self.round(hands, true).await;
        // What no plan covers (the table did not answer) drains as well.
        hands.work.values_mut().for_each(Local::drain);
    }

    async fn round(&self, hands: &mut Hands, leaving: bool) {
        self.look(hands, leaving).await;
        self.show(hands);
    }

    /// What runs here, whether or not this worker may act.
    fn show(&self, hands: &Hands) {
        let metrics = &self.parts.metrics;
        metrics.leases.set(i64::try_from(hands.work.len()).unwrap_or(i64::MAX));
        metrics.in_flight.set(i64::try_from(self.parts.limits.records_in_hand()).unwrap_or(i64::MAX));
        metrics
            .in_flight_bytes
            .set(i64::try_from(self.parts.limits.kib_in_hand() * 1_024).unwrap_or(i64::MAX));
        let now = self.parts.clock.now().as_second();
        let of_work = hands.work.values().map(|local| &*local.behind);
        metrics.behind(now, of_work.chain(hands.dropped.values().map(|behind| &**behind)));
    }

    async fn look(&self, hands: &mut Hands, leaving: bool) {
        for (subject, local) in hands.work.iter().filter(|(_, local)| local.is_overdue()) {
            warn!("lease {}: what is in work does not end, it is left to the next holder", subject.key());
            local.lost.cancel();
        }
        if !self.validity.is_valid() {
            // No heartbeat was seen to be written for too long: others may have taken everything.
            hands.work.values().for_each(|local| local.lost.cancel());
            // The peers' new lister may be at work: the rate of the listings is for one.
            self.list_streams(false);
            // All is given up, so nothing is stuck: the heart may beat again.
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
                error!(error = %fault, "the control table does not answer: {fault}");
            }
        }
    }

    /// For the heartbeat's watchdog.
    fn looked(&self) {
        *self.last_round.lock().expect("no holder of the time panics") = Instant::now();
    }

    /// The leases, and the time when the workers were asked for.
    async fn view(&self, hands: &mut Hands) -> Result<(Vec<Lease>, Instant), Fault> {
        // In this order: whoever holds a lease that is seen here beat before, and is found among the workers below.
        let leases = self.parts.leases.list().await?;
        let asked = Instant::now();
        let beats = self.parts.control_table.heartbeats().await?;
        // A beat that is seen was written before the answer came, and one that is not seen may have been written at any
        // time after the question was sent: it moves at the answer, and is as old as at the question. Both err towards
        // waiting longer, and a slow answer makes nobody look dead.
        hands.fleet.note(&beats, Instant::now());
        Ok((leases, asked))
    }

    async fn follow(&self, hands: &mut Hands, leases: &[Lease], now: Instant, leaving: bool) {
        let Roster { alive, live, sharing, peer_leaves } =
            hands.fleet.roster(&self.me, leaving, leases, self.lease, now);
        hands.peer_leaves = peer_leaves;
        let workers = hands.fleet.workers(leases);
        self.view.see(Look { at: now, me: self.me.clone(), lease: self.lease, workers });
        if live.contains(&self.me) {
            self.is_member.send_replace(true);
        }
        self.share_rates(sharing);
        self.lead(hands, &live, now).await;
        self.seek_children(hands, leases);
        for (subject, local) in &hands.work {
            let row = leases.iter().find(|lease| lease.subject == *subject);
            if local.is_gone(row, &self.me, self.lease) {
                warn!("lease {}: no longer this worker's", subject.key());
                local.lost.cancel();
            } else if !local.guard.is_live() {
                // From before a gap in the heartbeats: it may do nothing more, and is taken anew once it ended.
                local.lost.cancel();
            }
        }
        let ready = ready(leases);
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
        // Leases of this process that it does not work on (a release that failed, work that was dropped or ended by
        // itself) are given to whom the plan says, and else taken anew.
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

    /// The live worker with the smallest name lists the streams and clears away what the dead left.
    async fn lead(&self, hands: &Hands, live: &[String], now: Instant) {
        let is_me = live.first() == Some(&self.me);
        self.list_streams(is_me);
        if is_me {
            for worker in hands.fleet.dead(self.lease * DEAD_LEASES, now) {
                if let Err(fault) = self.parts.control_table.remove_heartbeat(&worker).await {
                    warn!(error = %fault, "the heartbeat of {worker} is not removed: {fault}");
                }
            }
        }
    }

    /// Wakes the discoverer, if this worker is it, for a shard that ended without visible children, whoever read it:
    /// once for each. At the second look, because the first may show the shard's end before its children.
    fn seek_children(&self, hands: &mut Hands, leases: &[Lease]) {
        let looks = |subject| hands.childless.get(subject).map_or(1, |looks: &u32| looks.saturating_add(1));
        let now: BTreeMap<Subject, u32> =
            childless(leases).into_iter().map(|subject| (subject.clone(), looks(subject))).collect();
        // Who becomes the discoverer lists at once anyway.
        if *self.is_discoverer.borrow() && now.values().any(|looks| *looks == 2) {
            self.discover.notify_one();
        }
        hands.childless = now;
    }

    /// Whether this worker lists the streams from now on.
    fn list_streams(&self, is_me: bool) {
        self.is_discoverer.send_if_modified(|was_me| std::mem::replace(was_me, is_me) != is_me);
    }

    fn share_rates(&self, workers: usize) {
        self.rates.share(workers);
        self.parts.discovery.of_readers.share(workers);
    }
}
