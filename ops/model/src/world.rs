//! The world: all services, their clock and their random numbers behind one lock, and what a test may do to them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::Notify;

use super::clock::{Clock, EPOCH_MS};
use super::connector::Node;
use super::eventbridge::PutEvent;
use super::events::Event;
use super::faults::{Fault, Matcher, Rule, RuleId};
use super::hold::{self, Door, Held, Hold};
use super::options::Options;
use super::state::State;
use super::wire::{Answer, Call};

/// AWS in process. A clone is another handle to the same world.
#[derive(Debug, Clone)]
pub struct World {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    state: Mutex<State>,
    /// Separate from the state, so that an observer may look at the world.
    observers: Mutex<Vec<Observer>>,
    listeners: Mutex<Vec<Listener>>,
    overhearers: Mutex<Vec<Overhearer>>,
    /// Notified about new messages and changed links.
    changed: Notify,
}

type Observer = Box<dyn FnMut(&Event) + Send>;
type Listener = Box<dyn FnMut(&Call) + Send>;
type Overhearer = Box<dyn FnMut(&Call, &Answer) + Send>;

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// How a node is connected to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Its calls arrive.
    Up,
    /// Its calls hang until the link is up again: a paused process.
    Frozen,
    /// Its calls fail: a network partition.
    Cut,
    /// Cut for ever: any call comes from a zombie.
    Dead,
}

impl World {
    /// Creates a world. The same seed and the same calls produce the same responses.
    ///
    /// Call this in a tokio runtime with paused time.
    pub fn new(seed: u64, options: Options) -> World {
        World::at(EPOCH_MS, seed, options)
    }

    /// Like [`World::new`], but its clock shows `now_ms` now: in real time, a process elsewhere accepts its dates.
    pub fn at(now_ms: u64, seed: u64, options: Options) -> World {
        let clock = Clock::start(now_ms);
        let state = Mutex::new(State::new(SmallRng::seed_from_u64(seed), options));
        let shared = Shared {
            clock,
            state,
            observers: Mutex::default(),
            listeners: Mutex::default(),
            overhearers: Mutex::default(),
            changed: Notify::new(),
        };
        World { shared: Arc::new(shared) }
    }

    /// The connection of a node to the world, for the SDK's `.http_client(..)`.
    pub fn client_for(&self, node: &str) -> Node {
        Node::new(self.clone(), node)
    }

    /// The world's wall clock, in milliseconds since the epoch.
    pub fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    /// Changes how the world behaves from now on.
    pub fn configure(&self, change: impl FnOnce(&mut Options)) {
        change(&mut self.state().options);
    }

    /// A hash over every call and its response, in order.
    pub fn trace_hash(&self) -> u64 {
        self.state().trace.hash()
    }

    /// Takes the events since the last call of this function.
    pub fn events(&self) -> Vec<Event> {
        self.with(|state, _| std::mem::take(&mut state.events))
    }

    /// What was put on event buses so far, in order.
    pub fn put_events(&self) -> Vec<PutEvent> {
        self.with(|state, _| state.event_bridge.events.clone())
    }

    /// Calls a function after each call that reached its service, and after each job that time caused.
    pub fn observe(&self, observer: impl FnMut(&Event) + Send + 'static) {
        lock(&self.shared.observers).push(Box::new(observer));
    }

    /// Calls a function with each call that a node sends, whether or not it arrives.
    pub fn listen(&self, listener: impl FnMut(&Call) + Send + 'static) {
        lock(&self.shared.listeners).push(Box::new(listener));
    }

    /// Calls a function with each response that arrives at its caller, from a service or a fault.
    pub fn overhear(&self, overhearer: impl FnMut(&Call, &Answer) + Send + 'static) {
        lock(&self.shared.overhearers).push(Box::new(overhearer));
    }

    /// Adds a fault.
    pub fn inject(&self, rule: Rule) -> RuleId {
        self.state().faults.inject(rule)
    }

    /// Ends one fault.
    pub fn end(&self, rule: RuleId) {
        self.state().faults.end(rule);
    }

    /// Ends every fault so far and reconnects every node that is not dead.
    pub fn calm(&self) {
        let mut state = self.state();
        state.faults.calm();
        state.links.retain(|_, link| *link == Link::Dead);
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// How often a fault was applied.
    pub fn hits(&self, rule: RuleId) -> u64 {
        self.state().faults.hits(rule)
    }

    /// Holds a matching call at a door: the `nth` from now, counted from 1.
    pub fn hold(&self, matcher: Matcher, nth: u64, door: Door) -> Hold {
        let (hold, watch) = hold::arm(matcher, nth, door);
        self.state().watches.push(watch);
        hold
    }

    /// Changes how a node is connected to the world.
    pub fn set_link(&self, node: &str, link: Link) {
        self.state().links.insert(node.to_owned(), link);
        self.shared.changed.notify_waiters();
    }

    /// How a node is connected to the world.
    pub(super) fn link(&self, node: &str) -> Link {
        self.state().links.get(node).copied().unwrap_or(Link::Up)
    }

    /// Completes when a link changes or a message arrives.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + '_ {
        let mut notified = Box::pin(self.shared.changed.notified());
        notified.as_mut().enable();
        notified
    }

    /// How long a call takes on its way to the service and back.
    pub(super) fn latency(&self) -> (Duration, Duration) {
        let mut state = self.state();
        let (least, most) = state.options.latency_ms;
        let total = state.rng.random_range(least..=most.max(least));
        let there = state.rng.random_range(0..=total);
        (Duration::from_millis(there), Duration::from_millis(total - there))
    }

    pub(super) fn strike(&self, call: &Call) -> Option<Fault> {
        self.with(|state, now_ms| state.faults.strike(call, now_ms, &mut state.rng))
    }

    pub(super) fn held(&self, call: &Call, door: Door) -> Option<Held> {
        let mut state = self.state();
        state.watches.retain(|watch| !watch.is_over());
        state.watches.iter_mut().find_map(|watch| watch.take(call, door))
    }

    /// Notes that a node sends a call.
    pub(super) fn sent(&self, call: &Call) {
        lock(&self.shared.listeners).iter_mut().for_each(|listener| listener(call));
    }

    /// Notes that a response arrives.
    pub(super) fn answered(&self, call: &Call, answer: &Answer) {
        self.note(call, "answered", Some(answer));
        lock(&self.shared.overhearers).iter_mut().for_each(|overhearer| overhearer(call, answer));
    }

    pub(super) fn note(&self, call: &Call, fate: &str, answer: Option<&Answer>) {
        let now_ms = self.now_ms();
        self.state().trace.add(now_ms, call, fate, answer);
    }

    /// Lets a service answer a call.
    pub(super) fn apply(&self, call: &Call) -> Answer {
        self.with(|state, now_ms| state.apply(call, now_ms))
    }

    pub(super) fn apply_later(&self, call: Call, after_ms: u64) {
        self.with(|state, now_ms| state.apply_later(call, now_ms + after_ms));
    }

    /// Waits until it is time to answer a ReceiveMessage.
    pub(super) async fn wait_for_message(&self, call: &Call) {
        let arrived_ms = self.now_ms();
        loop {
            let changed = self.changed();
            let (until_ms, now_ms) = self.with(|state, now_ms| {
                let answer_ms = state.sqs.wait_until(call, arrived_ms, now_ms);
                // A job that is due earlier may send a message.
                (answer_ms.min(state.next_due_ms().unwrap_or(u64::MAX)), now_ms)
            });
            if until_ms <= now_ms {
                return;
            }
            tokio::select! {
                biased;
                // Check for a new message before checking the time.
                () = changed => {}
                () = tokio::time::sleep_until(self.shared.clock.instant(until_ms)) => {}
            }
        }
    }

    /// Brings the state up to the current time, runs the function, then informs the observers.
    pub(super) fn with<T>(&self, run: impl FnOnce(&mut State, u64) -> T) -> T {
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.advance(now_ms);
        let result = run(&mut state, now_ms);
        let fresh = std::mem::take(&mut state.fresh);
        let has_messages = std::mem::take(&mut state.has_new_messages);
        drop(state);
        if !fresh.is_empty() {
            let mut observers = lock(&self.shared.observers);
            for event in &fresh {
                observers.iter_mut().for_each(|observer| observer(event));
            }
        }
        let mut state = self.state();
        if state.options.keeps_events {
            state.events.extend(fresh);
        }
        drop(state);
        if has_messages {
            self.shared.changed.notify_waiters();
        }
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }
}

/// A panic under the lock already fails the test; the rest of the test may still use the state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The links of the nodes, by name; a node without an entry is up.
pub(super) type Links = BTreeMap<String, Link>;
