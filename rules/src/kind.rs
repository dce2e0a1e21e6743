//! What messages call the types of values, in the words of the handbook.

use rhai::{Dynamic, FnPtr, Map};

use crate::dates::Moment;
use crate::facts::{List, Record};
use crate::names::Names;

/// What messages call a value's type.
pub(crate) fn kind(value: &Dynamic) -> &'static str {
    if value.is_unit() {
        "nothing"
    } else if value.is_bool() {
        "a boolean"
    } else if value.is_int() || value.is_decimal() {
        "a number"
    } else if value.is_string() || value.is_char() {
        "text"
    } else if value.is::<Moment>() {
        "a date"
    } else if value.is::<Record>() || value.is::<Map>() {
        "a record"
    } else if value.is::<List>() || value.is::<Names>() || value.is_array() {
        "a list"
    } else if value.is::<FnPtr>() {
        "a function"
    } else {
        "a value of another kind"
    }
}
