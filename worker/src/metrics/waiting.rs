//! What waits: in the stream, in the worklists and for rate limits, as gauges and as this worker's report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use statemachine::worklist::Worklist;
use utoipa::ToSchema;

use super::Metrics;
use super::behind::{Behind, Since};
use super::counts::Counts;
use super::label::{Limit, Undecided};
use super::report::Report;
use crate::stepfunctions::executions::End;

/// One rate limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RateLimit)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitView {
    /// Its name, as in `budgets`.
    pub limit: String,
    /// The calls a second that it allows.
    pub capacity: f64,
    /// The calls that it would allow at once now.
    pub level: f64,
    /// Callers that wait for it.
    pub waiting: i64,
}

impl Metrics {
    /// Shows one rate limit.
    pub fn rate_limit(&self, limit: Limit, capacity: f64, level: f64, waiting: usize) {
        self.rate_capacity(limit).set(capacity);
        self.rate_level(limit).set(level);
        self.rate_waiting(limit).set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Shows how far the work is behind that is most behind, of all that this process does at `now` (epoch seconds).
    pub fn behind<'a>(&self, now: i64, work: impl Iterator<Item = &'a Behind> + Clone) {
        let most = |since: &dyn Fn(&'a Behind) -> &'a Since| {
            work.clone().map(|behind| since(behind).age(now)).max().unwrap_or(0)
        };
        self.lag.set(most(&|behind| &behind.reading));
        self.unsettled.set(most(&|behind| &behind.settling));
        for list in Worklist::ALL {
            let overdue = most(&|behind| behind.list(list));
            self.overdue(list).set(overdue);
        }
        self.unverified.set(work.clone().map(Behind::unverified_count).sum());
        self.unverified_age.set(most(&|behind| &behind.unverified));
    }

    /// Shows what the worklists hold, of the buckets that this process holds.
    pub fn counted(&self, now: i64, counts: &Counts) {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for list in Worklist::ALL {
            let open = counts.open.of(list);
            self.open_tasks(list).set(gauge(open.tasks));
            self.oldest_task(list).set(open.oldest.map_or(0, |oldest| now.saturating_sub(oldest).max(0)));
        }
        self.partial.set(i64::from(counts.partial));
        self.due_soon.set(gauge(counts.due_soon));
        self.next_deadline.set(counts.next_deadline);
        self.count_age.set(if counts.buckets == 0 { 0 } else { now.saturating_sub(counts.at).max(0) });
    }

    /// The rate limits as last reported.
    pub fn rate_limits(&self) -> Vec<RateLimitView> {
        let view = |&limit: &Limit| RateLimitView {
            limit: limit.label().to_owned(),
            capacity: self.rate_capacity(limit).get(),
            level: self.rate_level(limit).get(),
            waiting: self.rate_waiting(limit).get(),
        };
        Limit::ALL.iter().map(view).collect()
    }

    /// How many callers wait for each rate limit that makes some wait.
    pub fn waiting(&self) -> BTreeMap<String, i64> {
        let limits = self.rate_limits().into_iter().filter(|limit| limit.waiting > 0);
        limits.map(|limit| (limit.limit, limit.waiting)).collect()
    }

    /// What this worker tells the others of itself, besides what its work and its limits show.
    pub fn report(&self, now: i64, counts: Counts) -> Report {
        let mut expired = BTreeMap::new();
        for &status in Undecided::ALL {
            for &end in End::ALL {
                let count = self.expirations(status, end).get();
                if count > 0 {
                    expired.insert(format!("{}, {}", status.label(), end.label()), count);
                }
            }
        }
        Report {
            counts,
            stored: Some(self.arrivals.last_hour(now)),
            unsettled_seconds: self.unsettled.get(),
            stream_on: self.stream_enabled.get().map(|on| on == 1),
            ruleset_refused: self.refused.get() == 1,
            automation_held: self.automation_held.get() == 1,
            expired,
            ..Report::default()
        }
    }
}
