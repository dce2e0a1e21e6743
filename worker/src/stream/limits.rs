//! Limits of the work that one process has in flight over all its shards: a number of records, a number of bytes, and
//! how many of the records are handled at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest response of GetRecords is 1 MB (API reference); bytes are counted in KiB.
const PAGE_KIB: u32 = 1_024;
/// The most records in a response of GetRecords (API reference).
pub const PAGE_RECORDS: u32 = 1_000;
/// How many records are handled at once. The others that were read wait as they are: a record that is handled costs its
/// futures and its calls' buffers, about ten times the memory, and more calls at once are not answered any faster.
const AT_ONCE: usize = 512;

/// The process's limits; cheap to clone.
#[derive(Debug, Clone)]
pub struct Limits {
    records: Arc<Semaphore>,
    kib: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    most_records: u32,
    most_kib: u32,
}

/// Permission to hold one page, or the part of it that is left.
#[derive(Debug)]
pub struct Share {
    records: OwnedSemaphorePermit,
    kib: OwnedSemaphorePermit,
}

impl Limits {
    /// Allows at most `records` records and `mib` mebibytes.
    pub fn new(records: u32, mib: u32) -> Limits {
        let most_kib = mib.saturating_mul(1_024);
        Limits {
            records: Arc::new(Semaphore::new(records as usize)),
            kib: Arc::new(Semaphore::new(most_kib as usize)),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            most_records: records,
            most_kib,
        }
    }

    /// Waits until a page of up to `records` records fits, and reserves its place before the page is requested. Returns
    /// the number of records that were granted, which is at most a quarter of the limit.
    ///
    /// # Panics
    ///
    /// Never: the semaphores are never closed.
    pub async fn page(&self, records: u32) -> (u32, Share) {
        // At most a quarter, so that a busy shard does not have to wait until all other shards have finished their
        // work.
        let granted = records.clamp(1, PAGE_RECORDS).min((self.most_records / 4).max(1));
        let permit = Arc::clone(&self.records).acquire_many_owned(granted).await.expect("never closed");
        let kib = Arc::clone(&self.kib)
            .acquire_many_owned(PAGE_KIB.min(self.most_kib))
            .await
            .expect("never closed");
        (granted, Share { records: permit, kib })
    }

    /// Waits until one more record may be handled, behind those that already wait: until the permit is dropped.
    ///
    /// # Panics
    ///
    /// Never: the semaphore is never closed.
    pub async fn turn(self) -> OwnedSemaphorePermit {
        self.turns.acquire_owned().await.expect("never closed")
    }

    /// Takes a turn if one is free now.
    pub fn try_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).try_acquire_owned().ok()
    }

    /// The number of records in flight.
    pub fn records_in_hand(&self) -> usize {
        (self.most_records as usize).saturating_sub(self.records.available_permits())
    }

    /// The number of kibibytes in flight.
    pub fn kib_in_hand(&self) -> usize {
        (self.most_kib as usize).saturating_sub(self.kib.available_permits())
    }
}

impl Share {
    /// Splits off the part of one record; the rest is returned when the share is dropped.
    ///
    /// # Panics
    ///
    /// Never: it never splits off more than there is.
    pub fn split_record(&mut self, bytes: usize) -> Share {
        let kib = bytes.div_ceil(1_024).min(self.kib.num_permits());
        let records = self.records.split(1.min(self.records.num_permits())).expect("no more than there is");
        Share { records, kib: self.kib.split(kib).expect("no more than there is") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pages_wait_for_records_to_settle() {
        let limits = Limits::new(400, 64);
        let (granted, mut first) = limits.page(9_999).await;
        assert_eq!(granted, 100);
        let settled: Vec<Share> = (0..80).map(|_| first.split_record(700)).collect();
        drop(first);
        assert_eq!((limits.records_in_hand(), limits.kib_in_hand()), (80, 80));
        let others = [limits.page(100).await, limits.page(100).await, limits.page(100).await];
        let waits = tokio::time::timeout(std::time::Duration::from_secs(9), limits.page(100)).await;
        assert!(waits.is_err(), "380 of 400 are in flight");
        drop(settled);
        assert_eq!(limits.page(100).await.0, 100);
        drop(others);
    }
}
