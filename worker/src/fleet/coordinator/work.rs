//! The work of one lease, from taking the lease to releasing it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Coordinator, Hands};
use crate::lease::guard::Guard;
use crate::lease::plan::{Lease, Subject};
use crate::lease::table::LeaseError;
use crate::lease::table::held::Held;
use crate::metrics::Service;
use crate::metrics::behind::Behind;
use crate::steps::pipeline::Lost;
use crate::stream::reader::{Ended, Reader};

/// How many leases are taken concurrently.
const TAKES: usize = 16;
/// How long the work of a lease may take to finish before the lease is released: no worker reads the shard meanwhile.
/// Then it is dropped, as in a crash, and the next holder repeats it. The round before it, this time and the releases
/// after it fit into `worker.drain_ms`.
const DRAIN: Duration = Duration::from_secs(10);
/// How often a release is tried before the next holder must wait for the lease to expire.
const RELEASE_ATTEMPTS: u32 = 3;

/// One lease's work in this process.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) epoch: i64,
    pub(super) taken: Instant,
    pub(super) run: tokio::task::Id,
    drain: CancellationToken,
    draining_since: Option<Instant>,
    pub(super) lost: CancellationToken,
    pub(super) guard: Guard,
    /// The worker that it is released for once it is drained.
    pub(super) target: Option<String>,
    pub(super) behind: Arc<Behind>,
}

impl Local {
    /// Tells the work to stop reading, finish the records in flight, and end.
    pub(super) fn drain(&mut self) {
        self.draining_since.get_or_insert_with(Instant::now);
        self.drain.cancel();
    }

    /// It was asked to end so long ago that it is not waited for any longer.
    pub(super) fn is_overdue(&self) -> bool {
        self.draining_since.is_some_and(|since| since.elapsed() >= DRAIN)
    }

    /// The table proves that another worker holds the lease, or that it was deleted. An eventually consistent read may
    /// show the row from before it was taken, or no row, but not for as long as `lease`.
    pub(super) fn is_gone(&self, row: Option<&Lease>, me: &str, lease: Duration) -> bool {
        let is_mine = |row: &Lease| row.epoch == self.epoch && row.owner.as_deref() == Some(me);
        row.is_some_and(|row| row.epoch > self.epoch)
            || (!row.is_some_and(is_mine) && self.taken.elapsed() > lease)
    }
}

impl Coordinator {
    pub(super) async fn take(&self, hands: &mut Hands, seen: Vec<Lease>) {
        let takes = seen.into_iter().map(|lease| {
            let leases = self.parts.leases.clone();
            async move { leases.take(&lease).await }
        });
        let taken: Vec<_> = futures::stream::iter(takes).buffer_unordered(TAKES).collect().await;
        for held in taken {
            match held {
                Ok(held) => self.start(hands, held),
                // Another worker was faster; the next round shows it.
                Err(LeaseError::Lost) => {}
                Err(LeaseError::Fault(fault)) => {
                    self.parts.metrics.failed(Service::Control, fault.class);
                    warn!(error = %fault, "cannot take a lease: {fault}");
                }
            }
        }
    }

    fn start(&self, hands: &mut Hands, held: Held) {
        let (drain, lost) = (CancellationToken::new(), CancellationToken::new());
        let guard = Guard::new(self.validity.clone(), lost.clone());
        let (epoch, subject) = (held.epoch(), held.subject.clone());
        let behind = hands.dropped.remove(&subject).unwrap_or_default();
        // The records that were in flight are read again.
        behind.settling.set(None);
        let key = subject.clone();
        let run = match &subject {
            Subject::Shard { .. } => {
                let reader =
                    Reader::new(self.parts.clone(), held, guard.clone(), drain.clone(), Arc::clone(&behind));
                hands.running.spawn(async move { (key, reader.run().await) })
            }
            Subject::Sweep(bucket) => {
                let (sweeper, guard, drain, bucket, behind) =
                    (self.sweeper.clone(), guard.clone(), drain.clone(), *bucket, Arc::clone(&behind));
                hands.running.spawn(async move {
                    let ended = match sweeper.run(bucket, &guard, drain, &behind).await {
                        Ok(()) => Ended::Drained(held),
                        Err(Lost) => Ended::Lost,
                    };
                    (key, ended)
                })
            }
        };
        let (run, taken) = (run.id(), Instant::now());
        let local =
            Local { epoch, taken, run, drain, draining_since: None, lost, guard, target: None, behind };
        hands.work.insert(subject, local);
    }

    pub(super) async fn ended(&self, hands: &mut Hands, subject: Subject, ended: Ended) {
        let local = hands.work.remove(&subject);
        match ended {
            // Its children may be read now.
            Ended::Shard => self.made.notify_one(),
            Ended::Drained(held) => {
                let target = local.and_then(|local| local.target);
                self.release(held, target.as_deref()).await;
            }
            Ended::Lost => hands.dropped.extend(local.map(|local| (subject, local.behind))),
        }
    }

    /// Releases, as it was seen, a lease that nothing here works on: its work was dropped, or ended by itself.
    pub(super) async fn release_idle(&self, seen: Vec<(Lease, Option<String>)>) {
        let releases = seen.into_iter().filter_map(|(lease, target)| {
            let held = self.parts.leases.held(lease)?;
            Some(async move { self.release(held, target.as_deref()).await })
        });
        futures::stream::iter(releases).buffer_unordered(TAKES).collect::<Vec<()>>().await;
    }

    async fn release(&self, mut held: Held, target: Option<&str>) {
        let key = held.subject.key();
        for _ in 0..RELEASE_ATTEMPTS {
            match self.parts.leases.release(&mut held, target).await {
                Ok(()) => {
                    info!(lease = key, to = target, "lease {key}: released");
                    return;
                }
                Err(LeaseError::Lost) => return,
                Err(LeaseError::Fault(fault)) => {
                    self.parts.metrics.failed(Service::Control, fault.class);
                    warn!(lease = key, error = %fault, "cannot release lease {key}: {fault}");
                }
            }
        }
    }

    /// Releases leases that the table still shows as this worker's although nothing here works on them: their work
    /// ended without a release, such as after a gap in the heartbeats.
    pub(super) async fn release_rest(&self) {
        for _ in 0..RELEASE_ATTEMPTS {
            match self.parts.leases.mine().await {
                Ok(rest) if rest.is_empty() => return,
                // Read again: a checkpoint that was being written when its work was dropped may arrive in between.
                Ok(rest) => {
                    futures::future::join_all(rest.into_iter().map(|held| self.release(held, None))).await;
                }
                Err(fault) => {
                    warn!(
                        error = %fault,
                        "cannot read the leases still held: {fault}; peers take them once the heartbeat is gone"
                    );
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::guard::Validity;

    #[tokio::test(start_paused = true)]
    async fn work_that_does_not_end_is_overdue_within_the_drain_of_the_process() {
        let (drain, lost) = (CancellationToken::new(), CancellationToken::new());
        let guard = Guard::new(Validity::until(Instant::now()), lost.clone());
        let run = tokio::task::JoinSet::new().spawn(std::future::pending::<()>()).id();
        let (taken, behind) = (Instant::now(), Arc::default());
        let mut local =
            Local { epoch: 1, taken, run, drain, draining_since: None, lost, guard, target: None, behind };
        tokio::time::advance(DRAIN * 9).await;
        assert!(!local.is_overdue(), "it was not asked to end");
        local.drain();
        tokio::time::advance(DRAIN / 2).await;
        local.drain();
        assert!(!local.is_overdue());
        tokio::time::advance(DRAIN / 2).await;
        assert!(local.is_overdue(), "each round asks again, the first counts");
        let defaults = crate::config::Config::load(None, &[]).unwrap().worker;
        assert!(
            DRAIN * 3 / 2 < Duration::from_millis(defaults.drain_ms),
            "a round and a release must fit too"
        );
    }
}
