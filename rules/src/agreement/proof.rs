//! What a condition must show before it is proposed. Counts in, yes or no out.

use super::grid::Count;

/// The most counter-examples, in percent of the tasks that meet a condition.
pub(super) const MAX_AGAINST_PERCENT: u64 = 3;
/// The fewest held-out tasks that must have met a condition.
const MIN_HELD_OUT: u64 = 10;
/// The least that agreement must be, at 95 % confidence, in permille.
const MIN_SURE_PERMILLE: u64 = 900;
/// How improbable luck must be, as the logarithm of one over its probability: about a million conditions are tried, and
/// one in two thousand of such searches may be lucky.
const EVIDENCE: f64 = 20.0;
/// The same for a part of a condition's tasks that people decided otherwise; hundreds of parts are looked at. Three of
/// three are enough.
const DOUBT: f64 = 10.0;
/// The 97.5th percentile of the normal distribution.
const Z: f64 = 1.96;

/// Whether no more than a few were decided otherwise.
pub(super) fn is_clean(count: Count) -> bool {
    count.against * 100 <= MAX_AGAINST_PERCENT * count.tasks()
}

/// Whether a clean part of `all` is clean for a reason: by luck alone, almost none of the tried conditions would be.
pub(super) fn is_no_luck(part: Count, all: Count) -> bool {
    is_clean(all) || surprise(part, share(all)) >= EVIDENCE
}

/// Whether a part of a condition's tasks was decided otherwise more often than a clean condition allows.
pub(super) fn is_doubtful(part: Count) -> bool {
    !is_clean(part) && surprise(part, percent(MAX_AGAINST_PERCENT)) >= DOUBT
}

/// Whether the held-out days say the same. They are few: one standard deviation more than a clean condition has is allowed,
/// which for twelve tasks is none.
pub(super) fn holds_later(held_out: Count) -> bool {
    let usual = MAX_AGAINST_PERCENT * held_out.tasks();
    let more = (held_out.against * 100).saturating_sub(usual);
    held_out.tasks() >= MIN_HELD_OUT && more * more <= 100 * usual
}

/// Whether there is enough of it, over all days.
pub(super) fn is_sure(all: Count) -> bool {
    is_clean(all) && sure_permille(all) >= MIN_SURE_PERMILLE
}

/// The lower end of Wilson's interval for the share that agrees, at 95 %, in permille, rounded down.
pub(super) fn sure_permille(count: Count) -> u64 {
    let (tasks, agree) = (float(count.tasks()), 1.0 - share(count));
    if count.tasks() == 0 {
        return 0;
    }
    let (square, middle) = (Z * Z / tasks, agree + Z * Z / (2.0 * tasks));
    let bound =
        (middle - Z * (agree * (1.0 - agree) / tasks + square / (4.0 * tasks)).sqrt()) / (1.0 + square);
    (0..=1000).rev().find(|permille| float(*permille) / 1000.0 <= bound).unwrap_or(0)
}

/// How improbable `count` is where each task is against with probability `usual`: Chernoff's bound, as the logarithm of one
/// over the probability.
fn surprise(count: Count, usual: f64) -> f64 {
    let seen = share(count);
    let term = |seen: f64, usual: f64| if seen > 0.0 { seen * (seen / usual).ln() } else { 0.0 };
    float(count.tasks()) * (term(seen, usual) + term(1.0 - seen, 1.0 - usual))
}

fn share(count: Count) -> f64 {
    float(count.against) / float(count.tasks().max(1))
}

fn percent(percent: u64) -> f64 {
    float(percent) / 100.0
}

/// Exact below four thousand million.
fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(agree: u64, against: u64) -> Count {
        Count { agree, against }
    }

    #[test]
    fn three_in_a_hundred_are_a_few() {
        assert!(is_clean(count(97, 3)) && !is_clean(count(96, 4)) && !is_clean(count(32, 1)));
    }

    #[test]
    fn few_held_out_tasks_may_err_a_little_more() {
        for (agree, against, holds) in
            [(9, 0, false), (10, 0, true), (11, 1, false), (12, 1, true), (143, 7, false), (144, 6, true)]
        {
            assert_eq!(holds_later(count(agree, against)), holds, "{agree} {against}");
        }
    }

    #[test]
    fn luck_is_told_from_a_reason() {
        // Half of all are approved: thirty in a row are no luck, twenty may be.
        assert!(is_no_luck(count(30, 0), count(500, 500)) && !is_no_luck(count(20, 0), count(500, 500)));
        // Nineteen in twenty are approved at random: somewhere a hundred in a row are to be expected.
        assert!(!is_no_luck(count(100, 0), count(950, 50)));
        assert!(is_no_luck(count(40, 0), count(980, 20)));
    }

    #[test]
    fn a_part_that_was_decided_otherwise_is_seen() {
        assert!(is_doubtful(count(0, 3)) && !is_doubtful(count(0, 2)) && !is_doubtful(count(1, 1)));
        assert!(is_doubtful(count(90, 15)) && !is_doubtful(count(95, 5)));
    }

    #[test]
    fn agreement_is_as_sure_as_wilson_says() {
        // NIST handbook 7.2.4.1's formula, by hand.
        for (agree, against, permille) in
            [(0, 0, 0), (34, 0, 898), (35, 0, 901), (98, 2, 929), (970, 30, 957)]
        {
            assert_eq!(sure_permille(count(agree, against)), permille, "{agree} {against}");
        }
    }
}
