//! What is done to the fleet from outside: kills, pauses, deployments, edits by hand, and the people who decide.

mod edits;
mod garble;
mod give_back;
mod kills;
mod outages;
mod switch;

pub(crate) use self::outages::deny_for_long;
pub(crate) use self::switch::resume;

use std::time::Duration;

use model::{Item, Link, Value, World};
use rand::Rng as _;
use statemachine::decision::Outcome;
use statemachine::status::Status;
use statemachine::task::Task;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use worker::steps::person::{Identity, PersonDecision, PersonOutcome};

use crate::expiry;
use crate::run::Sim;
use crate::scene::{self, TASKS};

/// How long a worker may take to leave before it is killed, as its service manager does.
const DRAIN: Duration = Duration::from_secs(20);
/// The most workers at once.
const MOST_WORKERS: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Act {
    People,
    GiveBack,
    GiveBackEarly,
    Crash,
    CrashLate,
    CrashThenCheckpoint,
    CrashAtDoor,
    CrashAnywhere,
    CrashAll,
    Start,
    Leave,
    LeaveThenKill,
    CrashLoop,
    Freeze,
    Cut,
    CutFrom,
    Outage,
    Roll,
    RollAll,
    Split,
    Merge,
    Trim,
    LoseShard,
    Reenable,
    Reload,
    DeleteTask,
    Poison,
    Stop,
    StopDecided,
    Answer,
    ClockJump,
    DeleteLease,
    GarbleLease,
    GarbleHeartbeat,
    MoveBack,
    PullSwitch,
    EditSwitch,
    DeleteSwitch,
}

/// What is done, and how often among all.
const MIX: &[(Act, &str, u32)] = &[
    (Act::People, "people decide", 40),
    (Act::GiveBack, "people give tasks back to the rules", 14),
    (Act::GiveBackEarly, "a task is given back before a decision of its last round arrives", 8),
    (Act::Crash, "crash", 6),
    (Act::CrashLate, "crash, its calls arrive later", 6),
    (Act::CrashThenCheckpoint, "crash, its checkpoint arrives after its heir", 5),
    (Act::CrashAtDoor, "crash at a chosen call", 16),
    (Act::CrashAnywhere, "crash at any call", 5),
    (Act::CrashAll, "crash of all", 2),
    (Act::Start, "start", 10),
    (Act::Leave, "leave", 5),
    (Act::LeaveThenKill, "leave, then kill", 3),
    (Act::CrashLoop, "a crash loop", 5),
    (Act::Freeze, "freeze", 9),
    (Act::Cut, "cut off", 3),
    (Act::CutFrom, "one service gone for one", 5),
    (Act::Outage, "one service gone for all", 4),
    (Act::Roll, "roll a shard", 6),
    (Act::RollAll, "roll all shards", 5),
    (Act::Split, "split a shard", 2),
    (Act::Merge, "merge shards", 3),
    (Act::Trim, "trim", 3),
    (Act::LoseShard, "lose a shard", 1),
    (Act::Reenable, "disable and enable the stream", 2),
    (Act::Reload, "other rules", 8),
    (Act::DeleteTask, "delete a task", 10),
    (Act::Poison, "a record that is no task", 3),
    (Act::Stop, "stop an execution", 4),
    (Act::StopDecided, "decide what expires just then", 4),
    (Act::Answer, "another actor answers", 4),
    (Act::ClockJump, "a clock jumps", 4),
    (Act::DeleteLease, "delete a lease", 3),
    (Act::GarbleLease, "garble a lease", 4),
    (Act::GarbleHeartbeat, "garble a heartbeat", 3),
    (Act::MoveBack, "move a position back", 5),
    (Act::PullSwitch, "pause and resume", 3),
    (Act::EditSwitch, "edit the switch", 4),
    (Act::DeleteSwitch, "delete the switch", 3),
];

/// The names of all deeds.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    MIX.iter().map(|(_, name, _)| *name).chain([outages::DENIED])
}

/// Does one seed's deeds.
pub(crate) struct Operator<'s> {
    sim: &'s mut Sim,
    /// Links that come back by themselves.
    mending: JoinSet<()>,
    /// Workers that leave, and by when they must be gone.
    leaving: Vec<(String, Instant)>,
    /// A worker that is killed and started again and again, until when.
    looping: Option<(String, Instant)>,
}

impl<'s> Operator<'s> {
    pub(crate) fn new(sim: &'s mut Sim) -> Operator<'s> {
        Operator { sim, mending: JoinSet::new(), leaving: vec![], looping: None }
    }

    /// Works for a time.
    ///
    /// # Errors
    ///
    /// What was violated meanwhile.
    pub(crate) async fn work(mut self, for_ms: u64) -> Result<(), String> {
        let end = Instant::now() + Duration::from_millis(for_ms);
        let total: u32 = MIX.iter().map(|(_, _, weight)| weight).sum();
        while Instant::now() < end {
            let pause_ms = self.sim.rng.random_range(100..=3_000);
            self.sim.pass(pause_ms).await?;
            self.sim.bury()?;
            self.look_after();
            let mut dice = self.sim.rng.random_range(0..total);
            let drawn = MIX.iter().find(|(_, _, weight)| {
                let is_it = dice < *weight;
                dice = dice.saturating_sub(*weight);
                is_it
            });
            let (act, name, _) = drawn.expect("the weights add up");
            if self.act(*act).await {
                self.sim.count(name, 1);
            }
            self.sim.check()?;
        }
        let leaving = std::mem::take(&mut self.leaving);
        let looping = self.looping.take();
        leaving.iter().chain(&looping).for_each(|(node, _)| self.sim.crash(node));
        Ok(())
    }

    /// Buries who left or took too long, and starts a worker when none is left.
    fn look_after(&mut self) {
        let sim = &mut *self.sim;
        for process in sim.fleet.values_mut() {
            for answer in process.answers() {
                if matches!(answer, PersonOutcome::Expired(_)) {
                    sim.watch.state().windows.hit(15);
                }
            }
        }
        let now = Instant::now();
        if let Some((node, until)) = self.looping.take() {
            sim.crash(&node);
            if now < until {
                self.looping = Some((sim.start_worker(), until));
            }
        }
        self.leaving.retain(|(node, by)| {
            let is_over = sim.fleet.get_mut(node).is_none_or(|process| process.is_over());
            if is_over || now >= *by {
                sim.crash(node);
            }
            !is_over && now < *by
        });
        if sim.fleet.len() == self.leaving.len() && sim.rng.random_bool(0.5) {
            sim.start_worker();
        }
    }

    /// A running worker that is not leaving.
    fn worker(&mut self) -> Option<String> {
        let leaving = |node: &String| self.leaving.iter().any(|(other, _)| other == node);
        let running: Vec<String> = self.sim.fleet.keys().filter(|node| !leaving(node)).cloned().collect();
        pick(&mut self.sim.rng, &running).cloned()
    }

    fn world(&self) -> World {
        self.sim.world.clone()
    }

    async fn act(&mut self, act: Act) -> bool {
        match act {
            Act::People => self.people(),
            Act::GiveBack => self.give_back(),
            Act::GiveBackEarly => self.give_back_early().await,
            Act::Crash
            | Act::CrashLate
            | Act::CrashThenCheckpoint
            | Act::CrashAtDoor
            | Act::CrashAnywhere
            | Act::LeaveThenKill => self.kill(act).await,
            Act::CrashAll => self.crash_all(),
            Act::Start => {
                let has_room = self.sim.fleet.len() < MOST_WORKERS;
                if has_room {
                    self.sim.start_worker();
                }
                has_room
            }
            Act::Leave => {
                let Some(node) = self.worker() else { return false };
                self.sim.fleet[&node].leave.cancel();
                self.leaving.push((node, Instant::now() + DRAIN));
                true
            }
            Act::CrashLoop => self.crash_loop(),
            Act::Freeze => self.unlink(Link::Frozen),
            Act::Cut => self.unlink(Link::Cut),
            Act::CutFrom | Act::Outage => self.take_away(act),
            Act::Roll | Act::RollAll | Act::Split | Act::Merge | Act::Trim | Act::LoseShard => {
                self.reshape(act)
            }
            Act::Reenable if !self.sim.has_stream => false,
            Act::Reenable => {
                let world = self.world();
                if world.stream_arn(TASKS).is_some() {
                    world.disable_stream(TASKS);
                }
                let pause_ms = self.sim.rng.random_range(10..5_000);
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                world.enable_stream(TASKS);
                true
            }
            Act::Reload => self.reload(),
            Act::ClockJump => {
                let Some(node) = self.worker() else { return false };
                let skew_ms = self.sim.rng.random_range(-self.sim.most_skew_ms..=self.sim.most_skew_ms);
                self.sim.fleet.get_mut(&node).expect("it runs").set_skew(skew_ms);
                true
            }
            Act::StopDecided => {
                let open = self.sim.watch.state().tasks.undecided();
                let Some(task) = pick(&mut self.sim.rng, &open).cloned() else { return false };
                let Some(node) = self.worker() else { return false };
                expiry::decide_while_it_expires(self.sim, &node, &task).await
            }
            Act::DeleteTask | Act::Poison | Act::Stop | Act::Answer => self.meddle(act).await,
            Act::GarbleLease => self.garble_lease().await,
            Act::GarbleHeartbeat => self.garble_heartbeat().await,
            Act::DeleteLease | Act::MoveBack => self.edit_lease(act).await,
            Act::PullSwitch | Act::EditSwitch | Act::DeleteSwitch => self.switch(act).await,
        }
    }

    /// A worker is started, and killed and started again for a while: see [`Operator::look_after`].
    fn crash_loop(&mut self) -> bool {
        let for_ms = self.sim.rng.random_range(5_000..40_000);
        let is_new = self.looping.is_none();
        if is_new {
            let until = Instant::now() + Duration::from_millis(for_ms);
            self.looping = Some((self.sim.start_worker(), until));
        }
        is_new
    }

    fn reload(&mut self) -> bool {
        let all = self.sim.rng.random_bool(0.5);
        let ruleset = scene::ruleset(self.sim.rng.random_range(0..scene::RULESETS));
        let some = self.worker();
        for (node, process) in &self.sim.fleet {
            if all || some.as_ref() == Some(node) {
                process.rules.activate(ruleset.clone());
            }
        }
        true
    }

    fn people(&mut self) -> bool {
        let open: Vec<Task> = self.sim.watch.state().tasks.undecided();
        let mut asked = false;
        for task in open {
            let chance = if task.status == Status::Pending { 0.3 } else { 0.15 };
            if !self.sim.rng.random_bool(chance) {
                continue;
            }
            let Some(node) = self.worker() else { return asked };
            let outcome = if self.sim.rng.random_bool(0.5) { Outcome::Approved } else { Outcome::Rejected };
            let by = format!("person-{}", self.sim.rng.random_range(0..3));
            // Half of the tasks with a first approval are approved again by the same person.
            let first = task.first_approval.as_ref().filter(|_| self.sim.rng.random_bool(0.5));
            let (outcome, by) = first.map_or((outcome, by), |first| (Outcome::Approved, first.by.clone()));
            let if_reviewed = self.sim.rng.random_bool(0.3).then(|| task.reviewed());
            let (id, reason, identity) = (task.id.clone(), "seen".to_owned(), Identity::Claimed);
            let request = PersonDecision { id, outcome, reason, by, identity, if_reviewed };
            self.sim.watch.state().rights.note_asked(&node, request.id.as_str());
            self.sim.fleet.get_mut(&node).expect("it runs").ask(request, &self.sim.watch);
            asked = true;
        }
        asked
    }
}

/// A call by hand, given up like any other when nothing answers.
async fn is_done<T, E>(call: impl Future<Output = Result<T, E>>) -> bool {
    matches!(timeout(Duration::from_secs(5), call).await, Ok(Ok(_)))
}

fn position(row: &Item) -> &str {
    row.get("position").and_then(Value::as_text).unwrap_or_default()
}

fn is_read(row: &Item) -> bool {
    !matches!(position(row), "TRIM_HORIZON" | "SHARD_END")
}

fn is_tombstone(row: &Item) -> bool {
    position(row) == "SHARD_END"
}

fn pick<'v, T>(rng: &mut rand::rngs::SmallRng, values: &'v [T]) -> Option<&'v T> {
    (!values.is_empty()).then(|| &values[rng.random_range(0..values.len())])
}
