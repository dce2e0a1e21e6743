//! What people leave on a task beside a decision: a claim, and comments. Neither is part of what a decision depends on.

use serde::{Deserialize, Serialize};

use crate::item::{self, Item, Malformed, Value};
use crate::task::attribute;

/// The most comments of one task. An item has at most 400 KB, and its decision must always fit.
pub const MAX_COMMENTS: usize = 20;
/// The longest comment, in bytes.
pub const MAX_COMMENT_BYTES: usize = 1_000;

/// Somebody looks after a task, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The person, in the form in which names are compared.
    pub subject: String,
    /// The person, as written.
    pub by: String,
    /// When the claim ends by itself, in epoch seconds.
    pub until: i64,
}

/// What somebody wrote about a task, for the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// The person.
    pub by: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// The words.
    pub text: String,
}

impl Claim {
    /// The `claim` attribute.
    pub fn to_item(&self) -> Item {
        let mut map = Item::new();
        item::put_text(&mut map, "subject", Some(&self.subject));
        item::put_text(&mut map, "by", Some(&self.by));
        item::put_number(&mut map, "until", Some(self.until));
        map
    }

    /// Reads the claim of an item; none without one.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for one that was edited by hand.
    pub fn read(map: &Item) -> Result<Option<Claim>, Malformed> {
        let Some(map) = item::optional_map(map, attribute::CLAIM)? else { return Ok(None) };
        let until = item::optional_number(map, "until")?.ok_or(Malformed::Missing("until"))?;
        Ok(Some(Claim { subject: item::text(map, "subject")?, by: item::text(map, "by")?, until }))
    }
}

impl Comment {
    /// The `comments` attribute of all comments.
    pub fn to_item(comments: &[Comment]) -> Item {
        let numbered = comments.iter().enumerate().map(|(number, comment)| {
            let mut map = Item::new();
            item::put_text(&mut map, "by", Some(&comment.by));
            item::put_text(&mut map, "at", Some(&comment.at));
            item::put_text(&mut map, "text", Some(&comment.text));
            (number.to_string(), Value::Map(map))
        });
        numbered.collect()
    }

    /// Reads the comments, the oldest first.
    pub(super) fn read(map: &Item) -> Result<Vec<Comment>, Malformed> {
        let malformed = Malformed::Not(attribute::COMMENTS, "a map of comments");
        let mut comments: Vec<(usize, Comment)> = Vec::new();
        for (number, value) in item::optional_map(map, attribute::COMMENTS)?.into_iter().flatten() {
            let (Ok(number), Value::Map(map)) = (number.parse(), value) else { return Err(malformed) };
            let comment = Comment {
                by: item::text(map, "by")?,
                at: item::text(map, "at")?,
                text: item::text(map, "text")?,
            };
            comments.push((number, comment));
        }
        comments.sort_by_key(|(number, _)| *number);
        Ok(comments.into_iter().map(|(_, comment)| comment).collect())
    }
}
