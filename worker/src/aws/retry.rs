//! How often and how long the worker repeats a call, as values.
//!
//! Each policy is exponential with jitter and an end: work that outlives it is left, whole and stored, to the sweeper.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// One callback inside the pipeline: 100 ms to 2 s, ten times, about twelve seconds in all. The state's own timeout
/// is minutes, and a stored decision that is still due afterwards waits in its worklist.
pub(crate) fn callback() -> ExponentialBackoff {
    policy(Duration::from_millis(100), Duration::from_secs(2), 10)
}

/// The longest pause between two attempts of a conditional write.
pub(crate) const TABLE_CAP: Duration = Duration::from_secs(5);

/// One conditional write inside the pipeline, beyond the SDK's own three attempts: 100 ms to 5 s, ten times.
pub(crate) fn table() -> ExponentialBackoff {
    policy(Duration::from_millis(100), TABLE_CAP, 10)
}

fn policy(first: Duration, cap: Duration, times: usize) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(cap)
        .with_max_times(times)
        .with_jitter()
        .with_jitter_seed(fastrand::u64(..))
        .build()
}

/// The longest that a delivery or a verification is put off, in seconds.
pub(crate) const PUT_OFF_MOST_SECONDS: i64 = 600;

/// When a delivery or a verification that was put off `attempts` times is tried again, in seconds: doubling from
/// two, at most ten minutes.
pub(crate) fn put_off_seconds(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(0, 9)).unwrap_or(0);
    (2_i64 << doublings).min(PUT_OFF_MOST_SECONDS)
}

/// A decision this old, in seconds, that is still unverified is asked about once in as long.
pub(crate) const OLD_SECONDS: i64 = 24 * 3_600;

/// When a verification that was put off `attempts` times is tried again, in seconds: as [`put_off_seconds`], and once
/// the decision is old and the delays have grown to ten minutes, a day later.
pub(crate) fn verify_again_seconds(attempts: i64, age: i64) -> i64 {
    let seconds = put_off_seconds(attempts);
    if seconds < PUT_OFF_MOST_SECONDS { seconds } else { verify_again_most_seconds(age) }
}

/// The longest that the verification of a decision of this age is put off, in seconds.
pub(crate) fn verify_again_most_seconds(age: i64) -> i64 {
    if age < OLD_SECONDS { PUT_OFF_MOST_SECONDS } else { OLD_SECONDS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_ends() {
        for delays in [callback(), table()] {
            let total: Duration = delays.sum();
            assert!(total > Duration::from_secs(5) && total < Duration::from_secs(120), "{total:?}");
        }
    }

    #[test]
    fn put_off_work_is_never_forgotten() {
        let delays: Vec<i64> = (0..12).map(put_off_seconds).collect();
        assert_eq!(delays, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]);
        assert_eq!(put_off_seconds(i64::MAX), 600);
    }

    #[test]
    fn an_old_decision_is_verified_daily_once_its_delays_have_grown() {
        let delays = |age| [0, 8, 9, 10, i64::MAX].map(|attempts| verify_again_seconds(attempts, age));
        assert_eq!(delays(OLD_SECONDS - 1), [2, 512, 600, 600, 600]);
        assert_eq!(delays(OLD_SECONDS), [2, 512, OLD_SECONDS, OLD_SECONDS, OLD_SECONDS]);
    }
}
