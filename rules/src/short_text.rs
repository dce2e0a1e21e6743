//! A text that is mostly short, such as the value of a fact: up to 23 bytes take no memory of their own.

use std::fmt::{self, Write as _};
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smartstring::alias::String as SmartString;

/// A text that is mostly short.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShortText(SmartString);

impl ShortText {
    /// What a value displays.
    pub(crate) fn of(value: &impl fmt::Display) -> ShortText {
        let mut text = SmartString::new();
        write!(text, "{value}").expect("writing to a text does not fail");
        ShortText(text)
    }

    /// The text, cut to so many characters, the last of which then is an ellipsis.
    pub(crate) fn shortened(self, max_chars: usize) -> ShortText {
        // No character takes less than a byte.
        if self.len() <= max_chars {
            return self;
        }
        let mut text = String::from(self.0);
        shorten(&mut text, max_chars);
        ShortText(text.into())
    }
}

impl Deref for ShortText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ShortText {
    fn from(text: &str) -> ShortText {
        ShortText(text.into())
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Serialize for ShortText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for ShortText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ShortText, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(ShortText(text.into()))
    }
}

/// Cuts `text` to `max_chars` characters, the last of which then is an ellipsis.
pub(crate) fn shorten(text: &mut String, max_chars: usize) {
    if let Some((end, _)) = text.char_indices().nth(max_chars.saturating_sub(1))
        && text[end..].chars().nth(1).is_some()
    {
        text.truncate(end);
        text.push('…');
    }
}
