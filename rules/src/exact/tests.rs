use proptest::prelude::*;

use super::*;

/// A number as a row of decimal digits, reckoned as in school: knows nothing of mantissas of 96 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct School {
    negative: bool,
    /// The last digit first.
    digits: Vec<u8>,
    scale: usize,
}

impl School {
    fn of(number: Decimal) -> School {
        let text = number.abs().to_string();
        let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let digits = text.bytes().rev().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        School { negative: number.is_sign_negative(), digits, scale }
    }

    fn at_scale(&self, scale: usize) -> Vec<u8> {
        [vec![0; scale - self.scale], self.digits.clone()].concat()
    }

    fn times(&self, other: &School) -> School {
        let mut digits = vec![0_u32; self.digits.len() + other.digits.len()];
        for (i, a) in self.digits.iter().enumerate() {
            for (j, b) in other.digits.iter().enumerate() {
                digits[i + j] += u32::from(a * b);
            }
        }
        let digits = carried(digits);
        School { negative: self.negative != other.negative, digits, scale: self.scale + other.scale }
    }

    fn plus(&self, other: &School) -> School {
        let scale = self.scale.max(other.scale);
        let (a, b) = (self.at_scale(scale), other.at_scale(scale));
        let digit = |row: &[u8], place: usize| row.get(place).copied().unwrap_or(0);
        let places = 0..a.len().max(b.len());
        if self.negative == other.negative {
            let sums = places.map(|place| u32::from(digit(&a, place) + digit(&b, place)));
            return School { negative: self.negative, digits: carried(sums.collect()), scale };
        }
        let places: Vec<usize> = places.collect();
        let a_is_larger =
            places.iter().rev().map(|p| digit(&a, *p)).ge(places.iter().rev().map(|p| digit(&b, *p)));
        let (larger, smaller) = if a_is_larger { (&a, &b) } else { (&b, &a) };
        let (mut digits, mut borrowed) = (Vec::new(), 0);
        for place in places {
            let (from, take) = (digit(larger, place), digit(smaller, place) + borrowed);
            borrowed = u8::from(take > from);
            digits.push(from + 10 * borrowed - take);
        }
        School { negative: if a_is_larger { self.negative } else { other.negative }, digits, scale }
    }

    /// As text without zeros at either end, if a decimal can hold it: 96 bits, 28 places.
    fn text(mut self) -> Option<String> {
        while self.scale > 0 && self.digits.first() == Some(&0) {
            self.digits.remove(0);
            self.scale -= 1;
        }
        while self.digits.len() > self.scale + 1 && self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        while self.digits.len() <= self.scale {
            self.digits.push(0);
        }
        let row: String = self.digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
        let significant = row.trim_start_matches('0');
        const LARGEST: &str = "79228162514264337593543950335";
        if self.scale > 28 || (significant.len(), significant) > (LARGEST.len(), LARGEST) {
            return None;
        }
        let (whole, fraction) = row.split_at(row.len() - self.scale);
        let sign = if self.negative && !significant.is_empty() { "-" } else { "" };
        Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
    }
}

fn carried(mut digits: Vec<u32>) -> Vec<u8> {
    let mut carry = 0;
    for digit in &mut digits {
        (*digit, carry) = ((*digit + carry) % 10, (*digit + carry) / 10);
    }
    let mut digits: Vec<u8> = digits.into_iter().map(|digit| u8::try_from(digit).unwrap()).collect();
    while carry > 0 {
        digits.push(u8::try_from(carry % 10).unwrap());
        carry /= 10;
    }
    digits
}

fn text(number: Option<Decimal>) -> Option<String> {
    number
        .map(|number| number.normalize())
        .map(|number| if number.is_zero() { Decimal::ZERO } else { number }.to_string())
}

fn number() -> impl Strategy<Value = Decimal> {
    let mantissa = prop_oneof![
        3 => -1_000_i128..1_000,
        2 => -10_i128.pow(12)..10_i128.pow(12),
        2 => -(1_i128 << 96) + 1..(1_i128 << 96),
        // Zeros at the end that two and five make.
        2 => (0..96_u32, 0..13_u32).prop_map(|(two, five)| {
            (1_i128 << two).checked_mul(5_i128.pow(five)).filter(|n| *n < 1 << 96).unwrap_or(1 << two)
        }),
    ];
    (mantissa, 0..29_u32).prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
}

#[test]
fn sums_and_products_are_those_of_school_or_none() {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    config.cases = config.cases.max(6_000);
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
    let result = runner.run(&(number(), number()), |(a, b)| {
        let (x, y) = (School::of(a), School::of(b));
        prop_assert_eq!(text(add(a, b)), x.plus(&y).text(), "{} + {}", a, b);
        prop_assert_eq!(text(subtract(a, b)), x.plus(&School::of(-b)).text(), "{} - {}", a, b);
        prop_assert_eq!(text(multiply(a, b)), x.times(&y).text(), "{} * {}", a, b);
        if let Some(quotient) = divide(a, b) {
            let back = School::of(quotient).times(&y).text();
            prop_assert_eq!(back, text(Some(a)), "{} / {}", a, b);
        }
        if let Some(rest) = remainder(a, b) {
            prop_assert!(
                rest.abs() < b.abs() && (rest.is_zero() || rest.is_sign_negative() == a.is_sign_negative())
            );
            if let Some(whole) = subtract(a, rest).and_then(|whole| divide(whole, b)) {
                prop_assert!(whole.fract().is_zero(), "{} % {}", a, b);
            }
        } else {
            prop_assert!(b.is_zero(), "{} % {}", a, b);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn what_would_be_rounded_is_none() {
    let decimal = |text: &str| crate::number::parse(text).unwrap();
    let largest = decimal("79228162514264337593543950335");
    assert_eq!(add(largest, decimal("0.1")), None);
    assert_eq!(add(largest, Decimal::ONE), None);
    assert_eq!(multiply(decimal("0.00000000000001"), decimal("0.000000000000001")), None);
    assert_eq!(divide(Decimal::ONE, decimal("3")), None);
    assert_eq!(divide(Decimal::ONE, Decimal::ZERO), None);
    assert_eq!(divide(decimal("10"), decimal("4")), Some(decimal("2.5")));
    assert_eq!(divide(decimal("5.1"), decimal("-0.17")), Some(decimal("-30")));
    assert_eq!(remainder(decimal("1e28"), decimal("0.3")), Some(decimal("0.1")));
    assert_eq!(remainder(decimal("-7.5"), decimal("2")), Some(decimal("-1.5")));
    assert_eq!(power(decimal("1.1"), 3), Some(decimal("1.331")));
    assert_eq!(power(decimal("1.1"), 30), None);
    assert_eq!(power(decimal("2"), -1), None);
    assert_eq!(power(Decimal::ZERO, 0), Some(Decimal::ONE));
}
