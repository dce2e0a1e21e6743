//! Failed calls: when a failure counts as systemic.

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::fault::Class;
use crate::metrics::{Metrics, Service};

/// How long a transient failure (throttling, no answer) lasts before it counts: longer than a shard roll or a failover.
const LASTING: Duration = Duration::from_secs(30);

/// The failures of one kind of call since its last answer.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    since: Option<Instant>,
}

impl Trouble {
    /// Notes that a call was answered.
    pub(crate) fn answered(&mut self) {
        self.since = None;
    }

    /// Notes that a call failed. Returns whether the failure is systemic, and then counts it for `service`. A failure
    /// that affects every call is systemic at once; any other is when there has been no answer for half a minute.
    pub(crate) fn failed(&mut self, class: Class, metrics: &Metrics, service: Service) -> bool {
        let counts = self.counts(class);
        if counts {
            metrics.systemic_fault(service);
        }
        counts
    }

    fn counts(&mut self, class: Class) -> bool {
        let lasts = self.since.get_or_insert_with(Instant::now).elapsed();
        match class {
            Class::Systemic | Class::Refused => true,
            Class::Throttled | Class::Transient => lasts >= LASTING,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_trouble_that_may_pass_counts_once_it_lasts() {
        let mut trouble = Trouble::default();
        assert!(trouble.counts(Class::Systemic), "at once");
        trouble.answered();
        for class in [Class::Throttled, Class::Transient] {
            assert!(!trouble.counts(class));
            tokio::time::advance(LASTING).await;
            assert!(trouble.counts(class));
            trouble.answered();
            assert!(!trouble.counts(class), "an answer resets the time");
            trouble.answered();
        }
    }
}
