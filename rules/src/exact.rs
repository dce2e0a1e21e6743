//! Decimal arithmetic that is exact or refuses: a result with more digits than a decimal keeps is none, never rounded.
//!
//! `rust_decimal` itself rounds: 79228162514264337593543950335 + 0.1 is 79228162514264337593543950335, and 1 / 3 * 3
//! is not 1.

use rust_decimal::Decimal;

/// The largest mantissa whose sum or product cannot fail in a decimal's 96 bits, with [`FAST_SCALE`] digits to align.
const FAST_MANTISSA: u128 = 1 << 46;
const FAST_SCALE: u32 = 14;
/// The largest power, far above what rules need and below what takes time.
const MAX_EXPONENT: i64 = 1_000;

/// The sum.
pub(crate) fn add(a: Decimal, b: Decimal) -> Option<Decimal> {
    if is_small(a) && is_small(b) {
        return Some(a + b);
    }
    let (a, b) = (a.normalize(), b.normalize());
    let scale = a.scale().max(b.scale());
    // Where the scales differ, the sum ends in the same digit as the one with more places: what does not fit here has
    // no fewer digits.
    let sum = at_scale(a, scale)?.checked_add(at_scale(b, scale)?)?;
    decimal(sum, scale)
}

/// The difference.
pub(crate) fn subtract(a: Decimal, b: Decimal) -> Option<Decimal> {
    add(a, -b)
}

/// The product.
pub(crate) fn multiply(a: Decimal, b: Decimal) -> Option<Decimal> {
    if is_small(a) && is_small(b) {
        return Some(a * b);
    }
    let (a, b) = (a.normalize(), b.normalize());
    let (mut x, mut y, mut scale) = (a.mantissa(), b.mantissa(), a.scale() + b.scale());
    if x == 0 || y == 0 {
        return Some(Decimal::ZERO);
    }
    // Each two of one with a five of the other is a zero at the end.
    while scale > 0 && x % 2 == 0 && y % 5 == 0 {
        (x, y, scale) = (x / 2, y / 5, scale - 1);
    }
    while scale > 0 && x % 5 == 0 && y % 2 == 0 {
        (x, y, scale) = (x / 5, y / 2, scale - 1);
    }
    decimal(x.checked_mul(y)?, scale)
}

/// The quotient; none where it has no end, such as 1 / 3, and of zero.
pub(crate) fn divide(a: Decimal, b: Decimal) -> Option<Decimal> {
    let quotient = a.checked_div(b)?.normalize();
    (multiply(quotient, b)? == a).then_some(quotient)
}

/// What remains of a whole division; none of zero.
pub(crate) fn remainder(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (a, b) = (a.normalize(), b.normalize());
    let scale = a.scale().max(b.scale());
    match (at_scale(a, scale), at_scale(b, scale)) {
        (_, Some(0)) => None,
        (Some(x), Some(y)) => decimal(x % y, scale),
        // So large beside `a` that it does not fit.
        (Some(_), None) => Some(a),
        (None, _) => remainder_of_large(a, b),
    }
}

/// The remainder digit by digit: `a` has more digits at the scale of `b` than fit.
fn remainder_of_large(a: Decimal, b: Decimal) -> Option<Decimal> {
    let divisor = b.mantissa();
    let mut rest = a.mantissa() % divisor;
    for _ in a.scale()..b.scale() {
        rest = rest.checked_mul(10)? % divisor;
    }
    decimal(rest, b.scale())
}

/// A whole power of at least 0.
pub(crate) fn power(base: Decimal, exponent: i64) -> Option<Decimal> {
    if !(0..=MAX_EXPONENT).contains(&exponent) {
        return None;
    }
    let mut power = Decimal::ONE;
    for _ in 0..exponent {
        power = multiply(power, base)?;
    }
    Some(power)
}

fn is_small(number: Decimal) -> bool {
    number.mantissa().unsigned_abs() < FAST_MANTISSA && number.scale() <= FAST_SCALE
}

/// The mantissa at a scale of at least its own.
fn at_scale(number: Decimal, scale: u32) -> Option<i128> {
    10_i128.checked_pow(scale - number.scale())?.checked_mul(number.mantissa())
}

fn decimal(mut mantissa: i128, mut scale: u32) -> Option<Decimal> {
    while mantissa % 10 == 0 && scale > 0 {
        (mantissa, scale) = (mantissa / 10, scale - 1);
    }
    Decimal::try_from_i128_with_scale(mantissa, scale).ok()
}

#[cfg(test)]
mod tests;
