//! Dates in facts: `2026-11-22`, or a moment in RFC 3339, counted in days of UTC.

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

/// Whole days from one date to another; negative if the second is earlier. Err says which text is no date.
pub(crate) fn days_between(from: &str, to: &str) -> Result<i64, String> {
    let days = parse(to)?.since(parse(from)?).map_err(|error| format!("cannot count days: {error}"))?;
    Ok(i64::from(days.get_days()))
}

/// The day of UTC that a text names.
pub(crate) fn parse(text: &str) -> Result<Date, String> {
    let date = match text.len() {
        10 => text.parse::<Date>().ok(),
        _ => text.parse::<Timestamp>().ok().map(|moment| moment.to_zoned(TimeZone::UTC).date()),
    };
    date.ok_or_else(|| format!("'{text}' is neither a date such as 2026-11-22 nor a moment in RFC 3339"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_in_utc() {
        let cases = [
            ("2026-11-22", "2026-11-22T10:00:00.123Z", Ok(0)),
            ("2026-01-01", "2027-01-01", Ok(365)),
            ("2026-03-01", "2024-02-29", Ok(-731)),
            ("2026-11-22", "2026-11-23T00:30:00+02:00", Ok(0)),
        ];
        for (from, to, days) in cases {
            assert_eq!(days_between(from, to), days, "{from} {to}");
        }
        for text in ["", "2026-02-30", "tomorrow", "22.11.2026"] {
            assert!(days_between(text, "2026-01-01").is_err(), "{text}");
        }
    }
}
