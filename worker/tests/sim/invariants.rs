//! What must hold after every applied request. A violation is kept, not panicked: a panic inside a request would be
//! caught by the code under test.

mod ends;
mod hands;
mod leases;
mod listings;
mod moves;
mod people;
mod rates;
mod records;
mod rights;
mod switch;
mod tasks;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use model::{Call, Change, Event, Item, Key, Value, World};
use serde_json::Value as Json;
use statemachine::token::TaskId;
use worker::config::Config;
use worker::steps::person::{PersonDecision, PersonOutcome};
use worker::steps::reconsider::Reconsidered;

use self::ends::Ends;
use self::hands::Hands;
use self::leases::Leases;
pub(crate) use self::leases::{is_lease, shard_of};
use self::people::People;
use self::rates::Rates;
use self::records::Records;
use self::rights::Rights;
use self::switch::Switch;
use self::tasks::Tasks;
use crate::scene::{CONTROL, LATE_MS, OPERATOR, TASKS};
use crate::windows::Windows;

/// Watches a world from its beginning to its end.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Mutex<State>>);

/// What was seen so far.
pub(crate) struct State {
    world: World,
    pub(crate) tasks: Tasks,
    pub(crate) records: Records,
    pub(crate) leases: Leases,
    pub(crate) rates: Rates,
    pub(crate) rights: Rights,
    pub(crate) switch: Switch,
    hands: Hands,
    pub(crate) people: People,
    ends: Ends,
    pub(crate) windows: Windows,
    /// Crashed nodes, and when.
    dead: BTreeMap<String, u64>,
    pub(crate) calls: u64,
    violations: Vec<String>,
}

impl Watch {
    /// Begins to watch.
    pub(crate) fn over(world: &World, config: &Config) -> Watch {
        let watch = Watch(Arc::new(Mutex::new(State {
            world: world.clone(),
            tasks: Tasks::default(),
            records: Records::default(),
            leases: Leases::new(config.worker.lease_ms),
            rates: Rates::new(config.budgets.clone()),
            rights: Rights::new(config.worker.lease_ms),
            switch: Switch::default(),
            hands: Hands::new(&config.worker),
            people: People::default(),
            ends: Ends::default(),
            windows: Windows::default(),
            dead: BTreeMap::new(),
            calls: 0,
            violations: vec![],
        })));
        let seen = watch.clone();
        world.observe(move |event| seen.state().note(event));
        let heard = watch.clone();
        world.listen(move |call| {
            let mut state = heard.state();
            let mut wrong = vec![];
            let State { rates, leases, rights, switch, hands, tasks, records, ends, windows, .. } =
                &mut *state;
            if ends.note_sent(call) {
                windows.hit(9);
            }
            rates.note(call, &mut wrong);
            leases.check_reader(call, &mut wrong);
            rights.check(call, tasks, &mut wrong);
            switch.check(call, &mut wrong);
            hands.check(call, leases, (tasks, records), &mut wrong);
            state.accuse(call.sent_ms, wrong);
        });
        let told = watch.clone();
        world.overhear(move |call, answer| {
            let mut state = told.state();
            let now_ms = state.world.now_ms();
            state.tasks.note_told(call, answer);
            state.hands.note_told(call, answer, now_ms);
            state.leases.listings.note_told(call, answer, now_ms);
            state.ends.note_answered(call);
        });
        watch
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The first thing that was wrong, if any.
    ///
    /// # Errors
    ///
    /// What was wrong, with its virtual time.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.state().violations.first().map_or(Ok(()), |first| Err(first.clone()))
    }

    /// From now on nothing disturbs the fleet.
    pub(crate) fn calm(&self) {
        let mut state = self.state();
        let now_ms = state.world.now_ms();
        state.rates.calm(now_ms);
        state.leases.calm(now_ms);
    }

    /// A person is told what came of it.
    pub(crate) fn told(&self, request: &PersonDecision, response: &PersonOutcome) {
        let mut state = self.state();
        let (now_ms, mut wrong) = (state.world.now_ms(), vec![]);
        state.people.check(request, response, &state.tasks, &mut wrong);
        state.accuse(now_ms, wrong);
    }

    /// A person is told the outcome of giving a task back; None if it is unknown.
    pub(crate) fn told_given_back(&self, id: &TaskId, by: &str, response: Option<Reconsidered>) {
        let mut state = self.state();
        let (now_ms, mut wrong) = (state.world.now_ms(), vec![]);
        people::check_given_back(id, by, response, &state.tasks, &mut wrong);
        state.accuse(now_ms, wrong);
    }

    /// A node was killed: which windows did it die in?
    pub(crate) fn crashed(&self, node: &str) {
        let mut state = self.state();
        let now_ms = state.world.now_ms();
        state.dead.insert(node.to_owned(), now_ms);
        let State { records, tasks, leases, windows, ends, .. } = &mut *state;
        if ends.note_crash(node, now_ms) {
            windows.hit(9);
        }
        records.count_windows_of(node, tasks, leases, windows);
    }
}

impl State {
    fn note(&mut self, event: &Event) {
        let mut wrong = vec![];
        if let Some(call) = &event.call {
            self.calls += 1;
            if crate::shows_calls() {
                let at_ms = event.at_ms - model::EPOCH_MS;
                let answer = event.answer.as_ref().map_err(|error| error.name());
                println!("{at_ms:>7} {} {} {} -> {answer:?}", call.node, call.operation, call.body);
            }
            let is_ghost = self.dead.get(&*call.node).is_some_and(|died_ms| event.at_ms > died_ms + LATE_MS);
            if is_ghost {
                wrong.push(format!("{} of {} after its crash", call.operation, call.node));
            }
            self.note_call(call, event);
        }
        let mut ended = vec![];
        for change in &event.changes {
            match change {
                Change::Item { table, key, old, new } if table == TASKS => {
                    let (old, new) = (old.as_deref(), new.as_deref());
                    let id = key_text(key);
                    let item = (id, old, new);
                    self.tasks.note_item(&self.world, event, item, &mut self.windows, &mut wrong);
                }
                Change::Item { table, old, new, .. } if table == CONTROL => {
                    ended.extend(self.note_control(event, old.as_deref(), new.as_deref(), &mut wrong));
                }
                Change::Item { .. } | Change::Execution { .. } => {}
                Change::Read { stream_arn, shard_id, .. } => {
                    let answer = answer(event);
                    let node = event.call.as_ref().map_or("", |call| {
                        self.hands.note_read(call, &answer);
                        &*call.node
                    });
                    let read = Read { node, stream: stream_arn, shard: shard_id, answer };
                    self.records.note_read(&read, &self.tasks, &mut self.windows);
                    self.leases.check_lineage(&self.world, stream_arn, shard_id, &mut wrong);
                }
                Change::Callback(callback) => {
                    self.tasks.note_callback(callback, &mut self.windows, &mut wrong);
                }
                Change::Waiting { execution_arn, token } => {
                    self.tasks.note_waiting(execution_arn, token, &mut self.windows);
                }
            }
        }
        for moved in ended {
            let node = event.call.as_ref().map_or("", |call| &*call.node);
            let told = self.ends.told(node, &moved.shard, event.at_ms);
            self.leases.check_children(&moved, told, &mut wrong);
        }
        self.accuse(event.at_ms, wrong);
    }

    fn accuse(&mut self, at_ms: u64, wrong: Vec<String>) {
        let at_s = (at_ms - model::EPOCH_MS) / 1_000;
        self.violations.extend(wrong.into_iter().map(|what| format!("at {at_s} s: {what}")));
    }

    fn note_call(&mut self, call: &Call, event: &Event) {
        match (call.operation.as_str(), &event.answer) {
            ("DescribeStream", Ok(_)) if call.body["ShardFilter"]["Type"] == "CHILD_SHARDS" => {
                self.ends.note_children(call, event);
            }
            ("UpdateItem", Err(error)) if error.name() == "ConditionalCheckFailedException" => {
                let stored = error.members.get("Item");
                self.hands.note_refused(call, &call.body);
                if call.is_on_table(TASKS) {
                    self.tasks.note_refused(call, stored, &mut self.windows);
                } else {
                    self.leases.note_refused(call, stored, &mut self.windows);
                }
            }
            ("TransactWriteItems", Err(_)) => {
                self.hands.note_refused(call, &call.body["TransactItems"][0]["Update"]);
            }
            ("ReceiveMessage", Ok(_)) => self.rights.note_received(&call.node, &answer(event), event.at_ms),
            _ => {}
        }
    }

    /// Gives the shard that was closed, if one was.
    fn note_control(
        &mut self,
        event: &Event,
        old: Option<&Item>,
        new: Option<&Item>,
        wrong: &mut Vec<String>,
    ) -> Option<Moved> {
        let item = new.or(old)?;
        match text(item, "pk") {
            "worker" if event.call.as_ref().is_some_and(|call| &*call.node == OPERATOR) => {
                self.leases.note_edited_beat(text(item, "sk"));
            }
            // A write that is repeated shows nobody a heart that beats.
            "worker"
                if old
                    .zip(new)
                    .is_some_and(|(old, new)| number(old, "counter") == number(new, "counter")) => {}
            "worker" => {
                self.leases.note_beat(text(item, "sk"), event.at_ms, new);
                if new.is_some() {
                    self.rights.note_beat(text(item, "sk"), event.at_ms);
                }
            }
            "gap" => self.records.note_gap(text(item, "stream"), text(item, "shard")),
            "poison" => self.records.note_poison(text(item, "sk")),
            "control" => self.switch.note_item(new, event.at_ms),
            "lease" => {
                // An edit by hand may arrive late, after a trim that nothing shows any more then.
                let is_by_hand = event.call.as_ref().is_some_and(|call| &*call.node == OPERATOR);
                // What an edit made unreadable is removed and made anew.
                let is_garbled = old.is_some_and(|old| !is_lease(old));
                if (is_by_hand || is_garbled)
                    && let Some((stream, shard)) = shard_of(text(item, "sk"))
                {
                    self.records.forget(stream, shard);
                }
                let moved = self.leases.note_lease(&self.world, event, old, new, wrong)?;
                self.records.check_watermark(&self.world, &moved, &self.tasks, &mut self.windows, wrong);
                return (moved.to == "SHARD_END").then_some(moved);
            }
            _ => {}
        }
        None
    }
}

/// A page of records as a node got it.
pub(crate) struct Read<'a> {
    pub(crate) node: &'a str,
    pub(crate) stream: &'a str,
    pub(crate) shard: &'a str,
    pub(crate) answer: Json,
}

/// A position that was written.
pub(crate) struct Moved {
    pub(crate) stream: String,
    pub(crate) shard: String,
    pub(crate) to: String,
}

fn answer(event: &Event) -> Json {
    let body = event.answer.as_deref().unwrap_or("null");
    serde_json::from_str(body).expect("the model answers JSON")
}

fn key_text(key: &Key) -> &str {
    key.hash.as_text().unwrap_or_default()
}

/// A text attribute; empty when there is none.
fn text<'i>(item: &'i Item, name: &str) -> &'i str {
    item.get(name).and_then(Value::as_text).unwrap_or_default()
}

/// A whole number; zero when there is none.
fn number(item: &Item, name: &str) -> i64 {
    match item.get(name) {
        Some(Value::N(number)) => number.to_string().parse().unwrap_or(0),
        Some(_) | None => 0,
    }
}
