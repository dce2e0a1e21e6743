//! The queues in `countersign status`: what waits to be stored, and what nobody could handle.

use super::super::render::{count, plain};
use crate::metrics::Queue;
use crate::queues::QueueView;

/// A line for each queue.
pub(super) fn text(queues: &[QueueView]) -> String {
    let lines = queues.iter().enumerate().map(|(place, view)| {
        let head = if place == 0 { "queues" } else { "" };
        format!("{head:12}{}: {}\n", name(&view.queue), state(view))
    });
    lines.collect()
}

fn name(queue: &str) -> String {
    let known = Queue::ALL.iter().find(|known| known.label() == queue);
    match known {
        Some(Queue::Tasks) => "tasks to store".to_owned(),
        Some(Queue::ClosedExecutions) => "closed executions".to_owned(),
        Some(Queue::TaskDeadLetters) => "dead letters of tasks".to_owned(),
        Some(Queue::ClosedExecutionsDeadLetters) => "dead letters of closed executions".to_owned(),
        None => plain(queue),
    }
}

fn state(view: &QueueView) -> String {
    let QueueView { queue, waiting, in_hand, unknown_since, error } = view;
    let is_of_letters = queue.ends_with("dead_letters");
    let counts = waiting.zip(*in_hand).map(|(waiting, in_hand)| match (is_of_letters, waiting + in_hand) {
        (true, 0) => "none".to_owned(),
        (true, letters) => format!("{letters}; run `countersign dead-letters list`"),
        (false, _) => format!("{} waiting, {in_hand} in hand or to be retried", count(waiting, "message")),
    });
    let Some(since) = unknown_since else { return counts.unwrap_or_else(|| "not read yet".to_owned()) };
    let before = counts.map(|counts| format!("; before that: {counts}")).unwrap_or_default();
    let error = error.as_deref().map(|error| format!(": {}", plain(error))).unwrap_or_default();
    format!("unknown since {}{error}{before}", plain(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_each_queue_is_told() {
        let view = |queue: Queue, waiting, in_hand| QueueView {
            queue: queue.label().to_owned(),
            waiting,
            in_hand,
            unknown_since: None,
            error: None,
        };
        let silent = QueueView {
            unknown_since: Some("2026-11-22T10:00:00Z".to_owned()),
            error: Some("GetQueueAttributes on queue URL: no answer in time".to_owned()),
            ..view(Queue::ClosedExecutionsDeadLetters, Some(1), Some(1))
        };
        let told = text(&[
            view(Queue::Tasks, Some(1), Some(3)),
            view(Queue::ClosedExecutions, None, None),
            view(Queue::TaskDeadLetters, Some(0), Some(0)),
            silent,
        ]);
        let expected = "queues      tasks to store: 1 message waiting, 3 in hand or to be retried\n\
                        \x20           closed executions: not read yet\n\
                        \x20           dead letters of tasks: none\n\
                        \x20           dead letters of closed executions: unknown since 2026-11-22T10:00:00Z: \
                        GetQueueAttributes on queue URL: no answer in time; before that: 2; run `countersign dead-letters list`\n";
        assert_eq!(told, expected);
        assert_eq!(text(&[]), "");
    }
}
