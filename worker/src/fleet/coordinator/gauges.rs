//! What a round tells: the gauges of this worker's leases, and the report that its heartbeat takes to the fleet.

use crate::aws::rate_limit::RateLimits;
use crate::fleet::coordinator::{Coordinator, Hands};
use crate::lease::plan::Subject;
use crate::metrics::Limit;
use crate::metrics::counts::Counts;

impl Coordinator {
    /// Updates the gauges of the work here, whether or not this worker may act.
    pub(super) fn show(&self, hands: &Hands) {
        let metrics = &self.parts.metrics;
        metrics.leases.set(i64::try_from(hands.work.len()).unwrap_or(i64::MAX));
        metrics.in_flight.set(i64::try_from(self.parts.limits.records_in_hand()).unwrap_or(i64::MAX));
        metrics
            .in_flight_bytes
            .set(i64::try_from(self.parts.limits.kib_in_hand() * 1_024).unwrap_or(i64::MAX));
        let now = self.parts.clock.now().as_second();
        let of_work = hands.work.values().map(|local| &*local.behind);
        metrics.behind(now, of_work.chain(hands.dropped.values().map(|behind| &**behind)));
        let mut counts = Counts::default();
        hands.work.values().for_each(|local| local.behind.add_counts(&mut counts));
        metrics.counted(now, &counts);
        let mut report = metrics.report(now, counts);
        let lags = hands.work.iter().filter_map(|(subject, local)| match subject {
            Subject::Shard { shard, .. } => Some((local.behind.reading.age(now), shard.as_str())),
            Subject::Sweep(_) => None,
        });
        report.lags(lags.collect());
        let RateLimits { send_task, describe_execution, execution_history, sweep } = &*self.rates;
        for (limit, rate) in [
            (Limit::SendTask, send_task),
            (Limit::DescribeExecution, describe_execution),
            (Limit::ExecutionHistory, execution_history),
            (Limit::DescribeStream, &*self.parts.discovery.of_readers),
            (Limit::Sweep, sweep),
        ] {
            metrics.rate_limit(limit, rate.capacity(), rate.level(), rate.waiting());
        }
        report.waiting = metrics.waiting();
        self.view.tell(report);
    }
}
