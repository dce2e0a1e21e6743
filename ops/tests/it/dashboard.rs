//! The dashboard: each query reads metrics that exist, and each panel says what it shows.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::alerts;

fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(include_str!("../../grafana/countersign.json")).unwrap();
    dashboard["panels"].as_array().unwrap().clone()
}

fn with_queries() -> impl Iterator<Item = Value> {
    panels().into_iter().filter(|panel| panel["type"] != "row")
}

#[test]
fn queries_read_metrics_that_workers_export_and_rules_that_are_recorded() {
    let recorded: BTreeSet<String> =
        alerts::rules().iter().filter_map(|rule| Some(rule["record"].as_str()?.to_owned())).collect();
    for panel in with_queries() {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            let query = target["expr"].as_str().unwrap();
            alerts::assert_metrics_exist(title, query);
            for name in query.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c)) {
                assert!(!name.contains(':') || recorded.contains(name), "{title}: {name} is not recorded");
            }
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}

#[test]
fn each_panel_says_what_it_shows() {
    let mut ids = BTreeSet::new();
    for panel in panels() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(panel["title"].as_str().is_some_and(|title| !title.is_empty()), "{panel}");
    }
    for panel in with_queries() {
        let title = &panel["title"];
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
    }
}

#[test]
fn no_two_panels_overlap() {
    let mut taken = BTreeSet::new();
    for panel in panels() {
        let of = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(of("x") + of("w") <= 24, "{}", panel["title"]);
        for cell in
            (of("x")..of("x") + of("w")).flat_map(|x| (of("y")..of("y") + of("h")).map(move |y| (x, y)))
        {
            assert!(taken.insert(cell), "{} overlaps another panel at {cell:?}", panel["title"]);
        }
    }
}
