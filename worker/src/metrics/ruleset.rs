//! The active ruleset, as an information.

use std::fmt;
use std::sync::{Arc, Mutex};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

/// The label of the active ruleset; none before the first. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct RulesetInfo(Arc<Mutex<Option<String>>>);

impl RulesetInfo {
    pub(super) fn set(&self, label: String) {
        *self.0.lock().expect("no holder of the label panics") = Some(label);
    }
}

impl EncodeMetric for RulesetInfo {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let label = self.0.lock().expect("no holder of the label panics").clone();
        label.map_or(Ok(()), |label| encoder.encode_info(&[("ruleset", label)]))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Info
    }
}
