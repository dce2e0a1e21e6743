//! Finds what lacks its notice: escalations, near deadlines and expiries whose mark was never written.
//!
//! The stream's records are faster; these walks are why no notice is lost. They are apart from the walks that finish
//! tasks, and run only when there is a bus.

use std::time::Duration;

use statemachine::item::Item;
use statemachine::task::attribute;
use statemachine::token::TaskId;
use statemachine::worklist::{Worklist, key};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Sweeper;
use crate::aws::attribute::text_of;
use crate::aws::fault::Fault;
use crate::clock;
use crate::lease::guard::Guard;
use crate::tasks::item;
use crate::tasks::notice::Notice;

/// The stream has so long to bring an escalation first, in seconds.
const FIRST_SECONDS: i64 = 30;
/// A settled task may appear in the index so much later than its time in it: two clocks may differ by ten minutes, and the
/// index lags.
const LATE_SECONDS: i64 = 900;
/// Of expiries, those of this day and of the one before are looked for: no longer does the stream keep their records.
const DAY: Duration = Duration::from_secs(86_400);

impl Sweeper {
    /// Looks at one bucket again and again, until `drain`; never ends without a bus.
    pub(super) async fn look_for_unpublished(&self, bucket: u8, guard: &Guard, drain: &CancellationToken) {
        let mut settled_from = i64::MIN;
        while self.notices.has_bus() && guard.is_live() && !drain.is_cancelled() {
            let now = self.clock.now().as_second();
            match self.look_once(bucket, settled_from).await {
                Ok(()) => settled_from = now - LATE_SECONDS,
                Err(fault) => {
                    warn!(error = %fault, "the worklists of bucket {bucket} are not searched for notices: {fault}");
                }
            }
            let next = Instant::now() + self.every;
            tokio::select! {
                // A drain begins no walk.
                biased;
                () = drain.cancelled() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    async fn look_once(&self, bucket: u8, settled_from: i64) -> Result<(), Fault> {
        let now = self.clock.now();
        let wanted = "#taskId, #status, #decision, #deadline, #escalation";
        self.look_at_list(&Worklist::Escalated.key(bucket), i64::MIN, wanted).await?;
        for day in [now - DAY, now].map(clock::day) {
            self.look_at_list(&key(&day, bucket), settled_from, "#taskId, #status, #decision").await?;
        }
        Ok(())
    }

    async fn look_at_list(&self, list: &str, from: i64, wanted: &str) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut start = None;
        loop {
            let (entries, next) = self.tasks.entries(list, from, wanted, start).await?;
            for entry in &entries {
                let id = text_of(entry, attribute::TASK_ID).and_then(|id| TaskId::parse(&id).ok());
                let entry = item::from_table(entry);
                if let (Some(_), Some(id)) = (due(&entry, now.as_second()), id) {
                    self.notices.look_at(&id);
                }
            }
            start = next;
            if start.is_none() {
                return Ok(());
            }
        }
    }
}

/// What is due of an entry, unless the stream still has time to bring it.
fn due(entry: &Item, now: i64) -> Option<Notice> {
    let due = Notice::due(entry, now)?;
    (due != Notice::Escalated || Notice::escalated_before(entry, now - FIRST_SECONDS)).then_some(due)
}
