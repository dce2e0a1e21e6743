//! The stage for one scene without random faults: a quiet world with its Lambda function, and conditions to wait for.

use model::{Options, Value};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;

use crate::run::{Sim, simulate};
use crate::scene::TASKS;
use crate::{actors, liveness, scene};

/// Records that the stream delivers have an outcome long before the sweeper sees them.
pub(crate) const BY_STREAM_MS: u64 = 15_000;

/// A quiet world with its Lambda function.
pub(crate) struct Stage {
    pub(crate) sim: Sim,
    _actors: JoinSet<()>,
}

impl Stage {
    pub(crate) fn new(options: Options) -> Stage {
        Stage::set(options, |_| {})
    }

    /// The same, set differently before the function starts.
    pub(crate) fn set(options: Options, set: impl FnOnce(&mut Sim)) -> Stage {
        let world = model::World::new(1, scene::quiet(options));
        let mut sim = Sim::new(world, SmallRng::seed_from_u64(1));
        set(&mut sim);
        let mut actors = JoinSet::new();
        actors.spawn(actors::ingest(sim.world.clone(), sim.queues.clone(), "ingest".to_owned()));
        Stage { sim, _actors: actors }
    }

    /// Starts executions and waits until their tasks are stored.
    pub(crate) async fn store(&self, count: u32) -> Result<(), String> {
        let before = self.sim.watch.state().tasks.len();
        let dice = SmallRng::seed_from_u64(before as u64);
        let name = format!("b{before}-");
        actors::produce_at_once(&self.sim.world, &self.sim.queues, dice, &name, count);
        let all = before + count as usize;
        self.until(5_000, "stored", |sim| sim.watch.state().tasks.len() == all).await
    }

    pub(crate) async fn until(
        &self,
        within_ms: u64,
        what: &str,
        holds: impl Fn(&Sim) -> bool,
    ) -> Result<(), String> {
        let end = self.sim.world.now_ms() + within_ms;
        while !holds(&self.sim) {
            if self.sim.world.now_ms() > end {
                return Err(format!("not {what} within {within_ms} ms"));
            }
            self.sim.pass(20).await?;
        }
        Ok(())
    }

    /// Waits until every task is answered or left to a person by the stream alone.
    pub(crate) async fn until_handled(&self) -> Result<(), String> {
        self.until(BY_STREAM_MS, "handled by the stream", |sim| sim.watch.state().tasks.all_have_outcomes())
            .await
    }

    pub(crate) async fn end(mut self) -> Result<(), String> {
        liveness::settle(&mut self.sim).await?;
        liveness::leave(&mut self.sim).await
    }

    pub(crate) fn stream(&self) -> String {
        self.sim.world.stream_arn(TASKS).expect("the stream is enabled")
    }

    /// An attribute of the lease of every shard, by sort key.
    pub(crate) fn leases(&self, attribute: &str) -> Vec<(String, Value)> {
        let rows = self.sim.watch.state().leases.rows().clone();
        let shards = rows.into_iter().filter(|(key, _)| key.starts_with("shard|"));
        shards.filter_map(|(key, row)| Some((key, row.get(attribute)?.clone()))).collect()
    }
}

/// Runs one scene, which must succeed.
pub(crate) fn replay(scene: impl AsyncFnOnce() -> Result<(), String> + 'static) {
    simulate(1, |_| Box::pin(scene())).expect("the scene succeeds");
}
