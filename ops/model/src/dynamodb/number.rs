//! DynamoDB's numbers: decimal, exact, up to 38 significant digits.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The most significant digits that a number may have (DynamoDB, data types).
const MAX_DIGITS: usize = 38;
/// The largest power of ten of a number's first digit.
const MAX_MAGNITUDE: i32 = 126;
/// The smallest power of ten of a number's first digit.
const MIN_MAGNITUDE: i32 = -129;

/// A decimal number, `mantissa * 10^exponent`; the mantissa has no trailing zero, and zero has exponent zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Number {
    mantissa: i128,
    exponent: i32,
}

impl Number {
    /// Parses a number from a request.
    ///
    /// # Errors
    ///
    /// The message of DynamoDB's `ValidationException`.
    pub fn parse(text: &str) -> Result<Number, String> {
        let refused = || format!("The parameter cannot be converted to a numeric value: {text}");
        let (number, power) = match text.split_once(['e', 'E']) {
            Some((number, power)) => (number, power.parse::<i32>().map_err(|_| refused())?),
            None => (text, 0),
        };
        let (negative, digits) = match number.as_bytes().first() {
            Some(b'-') => (true, &number[1..]),
            Some(b'+') => (false, &number[1..]),
            _ => (false, number),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused());
        }
        let significant = all.trim_start_matches('0').trim_end_matches('0');
        if significant.len() > MAX_DIGITS {
            return Err("Attempting to store more than 38 significant digits in a Number".to_owned());
        }
        let trailing = if significant.is_empty() { 0 } else { all.len() - all.trim_end_matches('0').len() };
        let shift = |length: usize| i32::try_from(length).unwrap_or(i32::MAX);
        let exponent = power.saturating_sub(shift(fraction.len())).saturating_add(shift(trailing));
        let mantissa = significant.parse::<i128>().unwrap_or(0);
        Number::checked(if negative { -mantissa } else { mantissa }, exponent)
    }

    /// Adds two numbers.
    ///
    /// # Errors
    ///
    /// The message of DynamoDB's `ValidationException`, if the sum needs more than 38 digits.
    pub fn plus(self, other: Number) -> Result<Number, String> {
        let exponent = self.exponent.min(other.exponent);
        let sum = self.at(exponent).zip(other.at(exponent)).and_then(|(a, b)| a.checked_add(b));
        let sum =
            sum.ok_or_else(|| "Attempting to store more than 38 significant digits in a Number".to_owned())?;
        Number::checked(sum, exponent)
    }

    /// The number with the opposite sign.
    pub fn negated(self) -> Number {
        Number { mantissa: -self.mantissa, exponent: self.exponent }
    }

    /// The number of significant digits; zero has none.
    pub fn digits(self) -> usize {
        if self.mantissa == 0 { 0 } else { self.mantissa.unsigned_abs().to_string().len() }
    }

    fn checked(mut mantissa: i128, mut exponent: i32) -> Result<Number, String> {
        if mantissa == 0 {
            return Ok(Number { mantissa: 0, exponent: 0 });
        }
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent = exponent.saturating_add(1);
        }
        let number = Number { mantissa, exponent };
        if number.digits() > MAX_DIGITS {
            return Err("Attempting to store more than 38 significant digits in a Number".to_owned());
        }
        match number.magnitude() {
            magnitude if magnitude > MAX_MAGNITUDE => Err(
                "Number overflow. Attempting to store a number with magnitude larger than supported range"
                    .to_owned(),
            ),
            magnitude if magnitude < MIN_MAGNITUDE => Err(
                "Number underflow. Attempting to store a number with magnitude smaller than supported range"
                    .to_owned(),
            ),
            _ => Ok(number),
        }
    }

    /// One more than the power of ten of the first digit.
    fn magnitude(self) -> i32 {
        self.exponent.saturating_add(i32::try_from(self.digits()).unwrap_or(i32::MAX))
    }

    /// The mantissa for a smaller exponent.
    fn at(self, exponent: i32) -> Option<i128> {
        let power = u32::try_from(self.exponent.checked_sub(exponent)?).ok()?;
        if self.mantissa == 0 {
            return Some(0);
        }
        self.mantissa.checked_mul(10_i128.checked_pow(power)?)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        Number::checked(i128::from(value), 0).expect("64 bits need fewer than 38 digits")
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        let sign = self.mantissa.signum();
        if sign != other.mantissa.signum() || sign == 0 {
            return sign.cmp(&other.mantissa.signum());
        }
        let by_magnitude = self.magnitude().cmp(&other.magnitude());
        if by_magnitude.is_ne() {
            return if sign > 0 { by_magnitude } else { by_magnitude.reverse() };
        }
        let exponent = self.exponent.min(other.exponent);
        self.at(exponent).cmp(&other.at(exponent))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs().to_string();
        let sign = if self.mantissa < 0 { "-" } else { "" };
        match usize::try_from(self.exponent) {
            Ok(zeros) => write!(f, "{sign}{digits}{}", "0".repeat(zeros)),
            Err(_) => {
                let places = self.exponent.unsigned_abs() as usize;
                let padded = format!("{digits:0>width$}", width = places + 1);
                let (whole, fraction) = padded.split_at(padded.len() - places);
                write!(f, "{sign}{whole}.{fraction}")
            }
        }
    }
}

impl TryFrom<String> for Number {
    type Error = String;

    fn try_from(text: String) -> Result<Number, String> {
        Number::parse(&text)
    }
}

impl From<Number> for String {
    fn from(number: Number) -> String {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn numbers_compare_as_numbers() {
        let ascending =
            ["-1E10", "-100", "-9", "-0.5", "0", "1E-130", "0.05", "0.5", "9", "10", "10.01", "100", "1e125"];
        for pair in ascending.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
        }
        assert_eq!(number("100.00"), number("1e2"));
        assert_eq!(number("-0"), number("0"));
    }

    #[test]
    fn numbers_are_exact_and_print_plainly() {
        for (text, expected) in
            [("0001.500", "1.5"), ("1E3", "1000"), ("-12e-3", "-0.012"), ("0.000", "0"), ("+7", "7")]
        {
            assert_eq!(number(text).to_string(), expected);
        }
        assert_eq!(number("0.1").plus(number("0.2")).unwrap().to_string(), "0.3");
        assert_eq!(number("5").plus(number("5").negated()).unwrap(), number("0"));
    }

    #[test]
    fn what_dynamodb_refuses_is_refused() {
        for text in ["", "-", ".", "x", "1e", "0x1", "NaN", "1e127", "1e-131", &"9".repeat(39)] {
            assert!(Number::parse(text).is_err(), "{text}");
        }
        assert!(Number::parse(&"9".repeat(38)).is_ok());
        assert!(number(&"9".repeat(38)).plus(number("0.1")).is_err());
    }
}
