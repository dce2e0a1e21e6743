use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use rules::Ruleset;

use super::*;

/// The first line of the README's table.
const TABLE: &str = "| metric | kind | labels | meaning |";

/// The text of our metrics once every one has a sample.
fn exposition() -> String {
    let mut registry = registry();
    let metrics = Metrics::register(&mut registry);
    metrics.answered_request(RouteClass::Watch, "/livez", "GET", 200, Duration::ZERO);
    metrics.stream_enabled.set(Some(1));
    metrics.next_deadline.set(Some(0));
    for &queue in Queue::ALL {
        metrics.queue(queue, 0, 0, 0);
    }
    let files = [("rules/a.rhai".to_owned(), b"approve(\"a\");".to_vec())];
    metrics.ruleset(&Ruleset::from_files(files.into()).unwrap());
    metrics.capped(&[(Cap::Approvals, 1.0, 0.0), (Cap::Amount, 1.0, 0.0)]);
    let text = text(&registry).unwrap();
    text.split_inclusive('\n').filter(|line| line.contains("countersign_")).collect()
}

#[test]
fn help_needs_no_escapes() {
    let exposition = exposition();
    for (name, metric) in shown(&exposition) {
        assert!(!metric.help.contains(['"', '\\']), "{name}");
    }
}

#[test]
fn the_process_is_shown_as_other_prometheus_clients_show_theirs() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let text = runtime.block_on(async { text(&registry()).unwrap() });
    let sample = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
    };
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_threads",
        "tokio_workers",
        "tokio_workers_busy_seconds_total",
    ] {
        assert!(sample(name) >= 0.0, "{name}");
    }
    assert!(sample("process_resident_memory_bytes") > 1e6 && sample("process_threads") >= 1.0);
    #[expect(clippy::disallowed_methods, reason = "the process itself has started by this clock")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let up = now.as_secs_f64() - sample("process_start_time_seconds");
    assert!((-2.0..86_400.0).contains(&up), "{up} s");
    assert_eq!((sample("tokio_alive_tasks"), sample("tokio_global_queue_depth")), (0.0, 0.0));
}

/// One metric, as `/metrics` shows it.
#[derive(Debug, Default)]
struct Shown<'a> {
    kind: &'a str,
    help: &'a str,
    /// In the order of the declaration, without a histogram's `le`.
    labels: Vec<&'a str>,
    values: BTreeSet<&'a str>,
    samples: usize,
}

impl<'a> Shown<'a> {
    fn sample(&mut self, labels: &'a str) {
        self.samples += 1;
        for (name, value) in labels.split(',').filter_map(|label| label.split_once('=')) {
            if name != "le" && !self.labels.contains(&name) {
                self.labels.push(name);
            }
            // The version, the router's patterns and what the active ruleset names are not closed enums.
            // Nor is the status of a response, a number.
            let value = value.trim_matches('"');
            let is_open = ["le", "version", "route", "method", "ruleset", "rule", "code"].contains(&name);
            if !is_open && value.parse::<u16>().is_err() {
                self.values.insert(value);
            }
        }
    }
}

/// Every metric with its name as in a query, so a counter ends with `_total`, in the order of the declaration.
fn shown(exposition: &str) -> Vec<(String, Shown<'_>)> {
    let mut all: Vec<(String, Shown<'_>)> = Vec::new();
    for line in exposition.lines() {
        if let Some((_, help)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) {
            all.push((String::new(), Shown { help, ..Shown::default() }));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' '))
        {
            let last = all.last_mut().unwrap();
            let suffix = BTreeMap::from([("counter", "_total"), ("info", "_info")]);
            last.0 = format!("{name}{}", suffix.get(kind).unwrap_or(&""));
            last.1.kind = kind;
        } else if !line.starts_with('#') {
            let labels = line.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
            all.last_mut().unwrap().1.sample(labels.map_or("", |(labels, _)| labels));
        }
    }
    all
}

#[test]
fn a_declared_name_is_the_exported_one() {
    let exposition = exposition();
    let exported: Vec<String> = shown(&exposition).into_iter().map(|(name, _)| name).collect();
    let declared = Metrics::NAMES.iter().map(|name| format!("countersign_{name}"));
    let declared: Vec<String> = ["countersign_build_info".to_owned()].into_iter().chain(declared).collect();
    assert_eq!(exported, declared, "a counter ends in _total, and nothing else does");
}

/// Writes the table, so that the declaration is the only place to edit. It fails so that somebody reads the new text.
#[test]
fn the_readme_shows_every_metric_as_it_is_declared() {
    let exposition = exposition();
    let mut table = format!("{TABLE}\n|---|---|---|---|\n");
    for (name, metric) in shown(&exposition) {
        assert!(metric.samples > 0, "{name} has no sample yet: give it one in `exposition`");
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let name = name.strip_prefix("countersign_").unwrap();
        writeln!(table, "| `{name}` | {} | {} | {} |", metric.kind, labels.join(", "), metric.help).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let from = readme.find(TABLE).expect("the README has a table of metrics");
    let to = from + readme[from..].find("\n\n").expect("the table ends") + 1;
    if readme[from..to] != table {
        std::fs::write(path, format!("{}{table}{}", &readme[..from], &readme[to..])).unwrap();
        panic!("worker/README.md was out of date and has been rewritten: review the change and commit it");
    }
}

#[test]
fn every_value_of_a_label_is_documented() {
    let exposition = exposition();
    let readme = include_str!("../../README.md").split("# Metrics").nth(1).unwrap();
    let values: BTreeSet<&str> =
        shown(&exposition).into_iter().flat_map(|(_, metric)| metric.values).collect();
    assert!(values.contains("delivered") && values.contains("step_functions"), "{values:?}");
    let missing: Vec<&&str> = values.iter().filter(|value| !readme.contains(&format!("`{value}`"))).collect();
    assert!(missing.is_empty(), "not in the README's table of labels: {missing:?}");
}

#[test]
fn every_metric_that_the_runbook_or_an_alert_names_exists() {
    let exposition = exposition();
    let exported: BTreeSet<String> = shown(&exposition).into_iter().map(|(name, _)| name).collect();
    let runbook =
        concat!(include_str!("../../../ops/README.md"), include_str!("../../../ops/prometheus/alerts.yaml"));
    let named: BTreeSet<String> = runbook
        .split("countersign_")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>())
        .map(|name| format!("countersign_{name}"))
        .collect();
    assert!(named.len() > 10, "{named:?}");
    let is_exported = |name: &str| {
        // The parts of a histogram.
        let parts = ["_bucket", "_count", "_sum"].into_iter().filter_map(|part| name.strip_suffix(part));
        parts.chain([name]).any(|name| exported.contains(name))
    };
    let unknown: Vec<&String> = named.iter().filter(|name| !is_exported(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
