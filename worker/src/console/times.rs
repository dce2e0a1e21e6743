//! Times as people read them.

use jiff::Timestamp;

/// A stored time to the second, in UTC: `2026-11-22 10:00:00 UTC`; what cannot be read stays as it is.
pub(super) fn moment(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// The same to the minute, where the page says that times are in UTC: `2026-11-22 10:00`.
pub(super) fn minute(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// How long it is from one time to another, to two units: `3 h 5 min`; none backwards.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Option<String> {
    to.as_second().checked_sub(from.as_second()).filter(|seconds| *seconds >= 0).map(seconds)
}

/// So many seconds, to two units.
pub(super) fn seconds(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds % 86_400 / 3_600, seconds % 3_600 / 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_say_them() {
        let at = |seconds: i64| Timestamp::from_second(1_795_341_600 + seconds).unwrap();
        for (seconds, expected) in [
            (0, Some("0 s")),
            (59, Some("59 s")),
            (60, Some("1 min")),
            (3_600, Some("1 h")),
            (3_900, Some("1 h 5 min")),
            (86_400, Some("1 d")),
            (93_600, Some("1 d 2 h")),
            (-1, None),
        ] {
            assert_eq!(between(at(0), at(seconds)).as_deref(), expected, "{seconds}");
        }
        assert_eq!(moment("2026-11-22T10:00:00.123Z"), "2026-11-22 10:00:00 UTC");
        assert_eq!(minute("2026-11-22T10:00:00.123Z"), "2026-11-22 10:00");
        assert_eq!((moment("soon"), minute("soon")), ("soon".to_owned(), "soon".to_owned()));
    }
}
