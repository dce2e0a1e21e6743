//! The text of a number to a decimal, exactly or not at all: amounts never pass through a float.

use rust_decimal::Decimal;

/// Reads a number as JSON writes it: sign, digits, fraction, exponent.
///
/// None when the text is no such number, or needs more than 28 digits or more than 28 decimal places.
pub(crate) fn parse(text: &str) -> Option<Decimal> {
    usual(text).or_else(|| any(text))
}

/// The usual number: at most 18 digits and no exponent.
fn usual(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let (mut number, mut places, mut has_point) = (0i64, 0u32, false);
    if digits.len() > 18 || !digits.first()?.is_ascii_digit() || !digits.last()?.is_ascii_digit() {
        return None;
    }
    for digit in digits {
        match digit {
            b'0'..=b'9' => {
                number = number * 10 + i64::from(digit - b'0');
                places += u32::from(has_point);
            }
            b'.' if !has_point => has_point = true,
            _ => return None,
        }
    }
    while places > 0 && number % 10 == 0 {
        number /= 10;
        places -= 1;
    }
    let is_negative = number != 0 && digits.len() < text.len();
    Some(Decimal::new(if is_negative { -number } else { number }, places))
}

fn any(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || digits.ends_with('.') {
        return None;
    }
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some(Decimal::ZERO);
    }
    // value = significant * 10^power, with the trailing zeros that were trimmed counted back in.
    let trimmed = all.len() - all.trim_end_matches('0').len();
    let power = i64::from(exponent) - i64::try_from(fraction.len()).ok()? + i64::try_from(trimmed).ok()?;
    let magnitude = match u32::try_from(-power) {
        Ok(scale) => Decimal::try_from_i128_with_scale(significant.parse().ok()?, scale).ok()?,
        Err(_) => {
            let zeros = usize::try_from(power).ok().filter(|zeros| *zeros <= 28)?;
            let whole: i128 = format!("{significant}{}", "0".repeat(zeros)).parse().ok()?;
            Decimal::try_from_i128_with_scale(whole, 0).ok()?
        }
    };
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_number_is_read_as_any_other() {
        let parts = [
            "",
            "-",
            "0",
            "00",
            "7",
            "10",
            "123",
            "99999999999999999",
            ".",
            ".0",
            ".10",
            ".25",
            "e2",
            "x",
            "+",
        ];
        for (a, b, c) in parts.iter().flat_map(|a| parts.iter().flat_map(move |b| parts.map(|c| (*a, *b, c))))
        {
            let text = format!("{a}{b}{c}");
            let same = |number: Decimal| (number.mantissa(), number.scale(), number.is_sign_negative());
            if let Some(number) = usual(&text) {
                assert_eq!(any(&text).map(same), Some(same(number)), "{text}");
            }
        }
        assert!(usual("1200.50").is_some() && usual("-7").is_some());
    }

    #[test]
    fn numbers_are_exact_whatever_their_spelling() {
        let cases = [
            ("0", "0"),
            ("-0.00", "0"),
            ("100", "100"),
            ("100.0", "100"),
            ("1E2", "100"),
            ("1.5e-3", "0.0015"),
            ("-12.340", "-12.34"),
            ("0.1", "0.1"),
            ("12345678901234567890.12345678", "12345678901234567890.12345678"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
            ("0.000000000000000000000000000000", "0"),
            ("1.0000000000000000000000000000000000000", "1"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).map(|number| number.to_string()).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_exact_is_refused() {
        for text in [
            "79228162514264337593543950336",
            "1e29",
            "1e999999999999",
            "1e-29",
            "1.00000000000000000000000000001",
            "",
            "-",
            "1.",
            ".5",
            "+1",
            "1e",
            "0x10",
            "NaN",
            "1 ",
            "１",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
