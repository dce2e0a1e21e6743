//! A dead letter: why it is one, and what may be shown of it.

use jiff::Timestamp;
use serde_json::Value as Json;
use statemachine::item::Item;
use statemachine::message::Message;
use statemachine::task::{ReceivedAt, Task, differing};
use statemachine::token::TaskToken;

use crate::closed_executions::Closed;

/// The replacement for a token, or for what may be one.
const HIDDEN: &str = "(hidden)";
/// A text without spaces that is this long may be a token, where the message does not say which text is its token. The
/// shortest known token is an emulator's UUID.
const MAY_BE_A_TOKEN: usize = 32;
/// The same where the message's own token is known, and struck out: another token would be Step Functions' own.
const IS_A_TOKEN: usize = 100;

/// Which dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of messages that should become tasks.
    Task,
    /// Of events of closed executions.
    ClosedExecution,
}

impl Kind {
    /// Both.
    pub const ALL: [Kind; 2] = [Kind::Task, Kind::ClosedExecution];

    /// Its name in a list.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Task => "task",
            Kind::ClosedExecution => "closed-execution",
        }
    }
}

/// A message of a dead-letter queue.
#[derive(Clone)]
pub struct Letter {
    /// SQS's id of the message.
    pub id: String,
    /// Its queue.
    pub kind: Kind,
    /// When it was first sent.
    pub sent_at: Option<Timestamp>,
    pub(super) receipt: String,
    pub(super) body: String,
}

/// Without the body, which holds the token.
impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What a letter is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A message that can be stored.
    Task(Box<Task>),
    /// An event that can be handled.
    Closed {
        /// The execution's ARN.
        execution: String,
    },
    /// Neither, for this reason.
    Unusable(String),
}

/// What to do with a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is a dead letter, and the remedy.
    pub reason: String,
    /// Whether it may succeed now.
    pub is_redrivable: bool,
}

impl Letter {
    /// Reads the body.
    pub fn content(&self) -> Content {
        match self.kind {
            Kind::Task => match Message::parse(&self.body) {
                Ok(message) => {
                    let received_at = ReceivedAt { text: String::new(), epoch_seconds: 0 };
                    Content::Task(Box::new(Task::new(message, received_at, None)))
                }
                Err(invalid) => Content::Unusable(invalid.to_string()),
            },
            Kind::ClosedExecution => match serde_json::from_str::<Closed>(&self.body) {
                Ok(closed) => Content::Closed { execution: closed.execution_arn },
                Err(_) => Content::Unusable("the body is not an event of a closed execution".to_owned()),
            },
        }
    }

    /// The body without its token, and without any text that may be one.
    pub fn shown(&self) -> String {
        let fields: Option<Json> = serde_json::from_str(&self.body).ok();
        let token = fields.as_ref().and_then(|fields| fields["taskToken"].as_str());
        match token.and_then(|token| TaskToken::new(token).ok()).filter(|token| token.is_in(token.expose())) {
            Some(token) => hide(&token.strike_json(&self.body), IS_A_TOKEN),
            None => hide(&self.body, MAY_BE_A_TOKEN),
        }
    }
}

/// What became of a letter's task: `stored` is the item under its token.
pub fn verdict(content: &Content, stored: Option<&Item>) -> Verdict {
    let (reason, is_redrivable) = match (content, stored) {
        (Content::Unusable(reason), _) => (reason.clone(), false),
        (Content::Closed { .. }, _) => {
            ("no worker could handle it: the workers' logs say why".to_owned(), true)
        }
        (Content::Task(_), None) => {
            ("not stored, although it can be: the function's log says why".to_owned(), true)
        }
        (Content::Task(task), Some(stored)) => {
            let item = task.to_item();
            match differing(|name| item.get(name) == stored.get(name)) {
                None => ("stored since: it can be discarded".to_owned(), false),
                Some(differ) => (
                    format!("task {} is stored under the same task token with another {differ}", task.id),
                    false,
                ),
            }
        }
    };
    Verdict { reason, is_redrivable }
}

/// Hides each run of this many characters that a token may contain, escaped ones included.
fn hide(text: &str, longest: usize) -> String {
    let is_in_token = |c: char| c.is_ascii_alphanumeric() || "+/=_-.\\".contains(c);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_in_token) {
        let length = rest[start..].find(|c| !is_in_token(c)).unwrap_or(rest.len() - start);
        shown.push_str(&rest[..start]);
        shown.push_str(if length < longest { &rest[start..start + length] } else { HIDDEN });
        rest = &rest[start + length..];
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "AAAAKgAAAAIAAAAAAAAAAQ/secret+token==";

    fn letter(kind: Kind, body: &str) -> Letter {
        Letter { id: "m".to_owned(), kind, sent_at: None, receipt: String::new(), body: body.to_owned() }
    }

    fn body(order_id: &str) -> String {
        format!(
            r#"{{"transactionId":"arn:aws:states:us-east-1:1:execution:shop:5b0c1a52-3a9d-4a9b-8a7e-0d4c9a3b1f00","taskToken":"{TOKEN}","startTime":"t","orderId":"{order_id}"}}"#
        )
    }

    #[test]
    fn no_form_of_a_body_shows_a_token() {
        let escaped = TOKEN.replace('/', "\\/").replace('=', "\\u003d");
        let nested = serde_json::Value::from(body("o-1")).to_string();
        for body in [
            body("o-1"),
            body("o-1").replace(TOKEN, &escaped),
            body(&format!("see {TOKEN}")),
            body("o-1").replace("taskToken", "TaskToken"),
            body("o-1").replace("taskToken", "TaskToken").replace(TOKEN, &escaped),
            body("o-1").replacen('{', "", 1),
            format!(r#"{{"Type":"Notification","Message":{nested}}}"#),
            format!(r#"{{"taskToken":"short","context":{{"Task":{{"Token":"{TOKEN}"}}}}}}"#),
            format!(r#"{{"taskToken":["{TOKEN}"]}}"#),
            TOKEN.to_owned(),
        ] {
            let shown = letter(Kind::Task, &body).shown();
            assert!(!shown.contains("secret") && !shown.contains("AAAAKg"), "{shown}");
            assert!(shown.contains(HIDDEN), "{shown}");
        }
        // With a token that is known, all else is shown.
        let shown = letter(Kind::Task, &body("o-1")).shown();
        assert_eq!(shown, body("o-1").replace(TOKEN, HIDDEN));
    }

    #[test]
    fn a_letter_says_why_it_is_one() {
        let said = |body: &str, stored: Option<&Item>| verdict(&letter(Kind::Task, body).content(), stored);
        let Content::Task(task) = letter(Kind::Task, &body("o-1")).content() else { panic!("a task") };
        let item = task.to_item();
        let fixed = said(&body("o-1"), None);
        assert!(
            fixed.is_redrivable && fixed.reason.starts_with("not stored, although it can be"),
            "{fixed:?}"
        );
        let stored = said(&body("o-1"), Some(&item));
        assert!(!stored.is_redrivable && stored.reason.starts_with("stored since"), "{stored:?}");
        let other = said(&body("o-2"), Some(&item));
        assert!(!other.is_redrivable && other.reason.ends_with("with another orderId"), "{other:?}");
        let poison = said("{", None);
        assert!(!poison.is_redrivable && poison.reason.starts_with("the body is not JSON"), "{poison:?}");

        let closed = r#"{"executionArn":"arn:e","status":"ABORTED"}"#;
        let closed = letter(Kind::ClosedExecution, closed).content();
        assert_eq!(closed, Content::Closed { execution: "arn:e".to_owned() });
        assert!(verdict(&closed, None).is_redrivable);
        assert!(!verdict(&letter(Kind::ClosedExecution, "{}").content(), None).is_redrivable);
    }
}
