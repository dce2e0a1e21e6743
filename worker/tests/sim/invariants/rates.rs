//! No process calls an API faster than it may, whatever happens to the calls.

use std::collections::{BTreeMap, VecDeque};

use model::{Call, Service};
use worker::config::Budgets;

/// The length of the window in which calls are counted.
const WINDOW_MS: u64 = 10_000;
/// A process that sends this many calls in one millisecond will never stop.
const ENDLESS: u32 = 2_000;
/// The SDK makes up to three attempts for calls to the tables, and one attempt for all others.
const SDK_ATTEMPTS: u64 = 3;
/// How long after the last fault every worker knows how many workers share the rate limits.
const SHARED_AFTER_MS: u64 = 30_000;

/// The calls sent, by process and API.
#[derive(Debug)]
pub(crate) struct Rates {
    budgets: Budgets,
    sent: BTreeMap<(String, String), VecDeque<u64>>,
    /// The current millisecond and the number of calls of each process in it.
    at_once: BTreeMap<String, (u64, u32)>,
    /// Since when the fleet has not changed.
    quiet_from_ms: Option<u64>,
}

/// How an API is counted: its name, and the most calls of one process in a window.
type Counted = (String, u64);

impl Rates {
    pub(crate) fn new(budgets: Budgets) -> Rates {
        Rates { budgets, sent: BTreeMap::new(), at_once: BTreeMap::new(), quiet_from_ms: None }
    }

    /// Notes that no faults disturb the fleet from now on.
    pub(crate) fn calm(&mut self, now_ms: u64) {
        self.quiet_from_ms = Some(now_ms + SHARED_AFTER_MS);
    }

    /// Notes that a process sent a call.
    ///
    /// # Panics
    ///
    /// If the process does nothing but send calls, because then time would never advance again.
    pub(crate) fn note(&mut self, call: &Call, wrong: &mut Vec<String>) {
        let (at_ms, count) = self.at_once.entry(call.node.to_string()).or_default();
        *count = if *at_ms == call.sent_ms { *count + 1 } else { 1 };
        *at_ms = call.sent_ms;
        assert!(*count < ENDLESS, "{}: sends {} endlessly", call.node, call.operation);
        let Some((api, most)) = counted(call, &self.budgets) else { return };
        let key = (api, call.node.to_string());
        let window = self.sent.entry(key.clone()).or_default();
        window.push_back(call.sent_ms);
        while window.front().is_some_and(|first_ms| first_ms + WINDOW_MS <= call.sent_ms) {
            window.pop_front();
        }
        let count = window.len();
        let (api, node) = &key;
        if count as u64 > most {
            wrong.push(format!("{node}: {count} calls of {api} in ten seconds, more than {most}"));
        }
        if self.quiet_from_ms.is_some_and(|from_ms| call.sent_ms >= from_ms + WINDOW_MS) {
            self.check_fleet(call.sent_ms, api, most, wrong);
        }
    }

    /// The rate limits are for the whole fleet: its processes together must not exceed what one alone may do.
    fn check_fleet(&self, now_ms: u64, api: &str, most: u64, wrong: &mut Vec<String>) {
        let is_budget = ["SendTask*", "DescribeExecution", "GetExecutionHistory", "DescribeStream"];
        if !is_budget.contains(&api) {
            return;
        }
        let windows = self.sent.iter().filter(|((of, _), _)| of == api);
        let recent =
            |window: &VecDeque<u64>| window.iter().filter(|sent_ms| **sent_ms + WINDOW_MS > now_ms).count();
        // One more for each, since a bucket always holds a whole call.
        let (count, processes) =
            windows.fold((0, 0), |(count, processes), (_, window)| (count + recent(window), processes + 1));
        if count as u64 > most + processes {
            wrong.push(format!("the fleet: {count} calls of {api} in ten seconds, more than {most}"));
        }
    }
}

fn counted(call: &Call, budgets: &Budgets) -> Option<Counted> {
    // The most that the bucket holds, plus what is added to it.
    let budget = |rate: u32| u64::from(rate) * (WINDOW_MS / 1_000 + 1) + 1;
    let values = &call.body["ExpressionAttributeValues"];
    let name = call.operation.as_str();
    let (api, most) = match (call.service, name) {
        (Service::StepFunctions, "DescribeExecution") => (name, budget(budgets.describe_execution)),
        (Service::StepFunctions, "GetExecutionHistory") => (name, budget(budgets.execution_history)),
        // A turn is kept for up to a second while the decision is stored.
        (Service::StepFunctions, _) => {
            let rate = budgets.send_task_in("us-east-1");
            ("SendTask*", budget(rate) + u64::from(rate))
        }
        (Service::Streams, "DescribeStream") => (name, budget(budgets.describe_stream)),
        // Four a second, plus the first pages of a new reader.
        (Service::Streams, "GetRecords") => {
            let iterator = call.text("ShardIterator").unwrap_or_default();
            let shard = iterator.split('|').nth(1).unwrap_or_default();
            return Some((format!("GetRecords of {shard}"), 45));
        }
        (Service::DynamoDb, "GetItem") if call.body["Key"]["pk"]["S"] == "control" => {
            ("reads of the control item", 23 * SDK_ATTEMPTS)
        }
        (Service::DynamoDb, "PutItem") if call.body["Item"]["pk"]["S"] == "worker" => {
            ("heartbeats", 23 * SDK_ATTEMPTS)
        }
        (Service::DynamoDb, "Query") if values[":pk"]["S"] == "lease" => {
            ("looks at the leases", 40 * SDK_ATTEMPTS)
        }
        (Service::DynamoDb | Service::Streams | Service::Sqs | Service::EventBridge, _) => return None,
    };
    Some((api.to_owned(), most))
}
