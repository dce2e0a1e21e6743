//! A token bucket on virtual time: how AWS limits the rate of its APIs (Service quotas, Step Functions developer
//! guide).

/// How many calls are allowed at once, and how many a second after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The calls that a full bucket holds.
    pub burst: u32,
    /// The calls that are added each second.
    pub per_second: u32,
}

/// A bucket, which starts full.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Thousandths of a call that were taken out.
    taken: u64,
    refilled_ms: u64,
}

impl Bucket {
    /// Takes out one call, unless the bucket is empty.
    pub(super) fn take(&mut self, rate: Rate, now_ms: u64) -> bool {
        let back = now_ms.saturating_sub(self.refilled_ms).saturating_mul(u64::from(rate.per_second));
        self.taken = self.taken.saturating_sub(back);
        self.refilled_ms = now_ms;
        let fits = self.taken + 1_000 <= u64::from(rate.burst) * 1_000;
        self.taken += if fits { 1_000 } else { 0 };
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate { burst: 3, per_second: 2 };
        let mut bucket = Bucket::default();
        let taken = |bucket: &mut Bucket, now_ms| (0..10).filter(|_| bucket.take(rate, now_ms)).count();
        assert_eq!(taken(&mut bucket, 1_000), 3);
        assert_eq!(taken(&mut bucket, 1_499), 0);
        assert_eq!(taken(&mut bucket, 1_500), 1);
        assert_eq!(taken(&mut bucket, 100_000), 3);
    }
}
