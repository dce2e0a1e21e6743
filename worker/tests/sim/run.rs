//! One seed: a world, a fleet, its troubles, and then quiet, in which everything must come to an end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Duration;

use model::{Options, QueueSettings, World};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::task::JoinSet;
use worker::config::{Budgets, Config};

use crate::actors;
use crate::faults::Mix;
use crate::invariants::Watch;
use crate::liveness;
use crate::notices;
use crate::operator::{self, Operator};
use crate::process::Process;
use crate::scene::{self, Queues, TASKS};
use crate::windows::Windows;

/// How many of the seeds have no stream until everything has come to its end.
const STREAM_OFF: f64 = 0.03;
/// Their name in the mix.
pub(crate) const SWEEPER_ALONE: &str = "no stream: the sweeper alone";
/// The share of seeds whose indexes lag by minutes.
const INDEX_LAGS: f64 = 0.03;
/// Its name in the mix.
pub(crate) const LATE_INDEX: &str = "an index that lags by minutes";

/// A third of the seeds, in the mix.
pub(crate) const HINTS: &str = "hints of ingest";
/// Another third, in the mix.
pub(crate) const NOTICES: &str = "notices on a bus";
/// A worker's end by its wrong clock, in the mix.
pub(crate) const WRONG_CLOCK: &str = "ended by a wrong clock";
/// How many seeds have clocks that no worker may work by, and how many have wrong ones that it may; in milliseconds.
const CLOCKS: [(f64, i64); 2] = [(0.02, 3_600_000), (0.03, 280_000)];

/// What one seed showed.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) trace: u64,
    pub(crate) windows: Windows,
    pub(crate) mix: BTreeMap<&'static str, u64>,
    pub(crate) tasks: usize,
    pub(crate) calls: u64,
    pub(crate) virtual_s: u64,
}

/// The world with its fleet.
pub(crate) struct Sim {
    pub(crate) world: World,
    pub(crate) queues: Queues,
    /// What every process starts with.
    pub(crate) config: Config,
    pub(crate) watch: Watch,
    pub(crate) rng: SmallRng,
    pub(crate) fleet: BTreeMap<String, Process>,
    /// How many processes there were: no two share a name.
    started: u32,
    pub(crate) mix: BTreeMap<&'static str, u64>,
    /// The largest wall clock error of a process, in milliseconds.
    pub(crate) most_skew_ms: i64,
    /// Whether the tasks table has a stream; without one the sweeper alone finds tasks.
    pub(crate) has_stream: bool,
}

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(vec![]) };
}

/// Panics inside tasks are caught by the runtime or by the code under test: they are gathered here instead.
fn gather_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.with_borrow_mut(|panics| panics.push(info.to_string()));
            before(info);
        }));
    });
    PANICS.with_borrow_mut(Vec::clear);
}

/// The first panic on this thread since the seed began.
pub(crate) fn panicked() -> Result<(), String> {
    PANICS.with_borrow(|panics| panics.first().map_or(Ok(()), |first| Err(format!("panicked: {first}"))))
}

/// Runs one seed on a runtime of its own.
///
/// # Errors
///
/// The first violation.
pub(crate) fn run_seed(seed: u64) -> Result<Report, String> {
    simulate(seed, |seed| Box::pin(scenario(seed)))
}

type Scene<T> = std::pin::Pin<Box<dyn Future<Output = Result<T, String>>>>;

/// Runs a scene on paused time and seeded dice.
///
/// # Errors
///
/// What the scene found wrong, or the first panic anywhere.
pub(crate) fn simulate<T>(seed: u64, scene: impl FnOnce(u64) -> Scene<T>) -> Result<T, String> {
    gather_panics();
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    // A panic of the scene itself fails this seed, by its number, like any other.
    let report = catch_unwind(AssertUnwindSafe(|| runtime.block_on(scene(seed))));
    drop(runtime);
    panicked()?;
    report.unwrap_or_else(|_| Err("panicked".to_owned()))
}

async fn scenario(seed: u64) -> Result<Report, String> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let options = scene::quiet(Options::wild(&mut rng));
    let world = World::new(seed, options);
    let budgets = Budgets {
        send_task: [4, 20, 400][rng.random_range(0..3)],
        describe_execution: rng.random_range(1..=10),
        execution_history: rng.random_range(1..=10),
        describe_stream: rng.random_range(2..=8),
        sweep: [5, 50, 500][rng.random_range(0..3)],
    };
    let mut config = Config { budgets, ..Config::load(None, &[]).expect("the defaults are right") };
    config.worker.in_flight_records = [1, 4, 40, 4_000][rng.random_range(0..4)];
    config.worker.in_flight_mib = [1, 2, 64][rng.random_range(0..3)];
    let mut sim = Sim::with_config(world, rng, config);
    let count = sim.rng.random_range(8..=32);
    let chaos_ms = sim.rng.random_range(30_000..=120_000);
    sim.most_skew_ms = 3_000;
    for (share, skew_ms) in CLOCKS {
        if sim.rng.random_bool(share) {
            sim.most_skew_ms = skew_ms;
        }
    }
    if seed % 3 == 2 {
        sim.send_hints();
        sim.count(HINTS, 1);
    }
    if seed % 3 == 1 {
        notices::publish(&mut sim, seed);
        sim.count(NOTICES, 1);
    }
    if sim.rng.random_bool(STREAM_OFF) {
        sim.switch_stream_off();
        sim.count(SWEEPER_ALONE, 1);
    }
    if sim.rng.random_bool(INDEX_LAGS) {
        sim.world.configure(|options| options.index_lag_ms = 180_000);
        sim.watch.state().tasks.note_late_index();
        sim.count(LATE_INDEX, 1);
    }
    for _ in 0..sim.rng.random_range(1..=3) {
        sim.start_worker();
    }
    let mut actors = JoinSet::new();
    let dice = SmallRng::seed_from_u64(sim.rng.random());
    actors.spawn(actors::produce(sim.world.clone(), sim.queues.clone(), dice, count, chaos_ms));
    actors.spawn(actors::ingest(sim.world.clone(), sim.queues.clone(), "ingest".to_owned()));
    let mix = Mix::inject(&sim.world, &mut sim.rng);
    Operator::new(&mut sim).work(chaos_ms).await?;
    for (name, hits) in mix.hits(&sim.world) {
        sim.count(name, hits);
    }
    if sim.rng.random_bool(0.01) {
        operator::deny_for_long(&mut sim).await?;
    }
    if !sim.has_stream {
        liveness::settle(&mut sim).await?;
        sim.has_stream = true;
    }
    liveness::settle(&mut sim).await?;
    liveness::probe(&mut sim).await?;
    liveness::leave(&mut sim).await?;
    actors.shutdown().await;
    Ok(sim.report())
}

impl Sim {
    pub(crate) fn new(world: World, rng: SmallRng) -> Sim {
        let config = Config::load(None, &[]).expect("the defaults are right");
        Sim::with_config(world, rng, config)
    }

    fn with_config(world: World, rng: SmallRng, config: Config) -> Sim {
        let queues = scene::set(&world);
        let config = scene::adapted(config, &queues);
        let watch = Watch::over(&world, &config);
        Sim {
            world,
            queues,
            config,
            watch,
            rng,
            fleet: BTreeMap::new(),
            started: 0,
            mix: BTreeMap::new(),
            most_skew_ms: 0,
            has_stream: true,
        }
    }

    /// Lets ingest send hints, and the workers follow them.
    pub(crate) fn send_hints(&mut self) {
        let settings = QueueSettings { visibility_seconds: 30, redrive: None };
        let url = self.world.create_queue("hints", settings);
        self.config.queues.hints = Some(url.clone());
        self.queues.hints = Some(url);
    }

    /// Switches the stream off until someone wants it back.
    pub(crate) fn switch_stream_off(&mut self) {
        self.world.disable_stream(TASKS);
        self.has_stream = false;
    }

    /// Starts a worker process and gives its node.
    pub(crate) fn start_worker(&mut self) -> String {
        self.started += 1;
        let node = format!("w{}", self.started);
        let config = self.config.clone();
        let ruleset = scene::ruleset(self.rng.random_range(0..scene::RULESETS));
        let skew_ms = self.rng.random_range(-self.most_skew_ms..=self.most_skew_ms);
        let process = Process::start(&self.world, &node, config, ruleset, skew_ms);
        self.fleet.insert(node.clone(), process);
        node
    }

    /// Kills a process at once.
    pub(crate) fn crash(&mut self, node: &str) {
        if let Some(process) = self.fleet.remove(node) {
            self.watch.crashed(node);
            drop(process);
        }
    }

    /// Buries the processes that ended by themselves: only a clock that is too wrong may end one.
    ///
    /// # Errors
    ///
    /// Which process ended otherwise.
    pub(crate) fn bury(&mut self) -> Result<(), String> {
        let mut ended = vec![];
        for process in self.fleet.values_mut().filter(|process| !process.leave.is_cancelled()) {
            let Some(why) = process.ended().map(str::to_owned) else { continue };
            if !process.was_wrong || !why.contains("clock is") {
                return Err(format!("{}: ended by itself: {why}", process.node));
            }
            ended.push(process.node.clone());
        }
        for node in ended {
            self.crash(&node);
            self.count(WRONG_CLOCK, 1);
        }
        Ok(())
    }

    pub(crate) fn count(&mut self, name: &'static str, hits: u64) {
        *self.mix.entry(name).or_insert(0) += hits;
    }

    /// Nothing was violated and nothing panicked so far.
    ///
    /// # Errors
    ///
    /// What was.
    pub(crate) fn check(&self) -> Result<(), String> {
        for process in self.fleet.values() {
            let (records, bytes) = (process.metrics.in_flight.get(), process.metrics.in_flight_bytes.get());
            let worker = &self.config.worker;
            if records > worker.in_flight_records.into() || bytes > i64::from(worker.in_flight_mib) << 20 {
                return Err(format!("{}: {records} records, {bytes} bytes in flight", process.node));
            }
        }
        self.watch.check().and_then(|()| panicked())
    }

    /// Lets virtual time pass, then checks.
    ///
    /// # Errors
    ///
    /// What was violated.
    pub(crate) async fn pass(&self, ms: u64) -> Result<(), String> {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.check()
    }

    fn report(self) -> Report {
        let state = self.watch.state();
        Report {
            trace: self.world.trace_hash(),
            windows: state.windows.clone(),
            tasks: state.tasks.len(),
            calls: state.calls,
            virtual_s: (self.world.now_ms() - model::EPOCH_MS) / 1_000,
            mix: self.mix.clone(),
        }
    }
}
