//! What became of a batch, as metrics. CloudWatch reads them from the function's log (embedded metric format,
//! CloudWatch user guide), so that no call is made for them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

/// The namespace of the metrics.
pub const NAMESPACE: &str = "Countersign";
/// How many values one metric may have in one line (embedded metric format specification).
const MOST_VALUES: usize = 100;

/// What became of the messages of a batch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Stored as new tasks.
    pub stored: u64,
    /// Deliveries of messages that were stored before.
    pub duplicates: u64,
    /// Not stored this time; SQS delivers them again.
    pub retried: u64,
    /// Messages that can never be stored, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// From sending to storing, in milliseconds, of each new task.
    pub delays_ms: Vec<i64>,
}

impl Counts {
    /// The lines for the log: one for the batch, one for each reason of a rejection, and more if a batch stored more
    /// than a hundred tasks.
    pub fn lines(&self, function: &str, now: Timestamp) -> Vec<String> {
        let rejected: u64 = self.rejected.values().sum();
        let mut delays = self.delays_ms.chunks(MOST_VALUES);
        let mut batch = vec![
            ("MessagesStored", "Count", json!(self.stored)),
            ("MessagesDuplicate", "Count", json!(self.duplicates)),
            ("MessagesRetried", "Count", json!(self.retried)),
            ("MessagesRejected", "Count", json!(rejected)),
        ];
        batch.extend(delays.next().map(|delays| ("IngestDelay", "Milliseconds", json!(delays))));
        let mut lines = vec![line(&[("FunctionName", function)], &batch, now)];
        lines.extend(delays.map(|delays| {
            line(&[("FunctionName", function)], &[("IngestDelay", "Milliseconds", json!(delays))], now)
        }));
        lines.extend(self.rejected.iter().map(|(reason, count)| {
            let dimensions = [("FunctionName", function), ("Reason", *reason)];
            line(&dimensions, &[("MessagesRejectedByReason", "Count", json!(count))], now)
        }));
        lines
    }
}

fn line(dimensions: &[(&str, &str)], metrics: &[(&str, &str, Value)], now: Timestamp) -> String {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let defined: Vec<Value> =
        metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [names], "Metrics": defined }],
        },
    });
    for (name, value) in dimensions {
        line[*name] = json!(value);
    }
    for (name, _, value) in metrics {
        line[*name] = value.clone();
    }
    line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(counts: &Counts) -> Vec<Value> {
        let now = Timestamp::from_millisecond(1_795_341_600_123).unwrap();
        let lines = counts.lines("ingest-1", now);
        assert!(lines.iter().all(|line| !line.contains('\n')));
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_metric_of_a_line_is_defined_and_has_its_dimensions() {
        let counts = Counts {
            stored: 2,
            duplicates: 1,
            retried: 3,
            rejected: BTreeMap::from([("not-json", 4), ("field-missing", 1)]),
            delays_ms: vec![20, 35],
        };
        let lines = parsed(&counts);
        assert_eq!(lines.len(), 3);
        for line in &lines {
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(line["_aws"]["Timestamp"], 1_795_341_600_123_i64);
            assert_eq!(directive["Namespace"], NAMESPACE);
            for name in directive["Dimensions"][0].as_array().unwrap() {
                assert!(line[name.as_str().unwrap()].is_string(), "{name}");
            }
            for metric in directive["Metrics"].as_array().unwrap() {
                assert!(!line[metric["Name"].as_str().unwrap()].is_null(), "{metric}");
            }
        }
        let batch = &lines[0];
        let counted = ["MessagesStored", "MessagesDuplicate", "MessagesRetried", "MessagesRejected"]
            .map(|name| batch[name].as_u64().unwrap());
        assert_eq!((counted, &batch["IngestDelay"]), ([2, 1, 3, 5], &json!([20, 35])));
        let by_reason: Vec<_> = lines[1..]
            .iter()
            .map(|line| {
                (line["Reason"].as_str().unwrap(), line["MessagesRejectedByReason"].as_u64().unwrap())
            })
            .collect();
        assert_eq!(by_reason, [("field-missing", 1), ("not-json", 4)]);
    }

    #[test]
    fn a_metric_has_at_most_a_hundred_values_in_a_line() {
        let lines = parsed(&Counts { stored: 250, delays_ms: vec![7; 250], ..Counts::default() });
        let values: Vec<usize> =
            lines.iter().map(|line| line["IngestDelay"].as_array().unwrap().len()).collect();
        assert_eq!(values, [100, 100, 50]);
        assert!(lines[1]["MessagesStored"].is_null(), "counted once");
        assert!(parsed(&Counts::default())[0]["IngestDelay"].is_null(), "nothing was stored");
    }
}
