//! The `declare!` macro: one row gives a metric its field, its help, its entry in the registry and its row in the
//! README.

use prometheus_client::registry::{Metric, Registry, Unit};

/// Declares [`super::Metrics`], one row per metric:
///
/// ```text
/// /// The help, and the README's text.
/// visibility field: Kind(buckets of a histogram) = "name as exported, without the prefix" by label: ClosedEnum;
/// ```
///
/// The end of the name is derived: a counter ends with `_total`, an information with `_info`, and a unit is `_seconds` or
/// `_bytes`. For a metric
/// with labels, the method with the field's name returns the metric of one set of values. Each set exists from the
/// start with the value zero, so that an alert on a rate sees the first event.
macro_rules! declare {
    ($(
        $(#[doc = $help:literal])+
        $vis:vis $field:ident: $kind:ident $(($buckets:expr))? = $name:literal $(by $($label:ident: $values:ty),+)?;
    )+) => {
        /// The worker's metrics. Cheap to clone; one set per process.
        #[derive(Debug, Clone)]
        pub struct Metrics {
            $($(#[doc = $help])+ $vis $field: declare!(@type $kind $($($label)+)?),)+
        }

        impl Metrics {
            /// Every declared name.
            #[cfg(test)]
            const NAMES: &[&str] = &[$($name),+];

            fn declared() -> Metrics {
                Metrics { $($field: declare!(@new $kind $(($buckets))? $($($label)+)?),)+ }
            }

            fn add_to(&self, registry: &mut Registry) {
                $(declare::register(registry, $name, concat!($($help),+), self.$field.clone());)+
            }

            /// Creates the metric for each set of labels.
            fn start_at_zero(&self) {
                $(declare!(@start self $field $($($label: $values),+)?);)+
            }

            $(declare!(@of $vis $field $kind $($($label: $values),+)?);)+
        }
    };

    (@type $kind:ident) => { $kind };
    (@type Histogram $($label:ident)+) => {
        Family<[(&'static str, &'static str); [$(stringify!($label)),+].len()], Histogram, fn() -> Histogram>
    };
    (@type $kind:ident $($label:ident)+) => {
        Family<[(&'static str, &'static str); [$(stringify!($label)),+].len()], $kind>
    };

    (@new $kind:ident ($buckets:expr)) => { $kind::new($buckets) };
    (@new $kind:ident ($buckets:expr) $($label:ident)+) => { Family::new_with_constructor(|| $kind::new($buckets)) };
    (@new $kind:ident $($label:ident)*) => { Default::default() };

    (@of $vis:vis $field:ident $kind:ident) => {};
    (@of $vis:vis $field:ident $kind:ident $($label:ident: $values:ty),+) => {
        $vis fn $field(&self, $($label: $values),+) -> impl Deref<Target = $kind> {
            self.$field.get_or_create(&[$((stringify!($label), $label.text())),+])
        }
    };

    (@start $self:ident $field:ident) => {};
    (@start $self:ident $field:ident $($label:ident: $values:ty),+) => {
        declare!(@each ($($label: $values),+) drop($self.$field($($label),+)))
    };
    (@each () $body:expr) => { $body };
    (@each ($label:ident: $values:ty $(, $rest:ident: $rest_values:ty)*) $body:expr) => {
        for &$label in <$values as Label>::VALUES {
            declare!(@each ($($rest: $rest_values),*) $body);
        }
    };
}
pub(super) use declare;

/// Adds one metric to the registry, which appends a counter's `_total`, an information's `_info` and the unit.
pub(super) fn register(registry: &mut Registry, name: &str, help: &str, metric: impl Metric) {
    let help = help.trim().trim_end_matches('.');
    let name = name.strip_suffix("_total").or_else(|| name.strip_suffix("_info")).unwrap_or(name);
    for (suffix, unit) in [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)] {
        if let Some(name) = name.strip_suffix(suffix) {
            return registry.register_with_unit(name, help, unit, metric);
        }
    }
    registry.register(name, help, metric);
}
