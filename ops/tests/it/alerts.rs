//! The alerts: promtool accepts them and sees each fire and resolve, each reads metrics that exist, and each has its
//! section in the runbook.

use std::collections::{BTreeMap, BTreeSet};

use ops::binaries::root;
use ops::processes::{captured, command};
use ops::prometheus::programs::Programs;
use serde_json::Value;

const ALERTS: &str = include_str!("../../prometheus/alerts.yaml");
const TESTS: &str = include_str!("../../prometheus/alerts.test.yaml");
const RUNBOOK: &str = include_str!("../../README.md");
/// Labels that Prometheus itself adds.
const ADDED: [&str; 3] = ["job", "instance", "le"];

fn parsed(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}: {value}"))
}

/// Every rule: alerts and recording rules.
pub(crate) fn rules() -> Vec<Value> {
    let groups = parsed(ALERTS)["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn alerts() -> BTreeMap<String, Value> {
    let alerts = rules().into_iter().filter(|rule| rule.get("alert").is_some());
    alerts.map(|alert| (text(&alert, "alert").to_owned(), alert)).collect()
}

/// The labels of each metric, by worker/README.md, whose table a test of the worker generates from the declarations.
fn metrics() -> BTreeMap<String, BTreeSet<String>> {
    let readme = include_str!("../../../worker/README.md");
    let table = readme.split("| metric | kind | labels | meaning |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let mut metrics = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        let name = format!("countersign_{}", quoted(cells[1])[0]);
        let labels: BTreeSet<String> = quoted(cells[3]).into_iter().collect();
        if cells[2].trim() == "histogram" {
            for suffix in ["bucket", "count", "sum"] {
                metrics.insert(format!("{name}_{suffix}"), labels.clone());
            }
        } else {
            metrics.insert(name, labels);
        }
    }
    metrics
}

/// Each metric of a query with the labels that the query selects it by.
fn selectors(query: &str) -> Vec<(String, Vec<String>)> {
    let parts = query.split("countersign_").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let braces = rest[end..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let labels = braces.map_or("", |(labels, _)| labels).split(',').filter(|label| !label.is_empty());
        let labels = labels.map(|label| label.split(['=', '!']).next().unwrap().trim().to_owned());
        (format!("countersign_{}", &rest[..end]), labels.collect())
    });
    parts.collect()
}

/// Holds a query against the declared metrics.
pub(crate) fn assert_metrics_exist(place: &str, query: &str) {
    let metrics = metrics();
    for (name, selected) in selectors(query) {
        let labels =
            metrics.get(&name).unwrap_or_else(|| panic!("{place}: {name} is not in worker/README.md"));
        let unknown: Vec<_> =
            selected.iter().filter(|l| !labels.contains(*l) && !ADDED.contains(&l.as_str())).collect();
        assert!(unknown.is_empty(), "{place}: {name} has no labels {unknown:?}");
    }
}

fn promtool(arguments: &[&str]) {
    let programs = Programs::find(&root().join("target/local/prometheus")).unwrap();
    let mut promtool = command(programs.promtool);
    let (output, printed) =
        captured(promtool.current_dir(root().join("ops/prometheus")).args(arguments)).unwrap();
    assert!(output.status.success(), "promtool {}:\n{printed}", arguments.join(" "));
}

#[test]
fn promtool_accepts_the_rules_and_their_tests_pass() {
    promtool(&["check", "rules", "alerts.yaml"]);
    promtool(&["test", "rules", "alerts.test.yaml"]);
}

/// What promtool itself does not demand.
#[test]
fn each_alert_is_tested_before_it_fires_while_it_fires_and_after_it_resolved() {
    let mut shown: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for test in parsed(TESTS)["tests"].as_array().unwrap() {
        for moment in test["alert_rule_test"].as_array().unwrap_or(&vec![]) {
            let fires = moment["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
            shown.entry(text(moment, "alertname").to_owned()).or_default().push(fires);
        }
    }
    for name in alerts().keys() {
        let moments = shown.remove(name).unwrap_or_default();
        assert_eq!(moments, [false, true, false], "{name}: quiet, firing, resolved");
    }
    assert!(shown.is_empty(), "tested, but not in alerts.yaml: {shown:?}");
}

#[test]
fn alerts_read_metrics_and_labels_that_workers_export() {
    let mut named = 0;
    for rule in rules() {
        let place = rule["alert"].as_str().or(rule["record"].as_str()).unwrap().to_owned();
        assert_metrics_exist(&place, text(&rule, "expr"));
        named += selectors(text(&rule, "expr")).len();
    }
    assert!(named > 20, "{named}");
}

#[test]
fn each_alert_leads_to_its_section_of_the_runbook() {
    let section =
        RUNBOOK.split("\n## Alerts on the metrics\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let described: BTreeSet<&str> = section.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let alerts = alerts();
    assert_eq!(described, alerts.keys().map(String::as_str).collect::<BTreeSet<_>>());
    for (name, alert) in &alerts {
        let anchor = format!("ops/README.md#{}", name.to_lowercase());
        assert_eq!(text(&alert["annotations"], "runbook_url"), anchor, "{name}");
        assert!(["page", "ticket"].contains(&text(&alert["labels"], "severity")), "{name}");
    }
}
