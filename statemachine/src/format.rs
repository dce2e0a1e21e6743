//! The format of stored items.
//!
//! An item without the attribute `format` has format 1, which is what this version writes. A version that stores
//! something that this one would misread writes a higher number with it, so that this one refuses the item by name and
//! leaves it as it is. New attributes alone need no new format: readers ignore attributes that they do not know.

/// The attribute's name.
pub const ATTRIBUTE: &str = "format";

/// An item of a format that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it has format {0}, and this version knows only format 1: a newer version wrote it; update this one")]
pub struct Newer(String);

/// Checks an item's format: the digits of the attribute, `None` if the item has no such attribute.
///
/// # Errors
///
/// [`Newer`] if it is another than 1.
pub fn check(digits: Option<&str>) -> Result<(), Newer> {
    match digits {
        None | Some("1") => Ok(()),
        Some(other) => Err(Newer(other.to_owned())),
    }
}
