//! How much work one process has in hand, over all its shards: a number of records and a number of bytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// GetRecords answers at most 1 MB (API reference); bytes are counted in KiB.
const PAGE_KIB: u32 = 1_024;
/// GetRecords answers at most this many records (API reference).
pub const PAGE_RECORDS: u32 = 1_000;

/// The process's limits; cheap to clone.
#[derive(Debug, Clone)]
pub struct Limits {
    records: Arc<Semaphore>,
    kib: Arc<Semaphore>,
    most_records: u32,
    most_kib: u32,
}

/// The right to hold one page, or what is left of it.
#[derive(Debug)]
pub struct Share {
    records: OwnedSemaphorePermit,
    kib: OwnedSemaphorePermit,
}

impl Limits {
    /// At most `records` records and `mib` mebibytes of them.
    pub fn new(records: u32, mib: u32) -> Limits {
        let most_kib = mib.saturating_mul(1_024);
        Limits {
            records: Arc::new(Semaphore::new(records as usize)),
            kib: Arc::new(Semaphore::new(most_kib as usize)),
            most_records: records,
            most_kib,
        }
    }

    /// Waits until a page of up to `records` records fits, and holds its place before it is asked for. Returns the
    /// number of records that were granted: never more than a quarter of the limit.
    ///
    /// # Panics
    ///
    /// Never: the semaphores are not closed.
    pub async fn page(&self, records: u32) -> (u32, Share) {
        // A quarter at most, so that a busy shard does not wait for every other one's work to end.
        let granted = records.clamp(1, PAGE_RECORDS).min((self.most_records / 4).max(1));
        let permit = Arc::clone(&self.records).acquire_many_owned(granted).await.expect("never closed");
        let kib = Arc::clone(&self.kib)
            .acquire_many_owned(PAGE_KIB.min(self.most_kib))
            .await
            .expect("never closed");
        (granted, Share { records: permit, kib })
    }

    /// Records in hand now.
    pub fn records_in_hand(&self) -> usize {
        (self.most_records as usize).saturating_sub(self.records.available_permits())
    }

    /// Kibibytes in hand now.
    pub fn kib_in_hand(&self) -> usize {
        (self.most_kib as usize).saturating_sub(self.kib.available_permits())
    }
}

impl Share {
    /// Splits one record's part off; the rest goes back when the share is dropped.
    ///
    /// # Panics
    ///
    /// Never: no more is split off than there is.
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
        assert!(waits.is_err(), "380 of 400 are in hand");
        drop(settled);
        assert_eq!(limits.page(100).await.0, 100);
        drop(others);
    }
}
