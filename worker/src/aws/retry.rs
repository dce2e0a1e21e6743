//! How often and how long the worker repeats a call, as values.
//!
//! Each policy is exponential, with jitter and an end. Work that outlives it stays stored, and the sweeper finishes it.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// One callback inside the pipeline: 100 ms to 2 s, ten times, with jitter 13 to 26 seconds in all. The state's own timeout
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

/// The longest delay between two attempts at a delivery, in seconds.
pub(crate) const PUT_OFF_MOST_SECONDS: i64 = 600;

/// The delay after `attempts` deferrals of a delivery, in seconds: it doubles from two, up to ten minutes.
pub(crate) fn put_off_seconds(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(0, 9)).unwrap_or(0);
    (2_i64 << doublings).min(PUT_OFF_MOST_SECONDS)
}

/// A decision that is still unverified at this age, in seconds, is checked once a day.
pub(crate) const OLD_SECONDS: i64 = 24 * 3_600;

/// The delay after `attempts` checks of an unverified decision, in seconds: as [`put_off_seconds`], but a day once the
/// decision is a day old and the delays have grown to ten minutes.
pub(crate) fn verify_again_seconds(attempts: i64, age: i64) -> i64 {
    let seconds = put_off_seconds(attempts);
    if seconds < PUT_OFF_MOST_SECONDS { seconds } else { verify_again_most_seconds(age) }
}

/// The longest delay between two checks of an unverified decision of this age, in seconds.
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
    fn a_callback_is_repeated_for_13_to_26_seconds() {
        for _ in 0..100 {
            let total: Duration = callback().sum();
            assert!((13.0..26.5).contains(&total.as_secs_f64()), "{total:?}");
        }
    }

    #[test]
    fn deferred_work_is_retried_every_ten_minutes_at_least() {
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
