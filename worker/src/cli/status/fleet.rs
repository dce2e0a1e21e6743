//! The fleet in `countersign status`: what waits, what was done today, and the workers with their shards.

use statemachine::worklist::BUCKETS;

use super::super::render::{count, plain};
use crate::api::workers::{ShardView, WorkerState, WorkerView, WorkersView};
use crate::metrics::arrivals::Stored;
use crate::metrics::counts::{Lists, Open, Settled};
use crate::metrics::report::Report;

/// How many shards of one worker are named: first those that are furthest behind.
const NAMED_SHARDS: usize = 3;

/// What waits and what was done, then a line for each worker: dead ones too, until what is left of them is cleared away.
pub(super) fn text(fleet: &WorkersView) -> String {
    let WorkersView { answering, seen_seconds_ago, workers, shards, .. } = fleet;
    let mut text = waiting_text(fleet);
    text.push_str(&today_text(fleet));
    text.push_str(match fleet.stream_on {
        Some(true) => "stream      on\n",
        Some(false) => "stream      OFF: new tasks wait for the sweeper; enable it with NEW_IMAGE\n",
        None => "stream      not known: no worker lists it\n",
    });
    text.push_str(&ingest_text(fleet));
    text.push_str(&format!("fleet       seen {seen_seconds_ago} s ago by {}\n", plain(answering)));
    for worker in workers {
        text.push_str(&worker_text(worker, worker.worker == *answering));
        let held = shards.iter().filter(|shard| shard.worker.as_ref() == Some(&worker.worker));
        text.push_str(&shards_text("reads", held.collect()));
    }
    text.push_str(&shards_text("free:", shards.iter().filter(|shard| shard.worker.is_none()).collect()));
    text
}

fn waiting_text(fleet: &WorkersView) -> String {
    let WorkersView { now, counts, .. } = fleet;
    let age = |open: &Open| open.oldest.map(|since| span(now - since));
    let Lists { pending, escalated, due, verify } = &counts.open;
    let oldest = age(escalated).map(|age| format!(", the oldest for {age}")).unwrap_or_default();
    let next = counts.next_deadline.map(|next| format!("; next deadline in {}", span(next - now)));
    let mut text = format!(
        "waiting     {} for people{oldest}\nexpiring    {} within the hour{}\n",
        count(escalated.tasks, "task"),
        count(counts.due_soon, "task"),
        next.unwrap_or_default()
    );
    if !counts.escalated_by.is_empty() {
        let mut by: Vec<(&String, &u64)> = counts.escalated_by.iter().collect();
        by.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
        let by: Vec<String> = by.iter().map(|(rule, tasks)| format!("{} {tasks}", plain(rule))).collect();
        text.push_str(&format!("escalated   by {}\n", by.join(", ")));
    }
    let told = |open: &Open| {
        format!("{}{}", open.tasks, age(open).map(|age| format!(" (oldest {age})")).unwrap_or_default())
    };
    text.push_str(&format!(
        "open        {} undecided, {} to send, {} unverified\n",
        told(pending),
        told(due),
        told(verify)
    ));
    if counts.partial {
        text.push_str("            at least: a worklist has more tasks than one count reads\n");
    }
    if counts.buckets < u32::from(BUCKETS) {
        text.push_str(&format!(
            "            in {} of {BUCKETS} buckets; the others are not counted yet\n",
            counts.buckets
        ));
    }
    if counts.buckets > 0 {
        text.push_str(&format!("            counted {} ago\n", span(now - counts.at)));
    }
    text
}

fn today_text(fleet: &WorkersView) -> String {
    let Settled { automatic, people, expired, elsewhere, failed, .. } = &fleet.counts.today;
    let decided = automatic + people;
    let share = (automatic * 100).checked_div(decided).map(|share| format!(" ({share} %)"));
    let far = if fleet.counts.today.partial { " so far, still counting" } else { "" };
    let mut text = format!(
        "today       since 00:00 UTC{far}: {decided} decided, {automatic} by rules{}, {people} by people; \
         {expired} expired undecided, {elsewhere} ended otherwise, {failed} undeliverable\n",
        share.unwrap_or_default()
    );
    for (why, tasks) in &fleet.expired {
        text.push_str(&format!(
            "expired     {tasks} undecided ({}) since these workers started\n",
            plain(why)
        ));
    }
    text
}

/// What the stream's records say of ingest.
fn ingest_text(fleet: &WorkersView) -> String {
    let Some(Stored { tasks, last, slowest_seconds }) = &fleet.stored else { return String::new() };
    if fleet.stream_on != Some(true) {
        return "ingest      not known while the stream is off: see MessagesStored in CloudWatch\n"
            .to_owned();
    }
    let Some(last) = last else {
        return "ingest      no task stored in the last hour\n".to_owned();
    };
    format!(
        "ingest      {} stored in the last hour, the last {} ago; stored at most {} after being sent\n",
        count(tasks, "task"),
        span(fleet.now - last),
        span(*slowest_seconds)
    )
}

fn worker_text(worker: &WorkerView, is_answering: bool) -> String {
    let WorkerView { worker, state, heard_seconds_ago, shards, buckets, ruleset, report, .. } = worker;
    let state = match state {
        WorkerState::Live => "live",
        WorkerState::New => "new",
        WorkerState::Leaving => "leaving",
        WorkerState::Dead => "dead",
    };
    let answers = if is_answering { ", answering" } else { "" };
    let mut text = format!(
        "            {}: {state}{answers}, last heard from {heard_seconds_ago} s ago, {}, {}, {}\n",
        plain(worker),
        count(shards, "shard"),
        count(buckets, "bucket"),
        plain(ruleset)
    );
    if let Some(report) = report {
        text.push_str(&format!("              {}\n", report_text(report)));
    }
    text
}

fn report_text(report: &Report) -> String {
    let mut told = vec![format!("{} behind", span(report.lag_seconds))];
    if report.unsettled_seconds > 0 {
        told.push(format!("oldest record in flight {}", span(report.unsettled_seconds)));
    }
    if report.ruleset_refused {
        told.push("rejects the wanted ruleset".to_owned());
    }
    if report.automation_held {
        told.push("starts no automatic decision".to_owned());
    }
    let waiting = report.waiting.iter();
    told.extend(
        waiting.map(|(limit, callers)| format!("{callers} wait for the rate limit {}", plain(limit))),
    );
    told.join(", ")
}

fn shards_text(what: &str, mut shards: Vec<&ShardView>) -> String {
    if shards.is_empty() {
        return String::new();
    }
    shards.sort_by_key(|shard| std::cmp::Reverse(shard.behind_seconds));
    let named: Vec<String> = shards
        .iter()
        .take(NAMED_SHARDS)
        .map(|shard| match shard.behind_seconds {
            Some(seconds) => format!("{} ({} behind)", plain(&shard.shard), span(seconds)),
            None => plain(&shard.shard),
        })
        .collect();
    let more = match shards.len().saturating_sub(NAMED_SHARDS) {
        0 => String::new(),
        more => format!(" and {more} more (--format json)"),
    };
    format!("              {what} {}{more}\n", named.join(", "))
}

/// A time span in two units at most.
fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let two = |of: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{of} {unit}") } else { format!("{of} {unit} {rest} {small}") }
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        for (seconds, told) in [
            (-5, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (7_380, "2 h 3 min"),
            (190_000, "2 d 4 h"),
        ] {
            assert_eq!(span(seconds), told);
        }
    }
}
