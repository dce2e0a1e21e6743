//! Sequence numbers: decimal text of 21 to 40 digits, which no machine integer holds.

use std::cmp::Ordering;
use std::fmt;

use rand::Rng as _;
use rand::rngs::SmallRng;

/// Compares by length, then by bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sequence(String);

impl Sequence {
    /// Where a stream's first shards begin: of random length, and often just below a power of ten, so that a reader
    /// that compares texts sees the length grow.
    pub(super) fn random(rng: &mut SmallRng) -> Sequence {
        let digits = rng.random_range(21..=39);
        if rng.random_bool(0.5) {
            return Sequence(format!("{}{:03}", "9".repeat(digits - 3), rng.random_range(0..1_000)));
        }
        let first = char::from(b'1' + rng.random_range(0..9));
        Sequence(
            std::iter::once(first)
                .chain((1..digits).map(|_| char::from(b'0' + rng.random_range(0..10))))
                .collect(),
        )
    }

    /// Reads one from a request.
    pub(super) fn parse(text: &str) -> Option<Sequence> {
        let is_number = (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Sequence(text.trim_start_matches('0').to_owned()))
    }

    /// A later one, at random.
    pub(super) fn later(&self, rng: &mut SmallRng) -> Sequence {
        self.plus(rng.random_range(1..=999))
    }

    fn plus(&self, step: u32) -> Sequence {
        let mut carry = step;
        let mut digits: Vec<u8> = Vec::with_capacity(self.0.len() + 1);
        for byte in self.0.bytes().rev() {
            let sum = u32::from(byte - b'0') + carry;
            digits.push(b'0' + u8::try_from(sum % 10).unwrap_or(0));
            carry = sum / 10;
        }
        while carry > 0 {
            digits.push(b'0' + u8::try_from(carry % 10).unwrap_or(0));
            carry /= 10;
        }
        Sequence(digits.into_iter().rev().map(char::from).collect())
    }
}

impl Ord for Sequence {
    fn cmp(&self, other: &Sequence) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Sequence {
    fn partial_cmp(&self, other: &Sequence) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn later_is_greater_also_when_the_length_grows() {
        let nines = Sequence("9".repeat(21));
        assert_eq!(nines.plus(1).to_string(), format!("1{}", "0".repeat(21)));
        let mut rng = SmallRng::seed_from_u64(1);
        for _ in 0..1_000 {
            let first = Sequence::random(&mut rng);
            let second = first.later(&mut rng);
            assert!(first < second && (21..=40).contains(&second.0.len()), "{first} {second}");
        }
    }
}
