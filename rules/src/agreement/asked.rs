//! Why people were asked: each code and rule, with what became of its tasks and how long they waited.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::reviewed::{Answer, End, Escalation};

/// The most different reasons of one code that are distinguished.
const MAX_REASONS: usize = 20;
/// The longest reason, in characters.
const MAX_REASON_CHARS: usize = 120;

/// The tasks that one code of one rule left to people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The escalation's code.
    pub code: String,
    /// The rule that asked.
    pub rule: Option<String>,
    /// How many tasks.
    pub tasks: u64,
    /// How many a person approved.
    pub approved: u64,
    /// How many a person rejected.
    pub rejected: u64,
    /// How many ended before anybody decided.
    pub expired: u64,
    /// How many still wait.
    pub open: u64,
    /// Half of the decided tasks waited no longer than this, in seconds; none if none is decided.
    pub median_wait_seconds: Option<i64>,
    /// The reasons, with `#` for each number, the most frequent first.
    pub reasons: Vec<Reason>,
}

/// One reason of a code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The words, with `#` for each number; "other reasons" for those that came after the first twenty.
    pub reason: String,
    /// How many tasks.
    pub tasks: u64,
    /// How many a person approved.
    pub approved: u64,
    /// How many a person rejected.
    pub rejected: u64,
    /// How many ended before anybody decided.
    pub expired: u64,
    /// Half of the decided tasks waited no longer than this, in seconds; none if none is decided.
    pub median_wait_seconds: Option<i64>,
}

/// All codes, while tasks come.
#[derive(Debug, Default)]
pub(super) struct All(BTreeMap<(String, Option<String>), BTreeMap<String, Tally>>);

#[derive(Debug, Default, Clone)]
struct Tally {
    tasks: u64,
    approved: u64,
    rejected: u64,
    expired: u64,
    open: u64,
    waits: Vec<i64>,
}

impl All {
    pub(super) fn add(&mut self, escalation: &Escalation, end: &End) {
        let reasons = self.0.entry((escalation.code.clone(), escalation.rule.clone())).or_default();
        let mut reason = without_numbers(&escalation.reason);
        if !reasons.contains_key(&reason) && reasons.len() >= MAX_REASONS {
            "other reasons".clone_into(&mut reason);
        }
        reasons.entry(reason).or_default().add(escalation, end);
    }

    pub(super) fn finish(self) -> Vec<Asked> {
        let mut all: Vec<Asked> =
            self.0.into_iter().map(|((code, rule), tallies)| asked(code, rule, tallies)).collect();
        all.sort_by(|a, b| (b.tasks, &a.code, &a.rule).cmp(&(a.tasks, &b.code, &b.rule)));
        all
    }
}

impl Tally {
    fn add(&mut self, escalation: &Escalation, end: &End) {
        self.tasks += 1;
        match end {
            End::Open => self.open += 1,
            End::Expired => self.expired += 1,
            // A rule decided after the task was returned to the rules.
            End::ByRule(_) => {}
            End::ByPerson { answer, at } => {
                match answer {
                    Answer::Approved => self.approved += 1,
                    Answer::Rejected => self.rejected += 1,
                }
                if let (Ok(from), Ok(to)) = (escalation.at.parse::<Timestamp>(), at.parse::<Timestamp>()) {
                    self.waits.push(to.as_second() - from.as_second());
                }
            }
        }
    }

    fn merge(&mut self, other: &Tally) {
        self.tasks += other.tasks;
        self.approved += other.approved;
        self.rejected += other.rejected;
        self.expired += other.expired;
        self.open += other.open;
        self.waits.extend(&other.waits);
    }

    fn median_wait(&mut self) -> Option<i64> {
        self.waits.sort_unstable();
        self.waits.get(self.waits.len().checked_sub(1)? / 2).copied()
    }
}

fn asked(code: String, rule: Option<String>, tallies: BTreeMap<String, Tally>) -> Asked {
    let mut whole = Tally::default();
    let mut reasons = Vec::new();
    for (reason, mut tally) in tallies {
        whole.merge(&tally);
        let median_wait_seconds = tally.median_wait();
        let Tally { tasks, approved, rejected, expired, .. } = tally;
        reasons.push(Reason { reason, tasks, approved, rejected, expired, median_wait_seconds });
    }
    reasons.sort_by(|a, b| (b.tasks, &a.reason).cmp(&(a.tasks, &b.reason)));
    let median_wait_seconds = whole.median_wait();
    let Tally { tasks, approved, rejected, expired, open, .. } = whole;
    Asked { code, rule, tasks, approved, rejected, expired, open, median_wait_seconds, reasons }
}

/// The reason with `#` for each number, so that those of many orders are one.
fn without_numbers(reason: &str) -> String {
    let mut kept = String::new();
    let mut chars = reason.chars().peekable();
    while let Some(c) = chars.next() {
        if !c.is_ascii_digit() {
            kept.push(c);
            continue;
        }
        kept.push('#');
        // 12,000.50 is one number; a full stop after it is not part of it.
        let mut rest = chars.clone();
        while let Some(next) = rest.next() {
            let inside = matches!(next, '.' | ',') && rest.clone().next().is_some_and(|c| c.is_ascii_digit());
            if !next.is_ascii_digit() && !inside {
                break;
            }
            chars.next();
        }
    }
    crate::short_text::shorten(&mut kept, MAX_REASON_CHARS);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_many_orders_are_one() {
        for (reason, expected) in [
            ("12,000.50 EUR is above the limit of 10000.00.", "# EUR is above the limit of #."),
            ("S-1, S-22: 3 days", "S-#, S-#: # days"),
            ("", ""),
        ] {
            assert_eq!(without_numbers(reason), expected);
        }
    }
}
