//! Functions of dates. A text that is a date counts as one.

use rhai::{Dynamic, Engine};

use crate::dates::{self, Moment};
use crate::facts::Failure;
use crate::kind::kind;

/// Gives scripts the functions.
pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("date", |value: Dynamic| moment("date", &value));
    engine.register_fn("days_between", |from: Dynamic, to: Dynamic| {
        let (from, to) = (moment("days_between", &from)?, moment("days_between", &to)?);
        dates::days_between(&from, &to).map_err(Failure::from)
    });
    engine.register_fn("hours_between", |from: Dynamic, to: Dynamic| {
        let (from, to) = (moment("hours_between", &from)?, moment("hours_between", &to)?);
        Ok::<_, Failure>(dates::hours_between(&from, &to))
    });
    engine.register_fn("weekday", |date: Dynamic, zone: &str| {
        moment("weekday", &date)?.weekday(zone).map_err(Failure::from)
    });
    engine.register_fn("hour", |date: Dynamic, zone: &str| {
        moment("hour", &date)?.hour(zone).map_err(Failure::from)
    });
}

fn moment(function: &str, value: &Dynamic) -> Result<Moment, Failure> {
    if let Some(moment) = value.read_lock::<Moment>() {
        return Ok(moment.clone());
    }
    if !value.is_string() {
        return Err(format!("{function} takes a date, not {}", kind(value)).into());
    }
    Moment::parse(&value.to_string()).map_err(Failure::from)
}
