//! A backtest in words and numbers.

use std::fmt;

use serde::{Serialize, Serializer};

use super::sums::TOTAL_SCALE;
use super::{Backtest, Broken, Said, Total};
use crate::verdict::Outcome;

/// How many changed tasks and moves the text shows; JSON has all that are kept.
const SHOWN: usize = 20;

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10u128.pow(TOTAL_SCALE);
        let (whole, fraction) = (self.0.unsigned_abs() / unit, self.0.unsigned_abs() % unit);
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = format!("{fraction:08}");
        // At least cents, so that columns of money stand under each other.
        let kept = fraction.trim_end_matches('0').len().max(2);
        f.pad(&format!("{sign}{whole}.{}", &fraction[..kept]))
    }
}

/// As text, so that no reader turns it into a float.
impl Serialize for Total {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Backtest {
    /// The whole result as JSON, for programs.
    ///
    /// # Panics
    ///
    /// Never: numbers and strings always serialise.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and strings always serialise")
    }
}

impl fmt::Display for Backtest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} (rows) to {} (columns)\n", tasks(self.tasks), self.old, self.new)?;
        write!(f, "{:<10}", "")?;
        for outcome in Outcome::ALL {
            write!(f, "{:>12}", outcome.as_str())?;
        }
        writeln!(f)?;
        for (outcome, counts) in Outcome::ALL.into_iter().zip(self.matrix) {
            write!(f, "{:<10}", outcome.as_str())?;
            for count in counts {
                write!(f, "{count:>12}")?;
            }
            writeln!(f)?;
        }
        for (path, sums) in &self.amounts {
            writeln!(f, "\nsum of {path}")?;
            let rows = Outcome::ALL.into_iter().zip(sums.old.into_iter().zip(sums.new));
            for (outcome, (old, new)) in rows {
                writeln!(f, "  {:<10}{old:>20} -> {new:>20}", outcome.as_str())?;
            }
            if sums.left_out > 0 {
                let have = if sums.left_out == 1 { "has" } else { "have" };
                writeln!(f, "  {} {have} no such number", tasks(sums.left_out))?;
            }
        }
        let change = if self.changed == 1 { "changes" } else { "change" };
        writeln!(f, "\n{} {change}", tasks(self.changed))?;
        for change in self.moves.iter().take(SHOWN) {
            writeln!(f, "{:>8}  {} -> {}", change.tasks, change.from, change.to)?;
        }
        for change in self.changes.iter().take(SHOWN) {
            writeln!(
                f,
                "\norder {} ({})\n  - {}\n  + {}",
                change.order_id, change.task_id, change.old, change.new
            )?;
        }
        let hidden = self.changed - self.changes.len().min(SHOWN) as u64;
        if hidden > 0 {
            writeln!(f, "\nand {hidden} more")?;
        }
        for broken in &self.broken {
            write!(f, "\n{broken}")?;
        }
        if self.timed > 0 {
            writeln!(
                f,
                "\n{} evaluations were stopped by the time limit and may differ when repeated",
                self.timed
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tasks > 0 {
            let orders: Vec<&str> = self.first.iter().map(|(_, order)| order.as_str()).collect();
            let (count, first) = (tasks(self.tasks), orders.join(", "));
            writeln!(f, "NEVER: {}: broken by {count}, first by {first}", self.name)?;
        }
        if let Some((_, problem)) = &self.problem {
            let count = match self.unknown {
                0 => String::new(),
                unknown => format!(" on {}", tasks(unknown)),
            };
            writeln!(f, "NEVER: {}: cannot be evaluated{count}: {problem}", self.name)?;
        }
        Ok(())
    }
}

fn tasks(count: u64) -> String {
    format!("{count} task{}", if count == 1 { "" } else { "s" })
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.outcome.as_str(), self.code)?;
        if let Some(rule) = &self.rule {
            write!(f, " by {rule}")?;
        }
        if !self.text.is_empty() {
            write!(f, ": {}", self.text)?;
        }
        Ok(())
    }
}
