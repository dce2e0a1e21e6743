//! What a worker tells of itself with its heartbeat, so that `countersign status` of any worker answers for the whole
//! fleet, and without a call to AWS.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::metrics::arrivals::Stored;
use crate::metrics::counts::Counts;

/// How many rules and shards a report names: a heartbeat should cost one write unit or two.
const NAMED: usize = 5;
/// A shard that is behind by more seconds than this is named.
const BEHIND_SECONDS: i64 = 5;

/// A worker's report. Fields that are empty are not written; fields that another version does not know are not read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WorkerReport)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// What the buckets that it holds contain.
    pub counts: Counts,
    /// The tasks that were stored in the last hour, by the records that it read; none from an older version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
    /// Age of the newest record read, of its shard that is furthest behind, in seconds.
    pub lag_seconds: i64,
    /// Its shards that are more than five seconds behind, in seconds: the five that are furthest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shards_behind: BTreeMap<String, i64>,
    /// Age of the oldest record that is read and not yet settled, in seconds.
    pub unsettled_seconds: i64,
    /// Whether new tasks come from the stream; only from the worker that lists it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_on: Option<bool>,
    /// It rejects the wanted ruleset: another one decides.
    #[serde(skip_serializing_if = "is_false")]
    pub ruleset_refused: bool,
    /// It starts no automatic decision.
    #[serde(skip_serializing_if = "is_false")]
    pub automation_held: bool,
    /// Callers that wait for a rate limit, by limit.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub waiting: BTreeMap<String, i64>,
    /// Undecided tasks that it found expired since it started, by what they waited for and why: `ESCALATED, aborted`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub expired: BTreeMap<String, u64>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Report {
    /// Notes how far each shard is behind.
    pub(crate) fn lags(&mut self, mut lags: Vec<(i64, &str)>) {
        lags.sort_unstable_by(|one, other| other.cmp(one));
        self.lag_seconds = lags.first().map_or(0, |(seconds, _)| *seconds);
        let behind = lags.into_iter().take(NAMED).filter(|(seconds, _)| *seconds > BEHIND_SECONDS);
        self.shards_behind = behind.map(|(seconds, shard)| (shard.to_owned(), seconds)).collect();
    }

    /// The report as an attribute of a heartbeat.
    pub(crate) fn to_text(&self) -> String {
        let mut short = self.clone();
        short.counts.escalated_by = most(&self.counts.escalated_by);
        serde_json::to_string(&short).expect("names and numbers are JSON")
    }

    /// Reads the attribute; none if it was edited by hand.
    pub(crate) fn from_text(text: &str) -> Option<Report> {
        serde_json::from_str(text).ok()
    }
}

/// The entries with the highest counts; the others together as `other`.
fn most(counts: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut sorted: Vec<(&String, &u64)> = counts.iter().collect();
    sorted.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
    let mut short = BTreeMap::new();
    for (n, (name, count)) in sorted.into_iter().enumerate() {
        let name = if n < NAMED { name.as_str() } else { "other" };
        *short.entry(name.to_owned()).or_default() += *count;
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_short_and_read_again() {
        let mut report = Report { stream_on: Some(true), ..Report::default() };
        report.counts.escalated_by = (0..40).map(|n| (format!("rule-{n}"), n)).collect();
        report.expired.insert("ESCALATED, aborted".to_owned(), 3);
        let shards: Vec<String> =
            (0..1_000).map(|n| format!("shardId-000000017953416000{n:02}-0123abcd")).collect();
        report.lags((0..).zip(&shards).map(|(n, shard)| (n, shard.as_str())).collect());
        let text = report.to_text();
        assert!(text.len() < 1_024, "{} bytes: {text}", text.len());
        let read = Report::from_text(&text).unwrap();
        assert_eq!((read.lag_seconds, read.stream_on, &read.expired), (999, Some(true), &report.expired));
        assert_eq!((read.shards_behind.len(), read.shards_behind[&shards[995]]), (NAMED, 995));
        let by = &read.counts.escalated_by;
        assert_eq!((by["rule-39"], by.len(), by.values().sum::<u64>()), (39, NAMED + 1, 780));
    }

    #[test]
    fn shards_that_are_up_to_date_are_not_named() {
        let mut report = Report::default();
        report.lags(vec![(1, "a"), (6, "b"), (5, "c")]);
        assert_eq!((report.lag_seconds, report.shards_behind), (6, BTreeMap::from([("b".to_owned(), 6)])));
    }

    #[test]
    fn what_is_no_report_is_none() {
        assert_eq!(Report::from_text("edited"), None);
        assert_eq!(Report::from_text("{\"new\":1}"), Some(Report::default()));
    }
}
