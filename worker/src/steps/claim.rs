//! A person claims a task for a while, releases it, or comments on it. None of these decides anything, and a claim does
//! not stop others from deciding: it shows them that somebody is at work, and keeps the task from returning to the rules.

use rules::same_person;
use statemachine::status::Status;
use statemachine::task::{Claim, Comment, MAX_COMMENTS, Task};
use statemachine::token::TaskId;
use tracing::info;

use crate::steps::pipeline::Pipeline;
use crate::tasks::table::{TableError, Written};

/// How long a claim lasts, in seconds. Claiming again starts it over.
pub const CLAIM_SECONDS: i64 = 30 * 60;
/// How often a comment is tried again when the task changes at the same time.
const MOST_TRIES: usize = 5;

/// The outcome of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// It is stored.
    Now(Box<Task>),
    /// The task is unchanged; the text says why.
    Refused(Box<Task>, String),
    /// There is no such task.
    NotFound,
}

/// Whether a task waits for people.
fn waits(task: &Task) -> bool {
    task.status == Status::Escalated && task.decision.is_none()
}

impl Pipeline {
    /// Claims a task that waits for people, unless somebody else has claimed it.
    ///
    /// # Errors
    ///
    /// [`TableError`]; whether it is claimed is then unknown, and the task shows it.
    pub async fn claim(&self, id: &TaskId, by: &str) -> Result<Noted, TableError> {
        let Some(task) = self.tasks.get(id).await? else { return Ok(Noted::NotFound) };
        let now = self.clock.now();
        let until = now.as_second().saturating_add(CLAIM_SECONDS);
        let mine = Claim { subject: same_person(by), by: by.to_owned(), until };
        Ok(match self.tasks.claim(&task.id, &mine, now).await? {
            Written::Now(stored) => {
                info!(task.id = %task.id, order.id = task.order_id, by, "task {}: claimed by {by}", task.id);
                Noted::Now(stored)
            }
            // The SDK retries a write whose response was lost: the stored claim may be this one.
            Written::Otherwise(stored) if waits(&stored) && stored.claim.as_ref() == Some(&mine) => {
                Noted::Now(stored)
            }
            Written::Otherwise(stored) => {
                let why = match &stored.claim {
                    Some(claim) if waits(&stored) => format!("{} has claimed it", claim.by),
                    _ => "only an undecided task that waits for people can be claimed".to_owned(),
                };
                Noted::Refused(stored, why)
            }
            Written::Gone => Noted::NotFound,
        })
    }

    /// Ends a person's own claim.
    ///
    /// # Errors
    ///
    /// [`TableError`]; whether it has ended is then unknown, and repeating the call finds out.
    pub async fn release(&self, id: &TaskId, by: &str) -> Result<Noted, TableError> {
        let now = self.clock.now();
        Ok(match self.tasks.release(id, &same_person(by), now).await? {
            Written::Now(stored) => {
                info!(task.id = %id, order.id = stored.order_id, by, "task {id}: released by {by}");
                Noted::Now(stored)
            }
            Written::Otherwise(stored) => Noted::Refused(stored, format!("{by} has not claimed it")),
            Written::Gone => Noted::NotFound,
        })
    }

    /// Adds a comment. Nothing removes or changes one.
    ///
    /// # Errors
    ///
    /// [`TableError`]; whether it is stored is then unknown, and the task shows it.
    pub async fn comment(&self, id: &TaskId, by: &str, text: &str) -> Result<Noted, TableError> {
        let Some(mut task) = self.tasks.get(id).await?.map(Box::new) else { return Ok(Noted::NotFound) };
        let text = task.token.strike(text).into_owned();
        let mine = Comment { by: by.to_owned(), at: self.clock.now_text(), text };
        for _ in 0..MOST_TRIES {
            if task.comments.len() >= MAX_COMMENTS {
                return Ok(Noted::Refused(
                    task,
                    format!("it has {MAX_COMMENTS} comments, the most of a task"),
                ));
            }
            match self.tasks.comment(&task, mine.clone()).await? {
                Written::Now(stored) => {
                    info!(task.id = %id, order.id = stored.order_id, by, "task {id}: {by} commented on it");
                    return Ok(Noted::Now(stored));
                }
                Written::Otherwise(stored) if stored.comments.contains(&mine) => {
                    return Ok(Noted::Now(stored));
                }
                Written::Otherwise(stored) => task = stored,
                Written::Gone => return Ok(Noted::NotFound),
            }
        }
        Ok(Noted::Refused(task, "it changes too often right now; try again".to_owned()))
    }
}
