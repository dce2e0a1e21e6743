//! Calls that fail: whether one counts as everybody's trouble.

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::fault::Class;
use crate::metrics::{Metrics, Service};

/// How long a trouble that may pass (throttling, no answer) lasts before it counts: longer than a roll or a failover.
const LASTING: Duration = Duration::from_secs(30);

/// The failures of one kind of call since its last answer.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    since: Option<Instant>,
}

impl Trouble {
    /// A call was answered.
    pub(crate) fn answered(&mut self) {
        self.since = None;
    }

    /// A call failed: counted at `service` where it is systemic, and says whether it is. That is at once where it is
    /// wrong for every call alike, else when nothing was answered for half a minute.
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
            assert!(!trouble.counts(class), "an answer begins anew");
            trouble.answered();
        }
    }
}
