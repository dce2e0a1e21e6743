//! The format of stored items.
//!
//! An item without the attribute `format` has format 1. A version that stores something that an earlier one would misread
//! writes a higher number with it, so that the earlier one refuses the item by name and leaves it as it is. New attributes
//! alone need no new format: readers ignore attributes that they do not know.

/// The attribute's name.
pub const ATTRIBUTE: &str = "format";
/// The latest format of a task that this version knows: its order is compressed.
pub const TASK: u8 = 2;
/// The latest format of all else that this version knows: the control table's items, and a worker's own file.
pub const CONTROL: u8 = 1;

/// An item of a format that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "it has format {digits}, and this version knows only format {known}: a newer version wrote it; update this one"
)]
pub struct Newer {
    digits: String,
    known: u8,
}

/// Checks an item's format: the digits of the attribute, `None` if the item has no such attribute. `known` is the latest
/// format of such items that this version knows.
///
/// # Errors
///
/// [`Newer`] if it is not one of 1 to `known`.
pub fn check(digits: Option<&str>, known: u8) -> Result<(), Newer> {
    match digits {
        None => Ok(()),
        Some(digits) if (1..=known).any(|format| format.to_string() == digits) => Ok(()),
        Some(digits) => Err(Newer { digits: digits.to_owned(), known }),
    }
}
