//! Charts, drawn here: the places and sizes of their parts in a drawing of fixed size, which the page fits to its width.

use jiff::Timestamp;
use rules::Outcome;

use crate::api::hours::Hour;

/// The drawing of the hours.
pub(super) const WIDTH: u64 = 720;
pub(super) const HEIGHT: u64 = 160;
/// The room of an hour.
const STEP: u64 = 30;
/// Between two bars.
const GAP: u64 = 6;
/// The most rules that are shown one by one.
const MOST_RULES: usize = 12;

/// What settled in the last hours.
#[derive(Debug)]
pub(super) struct Hours {
    pub(super) bars: Vec<Bar>,
    /// Place and text.
    pub(super) ticks: Vec<(u64, String)>,
    /// The most of an hour: the height of the drawing.
    pub(super) most: u64,
    /// Hour, by rules, by people, expired; for who does not see the drawing.
    pub(super) rows: Vec<(String, Hour)>,
    /// How many in a hundred the rules decided; empty if nothing settled.
    pub(super) share: String,
}

/// A part of a bar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bar {
    /// The class of its colour.
    pub(super) class: &'static str,
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) height: u64,
}

impl Hours {
    pub(super) fn of(hours: &[(i64, Hour)]) -> Hours {
        let sum = |hour: &Hour| hour.rules + hour.people + hour.expired;
        let most = hours.iter().map(|(_, hour)| sum(hour)).max().unwrap_or(0);
        let (mut bars, mut ticks, mut rows) = (vec![], vec![], vec![]);
        for (place, (begin, hour)) in (0_u64..).zip(hours) {
            let x = place * STEP;
            let name =
                Timestamp::from_second(*begin).map(|at| at.strftime("%H:%M").to_string()).unwrap_or_default();
            if place % 4 == 0 {
                ticks.push((x, name.clone()));
            }
            let mut below = 0;
            for (class, count) in [("rules", hour.rules), ("people", hour.people), ("expired", hour.expired)]
            {
                let top = below + count;
                let (from, to) = (scaled(below, most), scaled(top, most));
                if to > from {
                    bars.push(Bar {
                        class,
                        x: x + GAP / 2,
                        y: HEIGHT - to,
                        width: STEP - GAP,
                        height: to - from,
                    });
                }
                below = top;
            }
            if sum(hour) > 0 {
                rows.push((name, *hour));
            }
        }
        let decided: (u64, u64) =
            hours.iter().fold((0, 0), |(rules, all), (_, hour)| (rules + hour.rules, all + sum(hour)));
        Hours { bars, ticks, most, rows, share: percent(decided.0, decided.1) }
    }
}

/// A height in the drawing. What is there at all is seen.
fn scaled(count: u64, most: u64) -> u64 {
    if count == 0 { 0 } else { (count * HEIGHT / most.max(1)).max(2) }
}

/// How many in a hundred, rounded down: `100 %` means all. Empty of nothing.
pub(super) fn percent(part: u64, all: u64) -> String {
    (part * 100).checked_div(all).map_or_else(String::new, |percent| format!("{percent} %"))
}

/// A row of a chart: name, count, and width in hundredths of the longest.
pub(super) fn ranked(counts: impl Iterator<Item = (String, u64)>) -> Vec<(String, u64, u64)> {
    let mut counts: Vec<(String, u64)> = counts.filter(|(_, count)| *count > 0).collect();
    counts.sort_by(|(one, many), (other, more)| more.cmp(many).then_with(|| one.cmp(other)));
    let most = counts.first().map_or(1, |(_, count)| *count);
    let rest: u64 = counts.iter().skip(MOST_RULES).map(|(_, count)| count).sum();
    counts.truncate(MOST_RULES);
    if rest > 0 {
        counts.push(("others".to_owned(), rest));
    }
    counts.into_iter().map(|(name, count)| (name, count, (count * 100 / most).clamp(1, 100))).collect()
}

/// What one rule decided, and how often it left the decision to people.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OfRule {
    pub(super) rule: String,
    /// In the order of [`Outcome::ALL`].
    pub(super) counts: [u64; Outcome::ALL.len()],
    /// Beside each other, in hundredths of the longest row.
    pub(super) bars: Vec<Bar>,
}

/// The rules by how much they had to say, the busiest first; those that said nothing are omitted.
pub(super) fn outcomes(rules: impl Iterator<Item = (String, [u64; Outcome::ALL.len()])>) -> Vec<OfRule> {
    let sum = |counts: &[u64]| counts.iter().sum::<u64>();
    let mut rules: Vec<_> = rules.filter(|(_, counts)| sum(counts) > 0).collect();
    rules.sort_by(|(one, many), (other, more)| sum(more).cmp(&sum(many)).then_with(|| one.cmp(other)));
    let most = rules.first().map_or(1, |(_, counts)| sum(counts));
    let row = |(rule, counts): (String, [u64; Outcome::ALL.len()])| {
        let (mut bars, mut before) = (vec![], 0);
        for (outcome, count) in Outcome::ALL.into_iter().zip(counts) {
            let (x, end) = (before * 100 / most, (before + count) * 100 / most);
            if count > 0 {
                // What is there at all is seen.
                let width = (end - x).max(1);
                bars.push(Bar { class: outcome.as_str(), x: x.min(99), y: 0, width, height: 10 });
            }
            before += count;
        }
        OfRule { rule, counts, bars }
    };
    rules.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_rule_fills_its_row_and_every_outcome_is_seen() {
        let rules = [("quiet", [0, 0, 0]), ("small", [9_998, 1, 1]), ("tier", [0, 0, 2_500])];
        let shown = outcomes(rules.into_iter().map(|(rule, counts)| (rule.to_owned(), counts)));
        let names: Vec<&str> = shown.iter().map(|of| of.rule.as_str()).collect();
        assert_eq!(names, ["small", "tier"]);
        let bars = |of: &OfRule| of.bars.iter().map(|bar| (bar.class, bar.x, bar.width)).collect::<Vec<_>>();
        assert_eq!(bars(&shown[0]), [("approve", 0, 99), ("reject", 99, 1), ("escalate", 99, 1)]);
        assert_eq!(bars(&shown[1]), [("escalate", 0, 25)]);
        assert!(outcomes([].into_iter()).is_empty());
    }

    #[test]
    fn bars_stand_on_each_other_and_fit_the_drawing() {
        let hour = |rules, people, expired| Hour { rules, people, expired };
        let hours = [(0, hour(0, 0, 0)), (3_600, hour(6, 2, 0)), (7_200, hour(1, 0, 1))];
        let chart = Hours::of(&hours);
        assert_eq!((chart.most, chart.share.as_str(), chart.rows.len()), (8, "70 %", 2));
        assert_eq!(chart.bars[0], Bar { class: "rules", x: 33, y: 40, width: 24, height: 120 });
        assert_eq!(chart.bars[1], Bar { class: "people", x: 33, y: 0, width: 24, height: 40 });
        assert_eq!(chart.ticks, [(0, "00:00".to_owned())]);
        assert!(chart.bars.iter().all(|bar| bar.y + bar.height <= HEIGHT));
        let none = Hours::of(&[(0, hour(0, 0, 0))]);
        assert!(none.bars.is_empty() && none.share.is_empty());
        let large = Hours::of(&[(0, hour(1_000_000, 1, 0))]);
        assert!(large.bars.iter().all(|bar| bar.height > 0 && bar.y < HEIGHT));
    }

    #[test]
    fn the_longest_come_first_and_the_rest_is_one() {
        let counts = (0..20).map(|number| (format!("r{number:02}"), number));
        let ranked = ranked(counts);
        assert_eq!((ranked.len(), &ranked[0]), (13, &("r19".to_owned(), 19, 100)));
        assert_eq!(ranked[12].0, "others");
    }
}
