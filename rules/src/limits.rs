//! What the schema asks of a value besides its type: `min`, `max`, `min_length`, `pattern`, `trim`, `case`, `unique`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use regex::Regex;
use rust_decimal::Decimal;

use crate::facts::Fact;
use crate::names::composed;
use crate::pattern;
use crate::short_text::shorten;

/// What a field's value must hold; nothing unless the schema says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) min: Option<Decimal>,
    pub(crate) max: Option<Decimal>,
    /// Characters of a text, entries of a list.
    pub(crate) min_length: usize,
    pub(crate) pattern: Option<Pattern>,
    /// Blanks at both ends are taken away before anything else is asked.
    pub(crate) trim: bool,
    /// The text is read in upper or lower case.
    pub(crate) case: Option<Case>,
    /// No two entries of a list, or no two of its records in this field, are equal.
    pub(crate) unique: bool,
}

/// A regular expression that the whole text matches.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(String, Regex);

/// Upper or lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Upper,
    Lower,
}

impl Case {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Case::Upper => "upper",
            Case::Lower => "lower",
        }
    }

    /// The function that gives a text in this case.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Case::Upper => "to_upper",
            Case::Lower => "to_lower",
        }
    }

    /// Whether a text can be in this case.
    pub(crate) fn fits(self, text: &str) -> bool {
        match self {
            Case::Upper => text.to_uppercase() == text,
            Case::Lower => text.to_lowercase() == text,
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0 == other.0
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Err says what is wrong with it.
    pub(crate) fn new(text: &str) -> Result<Pattern, String> {
        pattern::whole(text).map(|regex| Pattern(text.to_owned(), regex))
    }
}

impl Limits {
    /// The text as rules see it.
    pub(crate) fn normal<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text = if self.trim { text.trim() } else { text };
        match self.case {
            None => text.into(),
            Some(Case::Upper) if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase()) => {
                text.into()
            }
            Some(Case::Lower) if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) => {
                text.into()
            }
            Some(Case::Upper) => composed(&text.to_uppercase()).into_owned().into(),
            Some(Case::Lower) => composed(&text.to_lowercase()).into_owned().into(),
        }
    }

    /// Err says what of the text, as rules see it, is not as it must be.
    pub(crate) fn check_text(&self, text: &str) -> Result<(), String> {
        if self.min_length > 0 && text.chars().count() < self.min_length {
            return Err(format!("'{}', shorter than {} characters", short(text), self.min_length));
        }
        match &self.pattern {
            Some(pattern) if !pattern.1.is_match(text) => {
                Err(format!("'{}', which does not match {}", short(text), pattern.0))
            }
            _ => Ok(()),
        }
    }

    /// Why no text that rules see is this one; none if one may be.
    pub(crate) fn never(&self, text: &str) -> Option<String> {
        let normal = self.normal(text);
        if normal != text {
            return Some(format!("the schema reads it as '{normal}'"));
        }
        self.check_text(text).err().map(|_| match &self.pattern {
            Some(pattern) => format!("the schema requires {}", pattern.0),
            None => format!("the schema requires at least {} characters", self.min_length),
        })
    }

    /// Err says which bound the number is beyond.
    pub(crate) fn check_number(&self, number: Decimal) -> Result<(), String> {
        match (self.min, self.max) {
            (Some(min), _) if number < min => Err(format!("{number}, less than {min}")),
            (_, Some(max)) if number > max => Err(format!("{number}, more than {max}")),
            _ => Ok(()),
        }
    }
}

/// In words, each after a comma.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(min) = self.min {
            write!(f, ", at least {min}")?;
        }
        if let Some(max) = self.max {
            write!(f, ", at most {max}")?;
        }
        if self.min_length > 0 {
            write!(f, ", at least {} long", self.min_length)?;
        }
        if let Some(pattern) = &self.pattern {
            write!(f, ", matches {}", pattern.0)?;
        }
        match self.case {
            Some(Case::Upper) => f.write_str(", in upper case")?,
            Some(Case::Lower) => f.write_str(", in lower case")?,
            None => {}
        }
        if self.unique { f.write_str(", unique") } else { Ok(()) }
    }
}

/// A value that some of the facts share; those that are nothing share none.
pub(crate) fn repeated<'a>(facts: impl Iterator<Item = &'a Fact>) -> Option<String> {
    let mut seen = BTreeSet::new();
    facts.into_iter().find_map(|fact| {
        let key = match fact {
            Fact::Nothing | Fact::Record(_) | Fact::List(_) | Fact::Names(_) => return None,
            Fact::Integer(number) => number.to_string(),
            Fact::Decimal(number) => number.normalize().to_string(),
            Fact::Moment(moment) => moment.at().to_string(),
            Fact::Bool(value) => value.to_string(),
            Fact::Text(text) => text.to_string(),
            Fact::Part(text) => (**text).to_owned(),
        };
        (!seen.insert(key)).then(|| short(&fact.text().unwrap_or_default()))
    })
}

/// A value in a message.
pub(crate) fn short(text: &str) -> String {
    let mut text = text.to_owned();
    shorten(&mut text, 40);
    text
}
