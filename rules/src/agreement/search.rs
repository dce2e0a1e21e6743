//! The simplest conditions under which people always decided alike.
//!
//! Every comparison of a fact with a value, then every two, scored on the earlier days; what scores best must be clean, no
//! luck, without a part that was decided otherwise, and hold on the held-out later days. What it explains is set aside,
//! and the search may go on.

use jiff::civil::Date;

use super::grid::{Count, Grid, Vote};
use super::proof;
use super::reviewed::Answer;
use super::scale::{Atom, Scale};
use super::table::Table;

/// The fewest tasks of the earlier days that a condition must explain.
const MIN_EXPLAINED: u64 = 25;
/// What one counter-example costs, in tasks that agree: part of a condition in which one task in eleven was decided
/// otherwise makes it no better.
const COST: i64 = 10;
/// The share of the score, in percent, that a simpler or rounder condition may have less.
const SIMPLER_PERCENT: i64 = 90;
const ROUNDER_PERCENT: i64 = 95;
/// The most conditions that are tried for each that is found.
const MAX_TRIED: usize = 16;
/// At least one task in so many is held out.
const HELD_OUT: usize = 4;

/// One or two comparisons, each with the place of its scale.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) atoms: Vec<(usize, Atom)>,
    score: i64,
}

/// The tasks of one reason as one answer sees them.
pub(super) struct Class {
    /// Rows of the table.
    pub(super) rows: Vec<usize>,
    pub(super) agrees: Vec<bool>,
    pub(super) held_out: Vec<bool>,
    explained: Vec<bool>,
    pub(super) scales: Vec<Scale>,
}

impl Class {
    /// None where all tasks were decided on one day: there is nothing to check with.
    pub(super) fn new(table: &Table, rows: Vec<usize>, answer: Answer) -> Option<Class> {
        let first_held_out = first_held_out(table, &rows)?;
        let held_out = rows.iter().map(|row| table.rows[*row].day >= first_held_out).collect();
        let agrees = rows.iter().map(|row| table.rows[*row].answer == answer).collect();
        let scales = (0..table.columns.len()).filter_map(|column| Scale::new(table, column, &rows)).collect();
        Some(Class { explained: vec![false; rows.len()], rows, agrees, held_out, scales })
    }

    /// The best condition that passes every check.
    pub(super) fn next(&self, table: &Table, answer: Answer) -> Option<Condition> {
        let votes: Vec<Vote> = (0..self.rows.len())
            .map(|place| {
                match (
                    self.agrees[place],
                    self.held_out[place] || (self.agrees[place] && self.explained[place]),
                ) {
                    (_, true) => Vote::Silent,
                    (true, false) => Vote::Agrees,
                    (false, false) => Vote::Against,
                }
            })
            .collect();
        let all = votes.iter().fold(Count::default(), |mut all, vote| {
            all.vote(*vote);
            all
        });
        let found =
            self.search(&votes).into_iter().take(MAX_TRIED).map(|condition| self.rounded(condition, &votes));
        let stands = |condition: &Condition| {
            let earlier = self.count(condition, |place| votes[place]);
            earlier.agree >= MIN_EXPLAINED
                && proof::is_clean(earlier)
                && proof::is_no_luck(earlier, all)
                && !self.is_forbidden(condition, table, answer)
                && !self.is_doubtful(condition)
        };
        // The held-out days say yes or no once: to ask them of one condition after another would use them up.
        let best = found.into_iter().find(stands)?;
        let later =
            self.count(&best, |place| if self.held_out[place] { self.vote(place) } else { Vote::Silent });
        let whole = self.count(&best, |place| self.vote(place));
        (proof::holds_later(later) && proof::is_sure(whole)).then_some(best)
    }

    /// The best condition over each fact and each two facts, the simpler and better ones first.
    fn search(&self, votes: &[Vote]) -> Vec<Condition> {
        let mut found = Vec::new();
        let mut useful: Vec<Vec<(&Atom, u64)>> = Vec::new();
        for (place, scale) in self.scales.iter().enumerate() {
            let grid = Grid::new(scale, None, votes);
            let counted = scale.atoms.iter().map(|atom| (atom, grid.count(Some(atom), None)));
            let counted: Vec<_> = counted.filter(|(_, count)| count.agree >= MIN_EXPLAINED).collect();
            let mut best = Best::default();
            for (atom, count) in &counted {
                best.offer(*count, || vec![(place, (*atom).clone())]);
            }
            // One comparison is preferred to two that are only a little better.
            found.extend(best.0.map(|condition| (condition.score * 100 / SIMPLER_PERCENT, condition)));
            found.extend(two_of_one(&grid, &counted, place).map(|condition| (condition.score, condition)));
            useful.push(counted.into_iter().map(|(atom, count)| (atom, count.agree)).collect());
        }
        for (a, first) in self.scales.iter().enumerate() {
            for (b, second) in self.scales.iter().enumerate().skip(a + 1) {
                if useful[a].is_empty() || useful[b].is_empty() {
                    continue;
                }
                let grid = Grid::new(first, Some(second), votes);
                let mut best = Best::default();
                for (x, most) in &useful[a] {
                    for (y, also) in &useful[b] {
                        if best.is_below(*most.min(also)) {
                            best.offer(grid.count(Some(x), Some(y)), || {
                                vec![(a, (*x).clone()), (b, (*y).clone())]
                            });
                        }
                    }
                }
                found.extend(best.0.map(|condition| (condition.score, condition)));
            }
        }
        // Stable: among equals the facts in the schema's order.
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        found.into_iter().map(|(_, condition)| condition).collect()
    }

    /// The same condition with rounder numbers, if little is lost. It only ever says less.
    fn rounded(&self, condition: Condition, votes: &[Vote]) -> Condition {
        let mut rounded = condition;
        for place in 0..rounded.atoms.len() {
            let (scale, atom) = rounded.atoms[place].clone();
            let least = rounded.score * ROUNDER_PERCENT / 100;
            let narrower = self.scales[scale]
                .atoms
                .iter()
                .filter(|other| other.is_within(&atom) && other.rank < atom.rank);
            let mut best: Option<Condition> = None;
            for other in narrower {
                let mut atoms = rounded.atoms.clone();
                atoms[place].1 = other.clone();
                let mut changed = Condition { atoms, score: 0 };
                changed.score = score(self.count(&changed, |place| votes[place]));
                let rank = |condition: &Condition| condition.atoms[place].1.rank;
                let is_better = best
                    .as_ref()
                    .is_none_or(|best| (rank(&changed), -changed.score) < (rank(best), -best.score));
                if changed.score >= least && is_better {
                    best = Some(changed);
                }
            }
            rounded = best.unwrap_or(rounded);
        }
        rounded
    }

    pub(super) fn meets(&self, condition: &Condition, place: usize) -> bool {
        condition.atoms.iter().all(|(scale, atom)| atom.holds(self.scales[*scale].buckets[place]))
    }

    pub(super) fn count(&self, condition: &Condition, vote: impl Fn(usize) -> Vote) -> Count {
        let mut count = Count::default();
        for place in (0..self.rows.len()).filter(|place| self.meets(condition, *place)) {
            count.vote(vote(place));
        }
        count
    }

    pub(super) fn vote(&self, place: usize) -> Vote {
        if self.agrees[place] { Vote::Agrees } else { Vote::Against }
    }

    /// Some task that meets it contradicts a `[[never]]` of the ruleset's tests.
    fn is_forbidden(&self, condition: &Condition, table: &Table, answer: Answer) -> bool {
        let mut meeting = (0..self.rows.len()).filter(|place| self.meets(condition, *place));
        meeting.any(|place| table.rows[self.rows[place]].never[usize::from(answer == Answer::Rejected)])
    }

    /// Some part of the tasks that meet it was decided otherwise.
    fn is_doubtful(&self, condition: &Condition) -> bool {
        let votes: Vec<Vote> = (0..self.rows.len())
            .map(|place| if self.meets(condition, place) { self.vote(place) } else { Vote::Silent })
            .collect();
        self.scales.iter().any(|scale| {
            let grid = Grid::new(scale, None, &votes);
            scale.atoms.iter().any(|atom| proof::is_doubtful(grid.count(Some(atom), None)))
        })
    }

    /// Sets aside what a condition explains.
    pub(super) fn explain(&mut self, condition: &Condition) {
        for place in 0..self.rows.len() {
            self.explained[place] |= self.meets(condition, place);
        }
    }
}

/// The best two comparisons of one fact: between two numbers, or neither of two texts.
fn two_of_one(grid: &Grid, counted: &[(&Atom, Count)], place: usize) -> Option<Condition> {
    let mut best = Best::default();
    let both = |a: &Atom, b: &Atom| vec![(place, a.clone()), (place, b.clone())];
    for (at, (a, count)) in counted.iter().enumerate() {
        for (b, other) in &counted[at + 1..] {
            if a.outside && b.outside {
                // What is not the one and not the other: all others of the one, without the other.
                let other = grid.count(Some(&Atom { outside: false, ..(*b).clone() }), None);
                best.offer(count.minus(other), || both(a, b));
            } else if !a.outside && !b.outside && best.is_below(count.agree.min(other.agree)) {
                let between = Atom { from: a.from.max(b.from), to: a.to.min(b.to), ..(*a).clone() };
                best.offer(grid.count(Some(&between), None), || both(a, b));
            }
        }
    }
    best.0
}

/// The best so far. Among equals the one that says less, then the rounder one, then the first.
#[derive(Default)]
struct Best(Option<Condition>);

impl Best {
    fn is_below(&self, agree: u64) -> bool {
        self.0.as_ref().is_none_or(|best| best.score <= i64::try_from(agree).unwrap_or(i64::MAX))
    }

    fn offer(&mut self, count: Count, atoms: impl FnOnce() -> Vec<(usize, Atom)>) {
        let score = score(count);
        if score <= 0 || self.0.as_ref().is_some_and(|best| best.score > score) {
            return;
        }
        let condition = Condition { atoms: atoms(), score };
        if self.0.as_ref().is_none_or(|best| condition.key() < best.key()) {
            self.0 = Some(condition);
        }
    }
}

impl Condition {
    fn key(&self) -> (i64, usize, u32) {
        let width = |atom: &Atom| if atom.outside { usize::MAX / 4 } else { atom.to - atom.from };
        let widths = self.atoms.iter().map(|(_, atom)| width(atom)).sum();
        (-self.score, widths, self.atoms.iter().map(|(_, atom)| atom.rank).sum())
    }
}

fn score(count: Count) -> i64 {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX / 100);
    signed(count.agree) - COST * signed(count.against)
}

/// The first of the last days that together have enough of the tasks; never the first day of all.
fn first_held_out(table: &Table, rows: &[usize]) -> Option<Date> {
    let mut days: Vec<Date> = rows.iter().map(|row| table.rows[*row].day).collect();
    days.sort_unstable();
    let (first, last) = (*days.first()?, days[days.len() - days.len().div_ceil(HELD_OUT)]);
    days.into_iter().find(|day| *day > first && *day >= last)
}
