//! On which terms the person who looks at a task may decide it.

use jiff::Timestamp;
use rules::same_person;
use statemachine::decision::Outcome;
use statemachine::status::Status;
use statemachine::task::{MAX_COMMENTS, Task};

use super::times::moment;
use crate::api::ApiState;
use crate::api::caller::Caller;
use crate::control::tokens::Role;
use crate::plain_text::plain;
use crate::steps::four_eyes::Means;

/// The terms, in words.
#[derive(Debug)]
pub(super) struct Terms {
    /// Whether this person may decide it now.
    pub(super) may_decide: bool,
    /// Whether this person may approve it, or only reject.
    pub(super) may_approve: bool,
    /// Why there is no form; empty if there is one, or if the task is not open.
    pub(super) no_form: &'static str,
    /// What it means that two people must approve it; empty if one is enough.
    pub(super) second: &'static str,
    /// The first of two approvals.
    pub(super) first: Option<First>,
    /// Who has claimed it, and until when.
    pub(super) claim: Option<Claimed>,
    /// Whether this person may claim it.
    pub(super) may_claim: bool,
    /// Whether this person may comment on it.
    pub(super) may_comment: bool,
    /// Who wrote what, and when.
    pub(super) comments: Vec<(String, String, String)>,
}

/// A claim that lasts.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) by: String,
    pub(super) until: String,
    pub(super) is_mine: bool,
}

/// The first of two approvals.
#[derive(Debug)]
pub(super) struct First {
    pub(super) by: String,
    pub(super) at: String,
    pub(super) reason: String,
}

impl Terms {
    /// For the person `who`.
    pub(super) fn of(state: &ApiState, task: &Task, caller: &Caller, who: &str) -> Terms {
        let is_open = task.decision.is_none() && matches!(task.status, Status::Pending | Status::Escalated);
        let means = state.pipeline.meaning(task, Outcome::Approved, who);
        let no_form = match means {
            _ if !is_open => "",
            _ if !caller.may(Role::Reviewer) => {
                "Your token does not have the role reviewer: you can read this task, but not decide it."
            }
            Means::OwnRequest => "The order names you as its requester: another person must decide it.",
            Means::Decides(_) | Means::First | Means::FirstAgain | Means::TooEarly => "",
        };
        let second = match means {
            _ if !is_open || !state.pipeline.needs_second(task) => "",
            Means::FirstAgain => "You have approved it. Another person must approve it too.",
            Means::Decides(_) => "Two people must approve it. Yours is the second approval, and final.",
            Means::First | Means::OwnRequest => "Two people must approve it.",
            Means::TooEarly => "Two people must approve it, once the rules have left it to people.",
        };
        let is_reviewer = caller.may(Role::Reviewer);
        let claim = task.claim_at(state.clock.now().as_second()).filter(|_| is_open);
        let claim = claim.map(|claim| Claimed {
            by: plain(&claim.by),
            until: Timestamp::from_second(claim.until)
                .map(|until| moment(&until.to_string()))
                .unwrap_or_default(),
            is_mine: claim.subject == same_person(who),
        });
        Terms {
            may_claim: is_reviewer
                && is_open
                && task.status == Status::Escalated
                && claim.as_ref().is_none_or(|claim| claim.is_mine),
            claim,
            may_comment: is_reviewer && task.comments.len() < MAX_COMMENTS,
            comments: task
                .comments
                .iter()
                .map(|comment| (plain(&comment.by), moment(&comment.at), plain(&comment.text)))
                .collect(),
            may_decide: is_open && no_form.is_empty(),
            may_approve: means != Means::FirstAgain,
            no_form,
            second,
            first: task.first_approval.as_ref().map(|first| First {
                by: plain(&first.by),
                at: moment(&first.at),
                reason: plain(&task.token.strike(&first.reason)),
            }),
        }
    }
}
