//! Lost connections: between a worker and the world, a worker and one service, or all workers and one service.

use std::time::Duration;

use model::{Link, Rule};
use rand::Rng as _;

use super::{Act, Operator};
use crate::faults;
use crate::run::Sim;

/// The name of this fault in the mix.
pub(crate) const DENIED: &str = "one service denied for ten minutes";

/// How long a service denies all calls: longer than anything in the fleet waits.
const DENIED_MS: u64 = 600_000;

/// After the other faults, a service or a table denies all calls for ten minutes.
///
/// # Errors
///
/// If an invariant was violated in the meantime.
pub(crate) async fn deny_for_long(sim: &mut Sim) -> Result<(), String> {
    let until_ms = sim.world.now_ms() + DENIED_MS;
    let (calls, fault) = faults::denial(&mut sim.rng);
    sim.world.inject(Rule::new(calls, fault).until(until_ms));
    sim.count(DENIED, 1);
    while sim.world.now_ms() < until_ms {
        sim.pass(3_000).await?;
    }
    Ok(())
}

impl Operator<'_> {
    pub(super) fn unlink(&mut self, link: Link) -> bool {
        let Some(node) = self.worker() else { return false };
        let for_ms = self.sim.rng.random_range(1_000..45_000);
        let world = self.world();
        world.set_link(&node, link);
        self.mending.spawn(async move {
            tokio::time::sleep(Duration::from_millis(for_ms)).await;
            world.set_link(&node, Link::Up);
        });
        true
    }

    /// A service or a table fails every call for a while, either of one worker or of all.
    pub(super) fn take_away(&mut self, act: Act) -> bool {
        let (mut calls, fault) = faults::outage(&mut self.sim.rng);
        if matches!(act, Act::CutFrom) {
            let Some(node) = self.worker() else { return false };
            calls = calls.from(&node);
        }
        let until_ms = self.sim.world.now_ms() + self.sim.rng.random_range(5_000..60_000);
        self.sim.world.inject(Rule::new(calls, fault).until(until_ms));
        true
    }
}
