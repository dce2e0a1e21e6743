//! The stage: tables, queues, rules and configuration as the template makes them, small and quick.

use std::sync::{Arc, LazyLock};

use model::{IndexSchema, KeySchema, Kind, Options, Projection, QueueSettings, TableSchema, World};
use rules::Ruleset;
use statemachine::decision::Outcome;
use worker::config::Config;

pub(crate) const TASKS: &str = "countersign-tasks";
pub(crate) const CONTROL: &str = "countersign-control";
/// The node of operators, who edit by hand.
pub(crate) const OPERATOR: &str = "operator";
/// The node of another actor that answers tokens.
pub(crate) const ROGUE: &str = "rogue";
/// How late a call may be applied after its caller gave up.
pub(crate) const LATE_MS: u64 = 12_000;

/// The queues' URLs.
#[derive(Debug, Clone)]
pub(crate) struct Queues {
    pub(crate) tasks: String,
    pub(crate) closed: String,
    /// Not every stack has hints.
    pub(crate) hints: Option<String>,
}

/// Makes the tables and queues.
pub(crate) fn set(world: &World) -> Queues {
    let index = |name: &str, key: KeySchema| IndexSchema {
        name: name.to_owned(),
        key,
        projection: Projection::KeysOnly,
    };
    world.create_table(TableSchema {
        name: TASKS.to_owned(),
        key: KeySchema::hash(("taskId", Kind::S)),
        indexes: vec![
            IndexSchema {
                projection: Projection::Include(
                    ["status", "deadline", "decision", "escalation"].map(str::to_owned).to_vec(),
                ),
                ..index("worklist", KeySchema::hash_and_range(("list", Kind::S), ("listAt", Kind::N)))
            },
            index(
                "by-transaction",
                KeySchema::hash_and_range(("transactionId", Kind::S), ("startTime", Kind::S)),
            ),
        ],
        has_stream: true,
    });
    world.create_table(TableSchema {
        name: CONTROL.to_owned(),
        key: KeySchema::hash_and_range(("pk", Kind::S), ("sk", Kind::S)),
        indexes: vec![],
        has_stream: false,
    });
    let tasks = QueueSettings { visibility_seconds: 10, redrive: None };
    let closed = QueueSettings { visibility_seconds: 30, redrive: None };
    let queues = Queues {
        tasks: world.create_queue("tasks", tasks),
        closed: world.create_queue("closed", closed),
        hints: None,
    };
    world.send_closed_executions_to(&queues.closed);
    queues
}

/// A configuration with this stage's queue and a quicker sweep.
pub(crate) fn adapted(mut config: Config, queues: &Queues) -> Config {
    config.queues.closed_executions = Some(queues.closed.clone());
    config.worker.sweep_ms = 15_000;
    config
}

/// Rulesets that answer the same order differently; the last one fails on half of them.
pub(crate) fn ruleset(number: usize) -> Arc<Ruleset> {
    static SETS: LazyLock<Vec<Arc<Ruleset>>> = LazyLock::new(|| {
        let script = |(approve, reject): (u64, u64), end: &str| {
            format!(
                "if order.n % 10 < {approve} {{ approve(\"small\", \"small\") }}\n\
                 if order.n % 10 < {reject} {{ reject(\"large\", \"too large\") }}\n{end}\n"
            )
        };
        let escalates = "escalate(\"odd\", \"a person must look\")";
        [
            script(BOUNDS[0], escalates),
            script(BOUNDS[1], escalates),
            script(BOUNDS[2], escalates),
            script(BOUNDS[3], "let x = order.n % (order.n - order.n); approve(\"never\", \"never\")"),
        ]
        .into_iter()
        .zip(SECOND_FROM)
        .map(|(script, second_from)| {
            let people = format!("[people]\namount = \"order.n\"\nsecond_from = {second_from}\n");
            let files = [
                ("rules/decide.rhai", script.as_str()),
                ("ruleset.toml", &people),
                ("schema/order.toml", SCHEMA),
            ];
            let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
            Arc::new(Ruleset::from_files(files.into()).unwrap_or_else(|refused| panic!("{refused:?}")))
        })
        .collect()
    });
    Arc::clone(&SETS[number % SETS.len()])
}

pub(crate) const RULESETS: usize = 4;

/// Of each ruleset: below which last digit of an order's number it approves, and below which it rejects.
const BOUNDS: [(u64, u64); RULESETS] = [(5, 7), (2, 9), (8, 9), (3, 5)];

const SCHEMA: &str = "optional = true\nrequester = \"by\"\n[fields]\nn = \"integer\"\n\
                      by = { type = \"text\", optional = true }\n";

/// Of each ruleset: the order's number from which on two people must approve.
const SECOND_FROM: [u64; RULESETS] = [500, 300, 700, 500];

/// Who must not decide an order, and whether every ruleset asks for two people to approve it.
pub(crate) fn asks(order: Option<&str>) -> (Option<String>, bool) {
    let Some(order) = order else { return (None, true) };
    let order: serde_json::Value = serde_json::from_str(order).expect("the model's orders are JSON");
    let needs_two = order["n"].as_u64().is_none_or(|number| SECOND_FROM.iter().all(|from| number >= *from));
    (order["by"].as_str().map(str::to_owned), needs_two)
}

/// What the ruleset of this SHA-256 decides for an order; none when it leaves it to a person, or there is none.
pub(crate) fn decides(sha256: &str, order: Option<&str>) -> Option<(Outcome, &'static str)> {
    let number = (0..RULESETS).find(|number| ruleset(*number).sha256() == sha256)?;
    let order: serde_json::Value = serde_json::from_str(order?).ok()?;
    let digit = order["n"].as_u64()? % 10;
    let (approve, reject) = BOUNDS[number];
    match digit {
        _ if digit < approve => Some((Outcome::Approved, "small")),
        _ if digit < reject => Some((Outcome::Rejected, "large")),
        _ => None,
    }
}

/// A world that keeps no events: the watch sees each as it happens.
pub(crate) fn quiet(options: Options) -> Options {
    Options { keeps_events: false, ..options }
}
