//! The rows that a benchmark prints: what was measured, what it is a ratio of, and the target.

use std::fmt::Write as _;

use serde::Serialize;

/// One row.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// The case that measured it.
    pub(crate) case: &'static str,
    /// What was measured.
    pub(crate) what: String,
    /// The measured value.
    pub(crate) value: f64,
    /// The unit of the value and of the floor.
    pub(crate) unit: &'static str,
    /// What the value is a ratio of.
    pub(crate) floor: Option<Floor>,
    /// What the ratio, or without a floor the value, should be.
    pub(crate) target: Option<Target>,
}

/// The bare calls, or a peer, beside a value.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Floor {
    /// What it is.
    pub(crate) name: String,
    /// Its value, in the row's unit.
    pub(crate) value: f64,
}

/// A bound.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum Target {
    /// The result should not be more.
    AtMost(f64),
    /// The result should not be less.
    AtLeast(f64),
}

impl Row {
    /// A value alone.
    pub(crate) fn new(case: &'static str, what: impl Into<String>, value: f64, unit: &'static str) -> Row {
        Row { case, what: what.into(), value, unit, floor: None, target: None }
    }

    /// The value becomes a ratio of this.
    pub(crate) fn over(mut self, name: impl Into<String>, value: f64) -> Row {
        self.floor = Some(Floor { name: name.into(), value });
        self
    }

    /// With a target.
    pub(crate) fn target(mut self, target: Target) -> Row {
        self.target = Some(target);
        self
    }

    fn result(&self) -> f64 {
        self.floor.as_ref().map_or(self.value, |floor| self.value / floor.value)
    }

    fn cells(&self) -> [String; 5] {
        let result = self.result();
        let (target, is_met) = match self.target {
            None => (String::new(), ""),
            Some(Target::AtMost(most)) => (format!("≤ {}", short(most)), verdict(result <= most)),
            Some(Target::AtLeast(least)) => (format!("≥ {}", short(least)), verdict(result >= least)),
        };
        let floor = self.floor.as_ref();
        [
            self.what.clone(),
            format!("{} {}", short(self.value), self.unit),
            floor.map_or(String::new(), |floor| {
                format!("{} {}: {}", short(floor.value), self.unit, floor.name)
            }),
            floor.map_or(String::new(), |_| short(result)),
            format!("{target} {is_met}").trim().to_owned(),
        ]
    }
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

/// Three digits that count, or all before the point.
fn short(value: f64) -> String {
    let decimals = match value.abs() {
        small if small < 0.995 => 3,
        small if small < 9.95 => 2,
        small if small < 99.5 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// The rows as a table in Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let head = ["what", "measured", "beside", "ratio", "target"].map(str::to_owned);
    let cells: Vec<_> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2, 3, 4].map(width);
    let mut text = String::new();
    for (number, row) in cells.iter().enumerate() {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            widths.iter().for_each(|width| text.push_str(&format!("| {} ", "-".repeat(*width))));
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_its_ratio_and_whether_the_target_is_met() {
        let row = Row::new("tail", "processor time", 458.4, "µs").over("bare calls", 322.0);
        let cells = |target| row.clone().target(target).cells().join("|");
        let head = "processor time|458 µs|322 µs: bare calls|1.42|";
        assert_eq!(cells(Target::AtMost(1.15)), format!("{head}≤ 1.15 MISSED"));
        assert_eq!(cells(Target::AtLeast(0.92)), format!("{head}≥ 0.920 met"));
    }
}
