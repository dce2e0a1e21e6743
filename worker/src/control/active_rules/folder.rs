//! Follows a folder: an edit takes effect once it is complete, checked and, if `rules.strict` is set, accepted.

use std::pin::pin;

use futures::StreamExt as _;
use rules::{Refused, Ruleset};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::ActiveRules;
use crate::control::rules_folder::{MAX_UNSETTLED, Reading, RulesFolder};
use crate::metrics::{Metrics, Reload};

/// Follows a folder until `stop`. Two readings half a second apart must agree before a ruleset is checked. A rejected
/// one is shown in the log, the metric and the status while the folder contains it, and the active ruleset stays.
pub async fn follow(folder: RulesFolder, rules: ActiveRules, metrics: Metrics, stop: CancellationToken) {
    let follower = Follower { folder, rules, metrics, last: None, unsettled: 0, judged: None };
    tokio::select! {
        // A slow reading or test must not delay the end: nothing here needs to be finished.
        biased;
        () = stop.cancelled() => {}
        () = follower.run() => {}
    }
}

struct Follower {
    folder: RulesFolder,
    rules: ActiveRules,
    metrics: Metrics,
    /// The previous reading.
    last: Option<Reading>,
    /// How many readings in a row differed from the previous one.
    unsettled: u32,
    /// The reading that was checked last, and why it may not decide.
    judged: Option<(Reading, Option<Refused>)>,
}

impl Follower {
    async fn run(mut self) {
        let mut readings = pin!(self.folder.clone().readings());
        while let Some(reading) = readings.next().await {
            match reading {
                Ok(reading) => self.look(reading).await,
                Err(refused) => {
                    self.last = None;
                    self.rules.show_refused(Some(refused), &self.metrics);
                }
            }
        }
    }

    async fn look(&mut self, reading: Reading) {
        if let Some((judged, refused)) = &self.judged
            && *judged == reading
        {
            // Any problem shown meanwhile, such as a reading that took too long, is over.
            self.rules.show_refused(refused.clone(), &self.metrics);
            (self.last, self.unsettled) = (Some(reading), 0);
            return;
        }
        if self.last.as_ref() != Some(&reading) {
            self.unsettled += 1;
            if self.unsettled > MAX_UNSETTLED {
                self.rules.show_refused(Some(self.folder.unsettled()), &self.metrics);
            }
            self.last = Some(reading);
            return;
        }
        self.unsettled = 0;
        let refused = match self.folder.judge(reading.clone()).await {
            Ok(ruleset) => {
                self.activate(ruleset).await;
                None
            }
            Err(refused) => Some(refused),
        };
        self.rules.show_refused(refused.clone(), &self.metrics);
        self.judged = Some((reading, refused));
    }

    async fn activate(&self, ruleset: Ruleset) {
        let (active, label) = (self.rules.pin(), ruleset.label());
        if ruleset.sha256() == active.sha256() {
            if self.rules.refused().is_some() {
                info!(ruleset = label, "the folder holds the active ruleset again: {label}");
            }
            if ruleset.files() == active.files() {
                return;
            }
            // The same version with other tests.
        } else {
            for warning in ruleset.warnings() {
                warn!(place = warning.place(), "ruleset {label}: {}", warning.one_line());
            }
            self.metrics.reloaded(Reload::Activated);
            info!(ruleset = label, before = active.label(), "ruleset {label} is active");
        }
        self.folder.keep(&ruleset).await;
        self.rules.activate_and_tell(ruleset, &self.metrics);
    }
}
