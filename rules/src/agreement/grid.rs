//! How many tasks meet each pair of comparisons: a table of counts over the buckets of two columns.

use super::scale::{Atom, Scale};

/// Tasks for and against an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) agree: u64,
    pub(super) against: u64,
}

/// What one task counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vote {
    Agrees,
    Against,
    /// It is not asked: it is kept for the check, or has been explained already.
    Silent,
}

/// The counts of all buckets below and left of each corner.
#[derive(Debug)]
pub(super) struct Grid {
    width: usize,
    height: usize,
    sums: Vec<Count>,
}

impl Count {
    /// All tasks.
    pub(super) fn tasks(self) -> u64 {
        self.agree + self.against
    }

    pub(super) fn plus(self, other: Count) -> Count {
        Count { agree: self.agree + other.agree, against: self.against + other.against }
    }

    pub(super) fn minus(self, other: Count) -> Count {
        Count { agree: self.agree - other.agree, against: self.against - other.against }
    }

    pub(super) fn vote(&mut self, vote: Vote) {
        match vote {
            Vote::Agrees => self.agree += 1,
            Vote::Against => self.against += 1,
            Vote::Silent => {}
        }
    }
}

impl Grid {
    /// The votes over the buckets of two columns, or of one, whose second is then a single bucket.
    pub(super) fn new(a: &Scale, b: Option<&Scale>, votes: &[Vote]) -> Grid {
        let (width, height) = (a.count + 1, b.map_or(1, |b| b.count) + 1);
        let mut sums = vec![Count::default(); width * height];
        for (place, vote) in votes.iter().enumerate() {
            let column = usize::from(a.buckets[place]) + 1;
            let row = b.map_or(1, |b| usize::from(b.buckets[place]) + 1);
            sums[row * width + column].vote(*vote);
        }
        for row in 1..height {
            for column in 1..width {
                let (left, below) = (sums[row * width + column - 1], sums[(row - 1) * width + column]);
                let both = sums[(row - 1) * width + column - 1];
                let here = &mut sums[row * width + column];
                *here = here.plus(left).plus(below).minus(both);
            }
        }
        Grid { width, height, sums }
    }

    /// The tasks that meet both comparisons; none meets all.
    pub(super) fn count(&self, a: Option<&Atom>, b: Option<&Atom>) -> Count {
        let all = (0, self.height - 1);
        let inside = |range| match a {
            None => self.area((0, self.width - 1), range),
            Some(atom) if atom.outside => {
                self.area((0, self.width - 1), range).minus(self.area((atom.from, atom.to), range))
            }
            Some(atom) => self.area((atom.from, atom.to), range),
        };
        match b {
            None => inside(all),
            Some(atom) if atom.outside => inside(all).minus(inside((atom.from, atom.to))),
            Some(atom) => inside((atom.from, atom.to)),
        }
    }

    fn area(&self, across: (usize, usize), up: (usize, usize)) -> Count {
        if across.0 >= across.1 || up.0 >= up.1 {
            return Count::default();
        }
        let at = |column: usize, row: usize| self.sums[row * self.width + column];
        at(across.1, up.1).plus(at(across.0, up.0)).minus(at(across.0, up.1)).minus(at(across.1, up.0))
    }
}
