//! How far a shard's records have been handled without a gap.

use std::collections::VecDeque;

/// The position of one record in one shard. Opaque: kept as text and never parsed, because sequence numbers outgrow
/// `u128`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(pub String);

/// Identifies a delivered record until it settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

#[derive(Debug)]
struct Outstanding {
    record: SequenceNumber,
    /// When the change was made, in epoch seconds.
    made_at: i64,
    is_settled: bool,
}

/// Tracks the records of one shard from arrival to settlement.
///
/// Records settle in any order. The checkpoint only moves over a prefix without gaps, because a stored checkpoint says
/// that everything before it is settled.
#[derive(Debug, Default)]
pub struct Checkpoint {
    /// In order of arrival; the first one has the ticket `settled`.
    outstanding: VecDeque<Outstanding>,
    /// How many records have left `outstanding`.
    settled: u64,
    /// The last record before the first gap.
    position: Option<SequenceNumber>,
}

impl Checkpoint {
    /// Notes that a record was handed out. `made_at` is the time of its change, in epoch seconds.
    pub fn deliver(&mut self, record: SequenceNumber, made_at: i64) -> Ticket {
        self.outstanding.push_back(Outstanding { record, made_at, is_settled: false });
        Ticket(self.settled + self.outstanding.len() as u64 - 1)
    }

    /// Notes that a record is settled.
    ///
    /// # Panics
    ///
    /// If the record settled before, because the caller lost track of its own work.
    pub fn settle(&mut self, Ticket(ticket): Ticket) {
        let place = ticket.checked_sub(self.settled).and_then(|place| usize::try_from(place).ok());
        let entry = place.and_then(|place| self.outstanding.get_mut(place)).expect("a record settles once");
        entry.is_settled = true;
        while let Some(first) = self.outstanding.pop_front_if(|first| first.is_settled) {
            self.position = Some(first.record);
            self.settled += 1;
        }
    }

    /// The last record before the first gap, or `None` if nothing has settled yet.
    pub fn position(&self) -> Option<&SequenceNumber> {
        self.position.as_ref()
    }

    /// The time of the first record that is not settled, in epoch seconds.
    pub fn oldest(&self) -> Option<i64> {
        self.outstanding.front().map(|first| first.made_at)
    }

    /// How many records the position covers.
    pub fn settled(&self) -> u64 {
        self.settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every order in which five records can settle.
    #[test]
    fn a_position_never_passes_an_unsettled_record() {
        fn orders(rest: &[usize]) -> Vec<Vec<usize>> {
            if rest.is_empty() {
                return vec![vec![]];
            }
            let pick = |at: usize| {
                let mut others = rest.to_vec();
                let first = others.remove(at);
                orders(&others).into_iter().map(move |tail| [vec![first], tail].concat())
            };
            (0..rest.len()).flat_map(pick).collect()
        }
        let all = orders(&[0, 1, 2, 3, 4]);
        assert_eq!(all.len(), 120);
        for order in all {
            let mut checkpoint = Checkpoint::default();
            let tickets: Vec<_> =
                (0..5).map(|n| checkpoint.deliver(SequenceNumber(format!("{n}00")), n)).collect();
            let mut done = [false; 5];
            for place in order {
                checkpoint.settle(tickets[place]);
                done[place] = true;
                let prefix = done.iter().take_while(|done| **done).count();
                let expected = prefix.checked_sub(1).map(|last| SequenceNumber(format!("{last}00")));
                assert_eq!(checkpoint.position(), expected.as_ref());
                assert_eq!(checkpoint.settled(), prefix as u64);
                assert_eq!(checkpoint.oldest(), (prefix < 5).then(|| i64::try_from(prefix).unwrap()));
            }
            assert_eq!(checkpoint.oldest(), None);
        }
    }
}
