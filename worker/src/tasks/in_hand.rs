//! The tasks whose records this process has read and not settled yet. Its sweeper leaves them alone: behind a backlog
//! they are older than its patience, and it would only repeat what is under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use statemachine::token::TaskId;
use tokio::time::Instant;

/// The tasks in hand. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct InHand(Arc<Mutex<HashMap<TaskId, Held>>>);

#[derive(Debug)]
struct Held {
    /// How many records of the task are in hand.
    records: usize,
    /// Since when the first of them is.
    since: Instant,
}

/// One record of a task in hand, until it is dropped: settled, cancelled, panicked, or left with a lost lease.
#[derive(Debug)]
pub struct Holding {
    id: TaskId,
    all: InHand,
}

impl InHand {
    /// Takes a record of a task in hand.
    pub fn take(&self, id: TaskId) -> Holding {
        let fresh = || Held { records: 0, since: Instant::now() };
        self.lock().entry(id.clone()).or_insert_with(fresh).records += 1;
        Holding { id, all: self.clone() }
    }

    /// Whether the task has been in hand for less than `patience`. After that it counts as stuck, and is anyone's.
    pub fn holds(&self, id: &TaskId, patience: Duration) -> bool {
        self.lock().get(id).is_some_and(|held| held.since.elapsed() < patience)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Held>> {
        self.0.lock().expect("no thread panics while it holds the lock")
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(held) = all.get_mut(&self.id) {
            held.records -= 1;
            if held.records == 0 {
                all.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures::FutureExt as _;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(120);

    fn id(digit: char) -> TaskId {
        TaskId::parse(&digit.to_string().repeat(32)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_is_in_hand_while_one_of_its_records_is() {
        let all = InHand::default();
        let (first, second) = (all.take(id('a')), all.take(id('a')));
        assert!(all.holds(&id('a'), PATIENCE) && !all.holds(&id('b'), PATIENCE));
        drop(first);
        assert!(all.holds(&id('a'), PATIENCE));
        drop(second);
        assert!(!all.holds(&id('a'), PATIENCE) && all.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_record_does_not_keep_its_task_from_the_sweeper() {
        let all = InHand::default();
        let _stuck = all.take(id('a'));
        tokio::time::advance(PATIENCE).await;
        let _later = all.take(id('a'));
        assert!(!all.holds(&id('a'), PATIENCE), "since the first");
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_and_panicking_work_gives_its_task_back() {
        let all = InHand::default();
        let holding = all.take(id('a'));
        let panics = async move {
            let _holding = holding;
            panic!("a bug");
        };
        assert!(AssertUnwindSafe(panics).catch_unwind().await.is_err());
        assert!(!all.holds(&id('a'), PATIENCE));
        let holding = all.take(id('a'));
        let cancelled = tokio::time::timeout(PATIENCE, async move {
            let _holding = holding;
            std::future::pending::<()>().await;
        });
        assert!(cancelled.await.is_err() && all.lock().is_empty());
    }
}
