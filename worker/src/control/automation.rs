//! What decides without a person, and whether it may.

use crate::control::active_rules::ActiveRules;
use crate::control::caps::HourlyCaps;
use crate::control::gate::Gate;

/// The rules, their switch and their caps, as this process has them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Automation {
    /// The active ruleset, and the one that is tried beside it.
    pub rules: ActiveRules,
    /// Only the published set may decide.
    pub follows_published: bool,
    /// Whether rules decide at all.
    pub gate: Gate,
    /// What they may approve in an hour.
    pub caps: HourlyCaps,
}

impl Automation {
    /// Before the first read of the control item: `rules` are loaded, and may not decide yet.
    pub fn new(rules: ActiveRules, follows_published: bool) -> Automation {
        Automation { rules, follows_published, gate: Gate::default(), caps: HourlyCaps::default() }
    }

    /// Whether this ruleset may decide: a worker that follows the published one, and has not loaded it yet, holds.
    pub fn is_wanted(&self, sha256: &str) -> bool {
        !self.follows_published || self.gate.is_wanted(sha256)
    }
}
