//! The sample orders end as the sample rules say.

use ops::orders::{End, sample};
use ops::world::sample_rules;
use rules::ruleset::{Ruleset, TaskFacts};
use rules::verdict::Verdict;

#[test]
fn every_sample_order_ends_as_expected() {
    let ruleset = Ruleset::load(&sample_rules()).unwrap();
    for order in sample(2_000, 1) {
        let input = order.input.to_string();
        let evaluation = ruleset.evaluate(&TaskFacts {
            order: Some(&input),
            order_id: &order.id,
            start_time: "2026-11-22T10:00:00.000Z",
            transaction_id: "arn:aws:states:us-east-1:000000000000:execution:shop:e",
            received_at: "2026-11-22T10:00:00.000Z",
        });
        let (end, code) = match evaluation.verdict {
            Verdict::Approve { code, .. } => (End::Approved, code),
            Verdict::Reject { code, .. } => (End::Rejected, code),
            Verdict::Escalate { code, .. } => (End::Escalated, code),
        };
        assert_eq!((end, code.as_str()), order.story.expected(), "{input}");
    }
}
