//! What the rules say of a task: approve, reject, or leave it to a person.

use serde::{Deserialize, Serialize};

/// Why a task goes to a person although no rule asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Every rule passed, and the ruleset has no other default.
    NoRuleApproved,
    /// A rule failed: an unknown field, a comparison of unequal types, a call that does not exist.
    RuleError,
    /// A rule used more steps than it may, or the evaluation ran into its backstop.
    RuleDeadline,
    /// The engine or a host function panicked.
    RulePanic,
    /// The task does not fit the ruleset's schema, or its order is not JSON that can be read exactly.
    InvalidTask,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Cause; 5] =
        [Cause::NoRuleApproved, Cause::RuleError, Cause::RuleDeadline, Cause::RulePanic, Cause::InvalidTask];

    /// The stable name, used as the escalation's code and as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::NoRuleApproved => "no-rule-approved",
            Cause::RuleError => "rule-error",
            Cause::RuleDeadline => "rule-deadline",
            Cause::RulePanic => "rule-panic",
            Cause::InvalidTask => "invalid-task",
        }
    }
}

/// The codes with which the worker leaves tasks to people, beside those of [`Cause`].
const OF_WORKER: [&str; 6] = [
    "automation-paused",
    "budget-exhausted",
    "decision-not-stored",
    "decision-refused",
    "rules-stale",
    "worker-panic",
];

/// Whether a code says that something other than a rule decided: a rule that gave it could not be told from that.
pub(crate) fn is_reserved(code: &str) -> bool {
    OF_WORKER.contains(&code) || Cause::ALL.iter().any(|cause| cause.as_str() == code)
}

/// What a task's rules came to, together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Verdict {
    /// The workflow goes on.
    Approve {
        /// A stable kebab-case name.
        code: String,
        /// The words for people; may be empty.
        text: String,
        /// The rule that decided; none where the ruleset's written-out default did.
        rule: Option<String>,
    },
    /// The workflow takes its rejected path.
    Reject {
        /// A stable kebab-case name.
        code: String,
        /// The words for people.
        text: String,
        /// The rule that decided.
        rule: String,
    },
    /// A person decides.
    Escalate {
        /// A stable kebab-case name: the rule's own, or the cause's.
        code: String,
        /// The words for people.
        text: String,
        /// The rule that asked for a person, or failed.
        rule: Option<String>,
        /// Why, where no rule asked for it.
        cause: Option<Cause>,
    },
}

/// A closed name for each kind of verdict, for labels and tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// See [`Verdict::Approve`].
    Approve,
    /// See [`Verdict::Reject`].
    Reject,
    /// See [`Verdict::Escalate`].
    Escalate,
}

impl Outcome {
    /// Every outcome, in the order tables show them.
    pub const ALL: [Outcome; 3] = [Outcome::Approve, Outcome::Reject, Outcome::Escalate];

    /// The name, as scripts, tests and tables write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Approve => "approve",
            Outcome::Reject => "reject",
            Outcome::Escalate => "escalate",
        }
    }

    /// Reads the name; case matters.
    pub fn parse(text: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

impl Verdict {
    /// The kind of verdict.
    pub fn outcome(&self) -> Outcome {
        match self {
            Verdict::Approve { .. } => Outcome::Approve,
            Verdict::Reject { .. } => Outcome::Reject,
            Verdict::Escalate { .. } => Outcome::Escalate,
        }
    }

    /// The stable name of the reason.
    pub fn code(&self) -> &str {
        match self {
            Verdict::Approve { code, .. } | Verdict::Reject { code, .. } | Verdict::Escalate { code, .. } => {
                code
            }
        }
    }

    /// The words for people.
    pub fn text(&self) -> &str {
        match self {
            Verdict::Approve { text, .. } | Verdict::Reject { text, .. } | Verdict::Escalate { text, .. } => {
                text
            }
        }
    }

    /// The rule that decided, asked for a person, or failed.
    pub fn rule(&self) -> Option<&str> {
        match self {
            Verdict::Approve { rule, .. } | Verdict::Escalate { rule, .. } => rule.as_deref(),
            Verdict::Reject { rule, .. } => Some(rule),
        }
    }

    /// Leaves the task to a person for a reason that no rule gave.
    pub(crate) fn escalate(cause: Cause, text: String, rule: Option<String>) -> Verdict {
        Verdict::Escalate { code: cause.as_str().to_owned(), text, rule, cause: Some(cause) }
    }
}
