//! The task token: the one secret of the system, and the identity derived from it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

mod strike;

/// The longest token accepted, in bytes (Step Functions API model: 1 to 2,048).
pub const MAX_TOKEN_BYTES: usize = 2_048;
/// No token of Step Functions is shorter, in bytes.
const SHORTEST_TOKEN_BYTES: usize = 16;

/// Tells whether a text can be a task token. Step Functions encodes them in Base64, and emulators use UUIDs; a path that
/// was not evaluated, an ARN or a time has other characters.
pub fn is_plausible(text: &str) -> bool {
    let is_in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_.".contains(&byte);
    (SHORTEST_TOKEN_BYTES..=MAX_TOKEN_BYTES).contains(&text.len())
        && text.bytes().all(is_in_alphabet)
        && !text.contains("Task.Token")
}

/// The secret that answers a waiting state. Anyone who holds it can approve.
///
/// It has no `Display`, no `Serialize`, and a `Debug` that hides it: the only way out is
/// [`TaskToken::expose`], called where a callback is sent or an item is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct TaskToken(String);

/// A text that cannot be a task token. Never carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task token has 1 to {MAX_TOKEN_BYTES} bytes, this one has {bytes}")]
pub struct InvalidToken {
    /// How long the refused text was.
    pub bytes: usize,
}

impl TaskToken {
    /// Takes a token as the workflow sent it, or as the table holds it.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] when it is empty or longer than [`MAX_TOKEN_BYTES`].
    pub fn new(text: impl Into<String>) -> Result<TaskToken, InvalidToken> {
        let text = text.into();
        if text.is_empty() || text.len() > MAX_TOKEN_BYTES {
            return Err(InvalidToken { bytes: text.len() });
        }
        Ok(TaskToken(text))
    }

    /// The secret itself, for the callback and for the table. Never for a log, an answer or an error.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The task this token answers.
    pub fn task_id(&self) -> TaskId {
        TaskId::of(&self.0)
    }
}

impl fmt::Debug for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskToken(hidden)")
    }
}

/// What a task is called: the first 16 bytes of SHA-256 of its token, as 32 hex digits.
///
/// The same token is the same task, so a redelivered message or record cannot make a second one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(String);

/// A text that is not a task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a task id is 32 lowercase hex digits, got {0:?}")]
pub struct InvalidTaskId(
    /// What was given, cut to 80 characters.
    pub String,
);

impl TaskId {
    /// Reads an id that a person typed or the table holds.
    ///
    /// # Errors
    ///
    /// [`InvalidTaskId`] for anything but 32 lowercase hex digits.
    pub fn parse(text: &str) -> Result<TaskId, InvalidTaskId> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 32 && text.bytes().all(is_hex) {
            return Ok(TaskId(text.to_owned()));
        }
        Err(InvalidTaskId(text.chars().take(80).collect()))
    }

    /// Whether a text is the token of this task; the token itself need not be known.
    pub fn is_of(&self, text: &str) -> bool {
        *self == TaskId::of(text)
    }

    fn of(token: &str) -> TaskId {
        TaskId(Sha256::digest(token.as_bytes())[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of the 16 buckets of each worklist it stands in: its first hex digit.
    pub fn bucket(&self) -> u8 {
        match self.0.as_bytes()[0] {
            digit @ b'0'..=b'9' => digit - b'0',
            letter => letter - b'a' + 10,
        }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.0
    }
}

impl TryFrom<String> for TaskId {
    type Error = InvalidTaskId;

    fn try_from(text: String) -> Result<TaskId, InvalidTaskId> {
        TaskId::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_hides_itself() {
        let token = TaskToken::new("AAAAKgAAAAIAAAAA-secret").unwrap();
        assert_eq!(format!("{token:?}"), "TaskToken(hidden)");
        assert!(!TaskToken::new("x".repeat(2_049)).unwrap_err().to_string().contains('x'));
    }

    #[test]
    fn the_same_token_is_the_same_task() {
        let id = TaskToken::new("abc").unwrap().task_id();
        // `printf abc | sha256sum | cut -c1-32`
        assert_eq!(id.as_str(), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(id.bucket(), 0xb);
        assert_eq!(TaskId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn what_cannot_be_a_token_is_told_from_one() {
        for token in
            ["AAAAKgAAAAIAAAAA/secret+token==", "5b0c1a52-3a9d-4a9b-8a7e-0d4c9a3b1f00", &"x".repeat(2_048)]
        {
            assert!(is_plausible(token), "{token}");
        }
        for text in [
            "",
            "short",
            "$$.Task.Token.of.this",
            "context.Task.Token",
            "{% $states.context.Task.Token %}",
            "arn:aws:states:us-east-1:1:execution:shop:e",
            "2026-11-22T10:00:00.000Z",
            "AAAAKgAAAAIAAAAA secret",
            "AAAAKgAAAAIAAAAA\nsecret",
            "AAAAKgAAAAIAAAAAé",
            &"x".repeat(2_049),
        ] {
            assert!(!is_plausible(text), "{text}");
        }
    }

    #[test]
    fn only_lowercase_hex_is_an_id() {
        for text in ["", "ba78", "BA7816BF8F01CFEA414140DE5DAE2223", "zz7816bf8f01cfea414140de5dae2223"] {
            assert!(TaskId::parse(text).is_err(), "{text}");
        }
    }
}
