//! The rules that decide without a person, and whether they may.

use crate::control::active_rules::ActiveRules;
use crate::control::caps::HourlyCaps;
use crate::control::gate::Gate;

/// The rules, their switch and their hourly caps, as this process knows them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Automation {
    /// The active ruleset and the shadow ruleset.
    pub rules: ActiveRules,
    /// Whether only the published ruleset may decide.
    pub follows_published: bool,
    /// Whether rules may decide at all.
    pub gate: Gate,
    /// How much the rules may approve in an hour.
    pub caps: HourlyCaps,
}

impl Automation {
    /// Creates the state before the first read of the control item: `rules` are loaded, but may not decide yet.
    pub fn new(rules: ActiveRules, follows_published: bool) -> Automation {
        Automation { rules, follows_published, gate: Gate::default(), caps: HourlyCaps::default() }
    }

    /// Whether this ruleset may decide. A worker that follows the published ruleset and has not loaded it yet must
    /// hold.
    pub fn is_wanted(&self, sha256: &str) -> bool {
        !self.follows_published || self.gate.is_wanted(sha256)
    }
}
