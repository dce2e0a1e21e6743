//! The tasks that wait for people at one moment, and what to tell a reader who knows an earlier one.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use statemachine::worklist::{BUCKETS, Worklist};

use crate::aws::fault::Fault;
use crate::tasks::list::TaskList;

/// How many calls run at once.
const AT_ONCE: usize = 4;
/// The most ids of a kind in one event. With more changes a reader loads its page again.
const MOST_IDS: usize = 100;

/// The revision of each task that waits for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    tasks: BTreeMap<String, i64>,
    /// What every worker computes alike of the same tasks.
    fingerprint: String,
}

impl Snapshot {
    /// Reads the worklists: the first megabyte of each bucket, about a thousand tasks.
    pub(super) async fn read(list: &TaskList) -> Result<Snapshot, Fault> {
        let pages = stream::iter(0..BUCKETS).map(|bucket| list.revisions(Worklist::Escalated, bucket));
        let pages: Vec<_> = pages.buffered(AT_ONCE).try_collect().await?;
        Ok(Snapshot::of(pages.into_iter().flatten().collect()))
    }

    /// Of these tasks: ids and revisions.
    pub(super) fn of(tasks: BTreeMap<String, i64>) -> Snapshot {
        let mut digest = Sha256::new();
        for (id, revision) in &tasks {
            digest.update(format!("{id} {revision}\n"));
        }
        let digest = digest.finalize();
        let fingerprint = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Snapshot { tasks, fingerprint }
    }

    /// The id of its event.
    pub(super) fn id(self) -> String {
        self.fingerprint
    }

    /// The first event of a connection. `last_event_id` is what the reader got last, from whichever worker.
    pub(super) fn first(&self, last_event_id: Option<&str>) -> String {
        match last_event_id {
            Some(id) if id != self.fingerprint => self.event("reload", &json!({"waiting": self.tasks.len()})),
            Some(_) | None => self.event("waiting", &json!({"waiting": self.tasks.len()})),
        }
    }

    /// The event for a reader who knows `last`; none if nothing changed.
    pub(super) fn since(&self, last: &Snapshot) -> Option<String> {
        if self.fingerprint == last.fingerprint {
            return None;
        }
        let appeared: Vec<&String> = self.tasks.keys().filter(|id| !last.tasks.contains_key(*id)).collect();
        let gone: Vec<&String> = last.tasks.keys().filter(|id| !self.tasks.contains_key(*id)).collect();
        let changed =
            self.tasks.iter().filter(|(id, now)| last.tasks.get(*id).is_some_and(|was| was != *now));
        let changed: Vec<&String> = changed.map(|(id, _)| id).collect();
        if [&appeared, &gone, &changed].iter().any(|ids| ids.len() > MOST_IDS) {
            return Some(self.event("reload", &json!({"waiting": self.tasks.len()})));
        }
        let data = json!({
            "waiting": self.tasks.len(), "appeared": appeared, "changed": changed, "gone": gone,
        });
        Some(self.event("tasks", &data))
    }

    fn event(&self, name: &str, data: &serde_json::Value) -> String {
        format!("id: {}\nevent: {name}\ndata: {data}\n\n", self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(tasks: &[(&str, i64)]) -> Snapshot {
        Snapshot::of(tasks.iter().map(|(id, revision)| ((*id).to_owned(), *revision)).collect())
    }

    #[test]
    fn a_reader_is_told_what_came_what_changed_and_what_is_gone() {
        let (before, after) =
            (snapshot(&[("a", 1), ("b", 1), ("c", 1)]), snapshot(&[("b", 2), ("c", 1), ("d", 1)]));
        let event = after.since(&before).unwrap();
        assert!(event.starts_with(&format!("id: {}\nevent: tasks\ndata: ", after.fingerprint)), "{event}");
        let data: serde_json::Value =
            serde_json::from_str(event.split_once("data: ").unwrap().1.trim()).unwrap();
        assert_eq!(data, json!({"waiting": 3, "appeared": ["d"], "changed": ["b"], "gone": ["a"]}));
        assert_eq!(after.since(&after.clone()), None);
    }

    #[test]
    fn a_reader_of_another_worker_goes_on_where_it_was_or_loads_its_page_again() {
        let (one, other) = (snapshot(&[("a", 1), ("b", 1)]), snapshot(&[("b", 1), ("a", 1)]));
        let id = one.fingerprint.as_str();
        assert!(other.first(Some(id)).contains("event: waiting"), "the same tasks, so the same id");
        assert!(other.first(None).contains("event: waiting"));
        assert!(snapshot(&[("a", 2), ("b", 1)]).first(Some(id)).contains("event: reload"));
    }

    #[test]
    fn an_event_is_bounded() {
        let many: Vec<(String, i64)> = (0..5_000).map(|number| (format!("{number:032x}"), 1)).collect();
        let many = Snapshot::of(many.into_iter().collect());
        let event = many.since(&snapshot(&[])).unwrap();
        assert!(event.contains("event: reload") && event.contains("5000") && event.len() < 200, "{event}");
    }
}
