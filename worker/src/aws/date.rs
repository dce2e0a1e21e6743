//! What AWS's clock shows: the `Date` header of its answers.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;

/// The `Date` of a call's last answer, success or error. An interceptor of that call; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerDate(Arc<Mutex<Option<i64>>>);

impl ServerDate {
    /// In epoch seconds; none if there was no response, or it had no readable date.
    pub(crate) fn seconds(&self) -> Option<i64> {
        *self.0.lock().expect("no holder of the date panics")
    }
}

#[dyn_dispatch_hint]
impl Intercept for ServerDate {
    fn name(&self) -> &'static str {
        "ServerDate"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        *self.0.lock().expect("no holder of the date panics") = date.map(|date| date.secs());
        Ok(())
    }
}

/// How many seconds a clock is ahead of AWS's at least; negative when it is behind.
///
/// AWS wrote `date` at some moment between those at which this clock showed `sent` and `received`: however slow the
/// call was, a clock that is right gives 0. All three in whole epoch seconds.
pub(crate) fn seconds_ahead(sent: i64, date: i64, received: i64) -> i64 {
    (sent - date).max(0) - (date - received).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_call_makes_no_clock_look_wrong() {
        for (sent, date, received, ahead) in [
            (100, 100, 100, 0),
            (100, 100, 900, 0),
            (100, 900, 900, 0),
            (100, 99, 101, 1),
            (7_300, 100, 7_301, 7_200),
            (100, 7_300, 101, -7_199),
        ] {
            assert_eq!(seconds_ahead(sent, date, received), ahead, "{sent} {date} {received}");
        }
    }
}
