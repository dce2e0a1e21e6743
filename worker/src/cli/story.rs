//! A task's story as a person reads it in a terminal.

use super::render::{count, line, plain, table};
use crate::steps::story::{Event, Story};

/// One event a line, the oldest first.
pub(super) fn story(story: &Story) -> String {
    let delivery = story.delivery.map(|delivery| format!(" {}", delivery.as_str())).unwrap_or_default();
    let mut text = format!("task       {}\n", story.task_id);
    text.push_str(&format!("order      {}\n", line(&story.order_id, usize::MAX)));
    text.push_str(&format!("workflow   {}\n", line(&story.transaction_id, usize::MAX)));
    text.push_str(&format!("status     {}{delivery}\n", story.status));
    text.push_str(&format!("until      {}\n", story.deadline.as_deref().unwrap_or("the workflow gave none")));
    if story.deferred > 0 {
        let times = count(story.deferred, "time");
        text.push_str(&format!("deferred   {times} since its last change\n"));
    }
    if let Some(next) = &story.next_at {
        text.push_str(&format!("next       {next}, by the sweeper\n"));
    }
    let rows: Vec<[String; 4]> = story.events.iter().map(row).collect();
    text.push_str(&format!("\n{}", table(["WHEN", "WHAT", "WORKER", ""], &rows)));
    for missing in &story.missing {
        text.push_str(&format!("not shown: {}\n", plain(missing)));
    }
    text
}

fn row(event: &Event) -> [String; 4] {
    let mut parts = Vec::new();
    let mut part = |before: &str, value: &Option<String>| {
        parts
            .extend(value.as_ref().filter(|value| !value.is_empty()).map(|value| format!("{before}{value}")));
    };
    part("", &event.outcome);
    part("by ", &event.by);
    part("", &event.code);
    part("rule ", &event.rule);
    part("ruleset ", &event.ruleset.as_ref().map(|sha256| sha256.chars().take(8).collect()));
    part("", &event.how.as_ref().map(|how| how.replace('_', " ")));
    part("", &event.reason);
    [
        plain(&event.at),
        plain(&event.step),
        plain(event.worker.as_deref().unwrap_or("-")),
        line(&parts.join(", "), usize::MAX),
    ]
}
