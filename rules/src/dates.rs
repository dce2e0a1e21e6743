//! Dates in facts: `2026-11-22`, or a moment in RFC 3339.

use std::sync::{Arc, LazyLock};

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Unit};

/// The time zones that are built in: the same on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A date or moment as it was written, and what it means. A date without a time is its first moment in UTC.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    text: Arc<str>,
    at: Timestamp,
    /// The day of a date without a time: it is that day in every zone.
    day: Option<Date>,
}

impl Moment {
    /// Reads a date or moment. Err does not tell the text: it may be masked.
    pub(crate) fn parse(text: &str) -> Result<Moment, String> {
        let wrong = || "the text is neither a date such as 2026-11-22 nor a moment in RFC 3339".to_owned();
        let (at, day) = match text.len() {
            10 => {
                let day = text.parse::<Date>().map_err(|_| wrong())?;
                (day.to_zoned(TimeZone::UTC).map_err(|_| wrong())?.timestamp(), Some(day))
            }
            _ => (text.parse().map_err(|_| wrong())?, None),
        };
        Ok(Moment { text: text.into(), at, day })
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The moment that it means.
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    /// Its day in UTC.
    pub(crate) fn utc_day(&self) -> Date {
        self.at.to_zoned(TimeZone::UTC).date()
    }

    /// 1 for Monday to 7 for Sunday, where the clocks show `zone`.
    pub(crate) fn weekday(&self, zone: &str) -> Result<i64, String> {
        let local = self.local(zone)?;
        let day = self.day.unwrap_or(local.date());
        Ok(day.weekday().to_monday_one_offset().into())
    }

    /// 0 to 23, where the clocks show `zone`.
    pub(crate) fn hour(&self, zone: &str) -> Result<i64, String> {
        if self.day.is_some() {
            return Err("a date without a time has no hour".to_owned());
        }
        Ok(self.local(zone)?.hour().into())
    }

    fn local(&self, zone: &str) -> Result<DateTime, String> {
        let known = ZONES.get(zone);
        let zone =
            known.map_err(|_| format!("there is no time zone '{zone}' (such as Europe/Berlin, or UTC)"))?;
        Ok(zone.to_datetime(self.at))
    }
}

/// Whole days of UTC from one to another; negative if the second is earlier.
pub(crate) fn days_between(from: &Moment, to: &Moment) -> Result<i64, String> {
    let days = to.utc_day().since((Unit::Day, from.utc_day()));
    let days = days.map_err(|error| format!("cannot count days: {error}"))?;
    Ok(i64::from(days.get_days()))
}

/// Whole hours from one to another, the minutes cut off; negative if the second is earlier.
pub(crate) fn hours_between(from: &Moment, to: &Moment) -> i64 {
    to.at.duration_since(from.at).as_hours()
}

/// Tells whether a text is a date or moment.
pub(crate) fn is_date(text: &str) -> bool {
    text.len() >= 10 && text.starts_with(|c: char| c.is_ascii_digit()) && Moment::parse(text).is_ok()
}

/// The day of UTC that a text names.
pub(crate) fn parse(text: &str) -> Result<Date, String> {
    Moment::parse(text).map(|moment| moment.utc_day())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn days_are_counted_in_utc() {
        let cases = [
            ("2026-11-22", "2026-11-22T10:00:00.123Z", 0, 10),
            ("2026-01-01", "2027-01-01", 365, 8_760),
            ("2026-03-01", "2024-02-29", -731, -17_544),
            ("2026-11-22", "2026-11-23T00:30:00+02:00", 0, 22),
            ("2026-11-22T18:00:00-08:00", "2026-11-22T20:00:00Z", -1, -6),
            ("2026-11-22T10:00:00Z", "2026-11-22T10:59:59Z", 0, 0),
        ];
        for (from, to, days, hours) in cases {
            assert_eq!(days_between(&moment(from), &moment(to)), Ok(days), "{from} {to}");
            assert_eq!(hours_between(&moment(from), &moment(to)), hours, "{from} {to}");
        }
        for text in
            ["", "2026-02-30", "tomorrow", "22.11.2026", "2026-11-22T10:00:00", "2026-11-22T25:00:00Z"]
        {
            assert!(Moment::parse(text).is_err() && !is_date(text), "{text}");
        }
    }

    #[test]
    fn a_zone_tells_the_weekday_and_the_hour() {
        // A Sunday evening in New York is Monday in Berlin; clocks there went forward on 29 March 2026.
        let cases = [
            ("2026-11-23T01:30:00Z", "America/New_York", Ok(7), Ok(20)),
            ("2026-11-23T01:30:00Z", "Europe/Berlin", Ok(1), Ok(2)),
            ("2026-03-29T00:59:59Z", "Europe/Berlin", Ok(7), Ok(1)),
            ("2026-03-29T01:00:00Z", "Europe/Berlin", Ok(7), Ok(3)),
            ("2026-03-29T01:00:00Z", "UTC", Ok(7), Ok(1)),
            ("2026-11-22", "America/New_York", Ok(7), Err("a date without a time has no hour".to_owned())),
        ];
        for (text, zone, weekday, hour) in cases {
            assert_eq!(moment(text).weekday(zone), weekday, "{text} {zone}");
            assert_eq!(moment(text).hour(zone), hour, "{text} {zone}");
        }
        let unknown = moment("2026-11-22").weekday("Europe/Berln").unwrap_err();
        assert!(unknown.starts_with("there is no time zone 'Europe/Berln'"), "{unknown}");
    }
}
