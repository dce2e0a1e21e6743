//! What goes wrong on purpose: which calls, how often, and how.

use std::fmt;
use std::sync::Arc;

use rand::Rng as _;
use rand::rngs::SmallRng;

use serde_json::Value as Json;

use super::wire::{Answer, Call, Service, ServiceError};

type Predicate = Arc<dyn Fn(&Call) -> bool + Send + Sync>;

/// Which calls are meant. Empty, it means all.
#[derive(Clone, Default)]
pub struct Matcher {
    node: Option<String>,
    service: Option<Service>,
    operation: Option<String>,
    table: Option<String>,
    when: Option<Predicate>,
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher")
            .field("node", &self.node)
            .field("service", &self.service)
            .field("operation", &self.operation)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl Matcher {
    /// Every call.
    pub fn any() -> Matcher {
        Matcher::default()
    }

    /// Calls of one service.
    pub fn service(service: Service) -> Matcher {
        Matcher { service: Some(service), ..Matcher::default() }
    }

    /// Calls of one operation, by the API's name: `UpdateItem`.
    pub fn operation(operation: &str) -> Matcher {
        Matcher { operation: Some(operation.to_owned()), ..Matcher::default() }
    }

    /// Of these, the calls of one node.
    #[must_use]
    pub fn from(self, node: &str) -> Matcher {
        Matcher { node: Some(node.to_owned()), ..self }
    }

    /// Of these, the calls on one table.
    #[must_use]
    pub fn on_table(self, table: &str) -> Matcher {
        Matcher { table: Some(table.to_owned()), ..self }
    }

    /// Of these, the calls of which something holds.
    #[must_use]
    pub fn when(self, holds: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Matcher {
        Matcher { when: Some(Arc::new(holds)), ..self }
    }

    /// Tells whether a call is meant.
    pub fn matches(&self, call: &Call) -> bool {
        self.node.as_ref().is_none_or(|node| **node == *call.node)
            && self.service.is_none_or(|service| service == call.service)
            && self.operation.as_ref().is_none_or(|operation| *operation == call.operation)
            && self.table.as_ref().is_none_or(|table| call.is_on_table(table))
            && self.when.as_ref().is_none_or(|holds| holds(call))
    }
}

/// How a caller sees that no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The connection broke.
    Connection,
    /// The connector timed out.
    Timeout,
    /// Nothing, ever: only the caller's own deadline ends it.
    Silence,
}

/// What goes wrong with a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The service never sees it.
    Lost(Failure),
    /// The service applies it, the answer is lost.
    AnswerLost(Failure),
    /// The caller gives up first; the service applies it later.
    AppliedLate {
        /// What the caller sees, at once.
        failure: Failure,
        /// When the service applies it, in milliseconds from then.
        after_ms: u64,
    },
    /// The service answers this instead of applying it.
    Refused(ServiceError),
    /// The service applies it and answers this.
    AppliedButRefused(ServiceError),
    /// The service answers this body instead of doing anything, with success.
    Forged(String),
    /// The service applies it, and its success arrives changed: see [`Fault::altered`].
    Altered(Alteration),
    /// It takes longer, in milliseconds, on the way there and on the way back.
    Delayed {
        /// Before it is applied.
        there_ms: u64,
        /// After it is applied.
        back_ms: u64,
    },
    /// The caller's own code panics in the middle of it.
    Panic,
}

/// A change of an answer's body.
#[derive(Clone)]
pub struct Alteration(Arc<dyn Fn(&mut Json) + Send + Sync>);

impl fmt::Debug for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alteration")
    }
}

impl Fault {
    /// A success that arrives changed: a listing that is partial or stale, a record without its image.
    pub fn altered(alter: impl Fn(&mut Json) + Send + Sync + 'static) -> Fault {
        Fault::Altered(Alteration(Arc::new(alter)))
    }
}

impl Alteration {
    /// The answer as it arrives; an error stays as it is.
    pub(super) fn apply(&self, answer: Answer) -> Answer {
        let mut body = serde_json::from_str(&answer?).expect("the model answers JSON");
        (self.0)(&mut body);
        Ok(body.to_string())
    }
}

/// A fault with its occasion.
#[derive(Debug, Clone)]
pub struct Rule {
    matcher: Matcher,
    fault: Fault,
    percent: f64,
    times_left: Option<u64>,
    until_ms: Option<u64>,
    hits: u64,
}

impl Rule {
    /// A fault of every matching call, until the world is calmed.
    pub fn new(matcher: Matcher, fault: Fault) -> Rule {
        Rule { matcher, fault, percent: 100.0, times_left: None, until_ms: None, hits: 0 }
    }

    /// Only of so many in a hundred, by the world's dice.
    #[must_use]
    pub fn percent(self, percent: f64) -> Rule {
        Rule { percent, ..self }
    }

    /// Only of the next so many.
    #[must_use]
    pub fn times(self, times: u64) -> Rule {
        Rule { times_left: Some(times), ..self }
    }

    /// Only before a moment, in milliseconds since the epoch.
    #[must_use]
    pub fn until(self, until_ms: u64) -> Rule {
        Rule { until_ms: Some(until_ms), ..self }
    }

    fn strikes(&mut self, call: &Call, now_ms: u64, rng: &mut SmallRng) -> bool {
        let strikes = self.times_left != Some(0)
            && self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
            && self.matcher.matches(call)
            && (self.percent >= 100.0 || rng.random_range(0.0..100.0) < self.percent);
        if strikes {
            self.hits += 1;
            self.times_left = self.times_left.map(|left| left - 1);
        }
        strikes
    }
}

/// Names a rule of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(usize);

/// The rules, in the order they were given.
#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<Rule>,
    /// Whether the world was calmed: earlier rules no longer strike.
    calm_before: usize,
}

impl Faults {
    pub(super) fn inject(&mut self, rule: Rule) -> RuleId {
        self.rules.push(rule);
        RuleId(self.rules.len() - 1)
    }

    /// Ends every rule given so far.
    pub(super) fn calm(&mut self) {
        self.calm_before = self.rules.len();
    }

    /// Ends one rule.
    pub(super) fn end(&mut self, id: RuleId) {
        self.rules[id.0].times_left = Some(0);
    }

    pub(super) fn hits(&self, id: RuleId) -> u64 {
        self.rules[id.0].hits
    }

    /// The first rule that strikes a call.
    pub(super) fn strike(&mut self, call: &Call, now_ms: u64, rng: &mut SmallRng) -> Option<Fault> {
        let rules = &mut self.rules[self.calm_before..];
        rules.iter_mut().find_map(|rule| rule.strikes(call, now_ms, rng).then(|| rule.fault.clone()))
    }
}
