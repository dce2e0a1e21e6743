//! A gauge that may have no value.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Stands for no value.
const NONE: i64 = i64::MIN;

/// A gauge that has no sample while it has no value: zero would be a statement.
#[derive(Debug, Clone)]
pub struct Optional(Arc<AtomicI64>);

impl Default for Optional {
    fn default() -> Optional {
        Optional(Arc::new(AtomicI64::new(NONE)))
    }
}

impl Optional {
    /// Sets the value, or shows none.
    pub fn set(&self, value: Option<i64>) {
        self.0.store(value.unwrap_or(NONE), Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|value| *value != NONE)
    }
}

impl TypedMetric for Optional {
    const TYPE: MetricType = MetricType::Gauge;
}

impl EncodeMetric for Optional {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        self.get().map_or(Ok(()), |value| encoder.encode_gauge(&value))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}
