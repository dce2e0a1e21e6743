//! A study in words and numbers.

use std::fmt;

use super::{Agreement, Answer, Asked, Candidate, Money, Proposal};

/// How many reasons of a code the text shows; JSON has all.
const REASONS_SHOWN: usize = 5;

impl Agreement {
    /// The whole result as JSON, for programs.
    ///
    /// # Panics
    ///
    /// Never: numbers and strings always serialise.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and strings always serialise")
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", plural(self.tasks, "task"))?;
        writeln!(f, "WHY PEOPLE WERE ASKED")?;
        writeln!(
            f,
            "{:>8} {:>9} {:>9} {:>8} {:>6} {:>9}  code (rule)",
            "tasks", "approved", "rejected", "expired", "open", "wait"
        )?;
        for asked in &self.asked {
            write!(f, "{asked}")?;
        }
        write!(f, "\n{}", self.candidate)?;
        for (number, proposal) in (1..).zip(&self.proposals) {
            write!(f, "\nPROPOSAL {number}: {proposal}")?;
        }
        for note in &self.notes {
            writeln!(f, "\nnote: {note}")?;
        }
        if !self.proposals.is_empty() {
            writeln!(
                f,
                "\nNothing was changed. To take a proposal, copy its files, then run check, test and backtest."
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
        writeln!(
            f,
            "{:>8} {:>9} {:>9} {:>8} {:>6} {:>9}  {}{rule}",
            self.tasks,
            self.approved,
            self.rejected,
            self.expired,
            self.open,
            wait(self.median_wait_seconds),
            self.code
        )?;
        for reason in self.reasons.iter().filter(|reason| !reason.reason.is_empty()).take(REASONS_SHOWN) {
            writeln!(
                f,
                "{:>8} {:>9} {:>9} {:>8} {:>6} {:>9}    {}",
                reason.tasks,
                reason.approved,
                reason.rejected,
                reason.expired,
                "",
                wait(reason.median_wait_seconds),
                reason.reason
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "WHAT {} WOULD HAVE DECIDED", self.ruleset)?;
        writeln!(
            f,
            "{} of {} left to people; people decided {} of these, and {} the same",
            self.newly_decided,
            plural(self.left_to_people, "task"),
            self.people_decided,
            self.same
        )?;
        for task in &self.disagreements {
            let rule = task.rule.as_ref().map(|rule| format!(" by {rule}")).unwrap_or_default();
            writeln!(
                f,
                "  order {} ({}){}: escalated as {}; {} by a person, {} here [{}]{rule}",
                task.order_id,
                task.task_id,
                of(task.money),
                task.escalated,
                task.person.as_str(),
                task.ruleset.as_str(),
                task.code
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.answer {
            Answer::Approved => "approve",
            Answer::Rejected => "reject",
        };
        let rule = self.rule.as_ref().map(|rule| format!(" by {rule}")).unwrap_or_default();
        let unanimous = if self.unanimous { "" } else { " (not unanimous)" };
        writeln!(f, "{verb} what is escalated as {}{rule}, when {}{unanimous}", self.code, self.condition)?;
        writeln!(
            f,
            "  people {} {} of {}{}{}; {} of {} on the held-out days; at least {}.{} % agree (95 % confidence)",
            self.answer.as_str(),
            self.same,
            plural(self.tasks, "task"),
            of(self.money),
            self.largest.map(|largest| format!(" (the largest {largest})")).unwrap_or_default(),
            self.held_out_same,
            self.held_out,
            self.agreement_permille / 10,
            self.agreement_permille % 10
        )?;
        if !self.counter_examples.is_empty() {
            writeln!(f, "  {} decided otherwise:", self.counter_examples.len())?;
        }
        for example in &self.counter_examples {
            writeln!(
                f,
                "    order {} ({}) on {}{}",
                example.order_id,
                example.task_id,
                example.day,
                of(example.money)
            )?;
        }
        if let Some(why) = &self.by_hand {
            writeln!(f, "  no files to paste: {why}")?;
        }
        if let Some(draft) = &self.draft {
            for conflict in &draft.conflicts {
                writeln!(f, "  one of your tests says otherwise: {conflict}")?;
            }
            for (path, text) in &draft.files {
                writeln!(f, "\n--- {path}\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}

fn of(money: Option<Money>) -> String {
    money.map(|money| format!(" of {money}")).unwrap_or_default()
}

fn plural(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// A time in its two largest units, such as `2 h 5 min`.
fn wait(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else { return "-".to_owned() };
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}
