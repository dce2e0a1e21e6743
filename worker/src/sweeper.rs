//! Takes tasks that the stream did not bring through the same steps: this is why nothing is lost.
//!
//! Walks one bucket of the worklists PENDING, DUE, VERIFY and the passed deadlines of ESCALATED. It needs no stream and
//! could finish every task alone.

mod census;
mod listed;
mod unpublished;
mod waits;

use std::collections::HashSet;
use std::iter;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, FuturesUnordered, Stream};
use futures::{FutureExt as _, StreamExt as _};
use statemachine::token::TaskId;
use statemachine::worklist::Worklist;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::waits::{Unverified, longest_wait_seconds, waits};
use crate::aws::rate_limit::RateLimits;
use crate::clock::Clock;
use crate::lease::guard::Guard;
use crate::metrics::behind::Behind;
use crate::metrics::trouble::Trouble;
use crate::metrics::{Metrics, Service};
use crate::notices::Notices;
use crate::steps::pipeline::{Lost, Pipeline};
use crate::tasks::handled::Handled;
use crate::tasks::in_hand::InHand;
use crate::tasks::table::{Due, Entries, Entry, TableError, TaskTable};

/// How many tasks of one bucket's list are in flight at once.
const SIDE_BY_SIDE: usize = 8;

/// For how many walks a task is left to the reader that has its record in hand.
const STUCK_AFTER: u32 = 2;
/// How often people's tasks too far in the future are looked for: each look reads all that wait for their deadline.
const FAR_EVERY: Duration = Duration::from_secs(3_600);

/// Walks worklists.
#[derive(Debug, Clone)]
pub struct Sweeper {
    /// The steps.
    pub pipeline: Arc<Pipeline>,
    /// The tasks table.
    pub tasks: TaskTable,
    /// How many entries a second.
    pub rates: Arc<RateLimits>,
    /// The metrics.
    pub metrics: Metrics,
    /// The wall clock.
    pub clock: Clock,
    /// Between two walks of a bucket.
    pub every: Duration,
    /// The tasks that this process's readers have in hand.
    pub in_hand: InHand,
    /// What people are to be told.
    pub notices: Notices,
}

/// A list's tasks in flight. A slow one takes up one place, and delays neither the others nor the next walk.
#[derive(Default)]
struct Hands {
    ids: HashSet<TaskId>,
    work: FuturesUnordered<BoxFuture<'static, (TaskId, Result<Handled, Lost>)>>,
    /// When entries too far in the future were last looked for.
    looked_far: Option<Instant>,
}

impl Hands {
    /// Notes a look at entries too far in the future, unless there was one within [`FAR_EVERY`].
    fn has_just_looked_far(&mut self) -> bool {
        let has_just = self.looked_far.is_some_and(|at| at.elapsed() < FAR_EVERY);
        if !has_just {
            self.looked_far = Some(Instant::now());
        }
        has_just
    }
}

impl Sweeper {
    /// Walks one bucket again and again until `drain`, then finishes the tasks in flight.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the lease ends first.
    pub async fn run(
        &self,
        bucket: u8,
        guard: &Guard,
        drain: CancellationToken,
        behind: &Behind,
    ) -> Result<(), Lost> {
        // Each list has its own loop: checks are limited to a few a second, and decisions must not wait behind them.
        let lists = Worklist::ALL.map(|list| self.run_list(list, bucket, guard, &drain, behind));
        let count = self.count(bucket, guard, &drain, behind);
        let search = self.look_for_unpublished(bucket, guard, &drain);
        let beside = futures::future::join(count, search).then(|_| std::future::pending::<()>());
        tokio::select! {
            // The end of the walks ends the counting and the search, which nothing waits for.
            biased;
            () = guard.lost() => Err(Lost),
            ended = futures::future::try_join_all(lists) => ended.map(drop),
            () = beside => Ok(()),
        }
    }

    async fn run_list(
        &self,
        list: Worklist,
        bucket: u8,
        guard: &Guard,
        drain: &CancellationToken,
        behind: &Behind,
    ) -> Result<(), Lost> {
        let mut hands = Hands::default();
        let mut trouble = Trouble::default();
        behind.list(list).begin(self.clock.now().as_second());
        while !drain.is_cancelled() {
            match self.walk(list, bucket, guard, drain, behind, &mut hands).await? {
                Ok(()) => trouble.answered(),
                Err(error) => {
                    trouble.failed(error.class(), &self.metrics, Service::Table);
                    let list = list.key(bucket);
                    warn!(list, error = %error, "worklist {list}: {error}; retrying later");
                }
            }
            self.rest(drain, &mut hands).await?;
        }
        while !hands.work.is_empty() {
            self.finish_one(&mut hands).await?;
        }
        Ok(())
    }

    /// Starts each entry of a worklist that is not in flight, and returns before the last of them is finished.
    async fn walk(
        &self,
        list: Worklist,
        bucket: u8,
        guard: &Guard,
        drain: &CancellationToken,
        behind: &Behind,
        hands: &mut Hands,
    ) -> Result<Result<(), TableError>, Lost> {
        let now = self.clock.now().as_second();
        let beyond = now + longest_wait_seconds(list, 0);
        let far = match list {
            Worklist::Pending | Worklist::Due => Some(Entries::Beyond(beyond)),
            // All entries are read, because all are counted.
            Worklist::Verify => Some(Entries::Beyond(now)),
            Worklist::Escalated if !hands.has_just_looked_far() => Some(Entries::BeyondDeadline(beyond)),
            Worklist::Escalated => None,
        };
        let key = list.key(bucket);
        let entries = stream::iter(iter::once(Entries::Due(now)).chain(far));
        let mut pages = pin!(entries.flat_map(|entries| self.tasks.listed(&key, entries)));
        let mut unverified = Unverified::default();
        let mut is_first = true;
        while let Some(page) = self.next(&mut pages, hands).await? {
            let page = match page {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            };
            if !guard.is_live() {
                return Err(Lost);
            }
            if drain.is_cancelled() {
                return Ok(Ok(()));
            }
            if std::mem::take(&mut is_first) {
                behind.list(list).set(Some(page.since.unwrap_or(now)));
            }
            for entry in page.entries {
                if list == Worklist::Verify {
                    unverified.note(&entry);
                    if entry.decided.is_some_and(|decided| waits(entry.at, decided, now)) {
                        continue;
                    }
                }
                while hands.work.len() >= SIDE_BY_SIDE {
                    self.finish_one(hands).await?;
                }
                if drain.is_cancelled() {
                    return Ok(Ok(()));
                }
                self.start(list, entry, guard, hands);
            }
        }
        if list == Worklist::Verify {
            unverified.show(behind);
        }
        Ok(Ok(()))
    }

    /// Starts an entry unless it is in flight, here or in a reader of this process.
    fn start(&self, list: Worklist, entry: Entry, guard: &Guard, hands: &mut Hands) {
        let id = entry.id;
        if !self.in_hand.holds(&id, self.every * STUCK_AFTER) && hands.ids.insert(id.clone()) {
            let (sweeper, guard) = (self.clone(), guard.clone());
            hands.work.push(Box::pin(async move {
                let handled = sweeper.finish(list, &id, &guard).await;
                (id, handled)
            }));
        }
    }

    /// The next page. The tasks in flight continue meanwhile: one of them may be first in a rate limit's queue.
    async fn next(
        &self,
        pages: &mut (impl Stream<Item = Result<Due, TableError>> + Unpin),
        hands: &mut Hands,
    ) -> Result<Option<Result<Due, TableError>>, Lost> {
        loop {
            tokio::select! {
                biased;
                page = pages.next() => return Ok(page),
                finished = self.finish_one(hands), if !hands.work.is_empty() => finished?,
            }
        }
    }

    /// Continues the tasks in flight until the next walk is due.
    async fn rest(&self, drain: &CancellationToken, hands: &mut Hands) -> Result<(), Lost> {
        let next_walk = Instant::now() + self.every;
        loop {
            tokio::select! {
                // A drain starts no walk.
                biased;
                () = drain.cancelled() => return Ok(()),
                finished = self.finish_one(hands), if !hands.work.is_empty() => finished?,
                () = sleep_until(next_walk) => return Ok(()),
            }
        }
    }

    /// Waits until one task in flight is finished.
    async fn finish_one(&self, hands: &mut Hands) -> Result<(), Lost> {
        if let Some((id, handled)) = hands.work.next().await {
            hands.ids.remove(&id);
            self.metrics.swept(handled?);
        }
        Ok(())
    }
}
