//! The labels: closed enums, so that a metric's size is known before it runs.

use rules::parts::PartKind;
use statemachine::decision::{self, DecidedBy, Decision};
use statemachine::worklist::Worklist;

use crate::stepfunctions::callback::CallbackAnswer;
use crate::stepfunctions::executions::End;
use crate::tasks::handled::Handled;
use crate::tasks::notice::Notice;

/// A closed enum whose values are a label's.
pub(super) trait Label: Copy + 'static {
    /// Every value.
    const VALUES: &'static [Self];

    /// The value as exported.
    fn text(self) -> &'static str;
}

macro_rules! labels {
    ($($values:ty: $text:ident;)+) => {$(
        impl Label for $values {
            const VALUES: &'static [$values] = &<$values>::ALL;

            fn text(self) -> &'static str {
                self.$text()
            }
        }
    )+};
}

labels! {
    By: label;
    CallbackResult: label;
    Cap: label;
    End: label;
    EscalationCause: label;
    Handled: label;
    Limit: label;
    Queue: label;
    Notice: label;
    Published: label;
    Refusal: label;
    Reload: label;
    RequestClass: label;
    RouteClass: label;
    Service: label;
    Traced: label;
    Undecided: label;
    Worklist: name;
    decision::Outcome: as_str;
    rules::Outcome: as_str;
    PartKind: as_str;
}

named! {
    /// Why a task went to a person.
    EscalationCause {
        /// A rule asked for it.
        Rule = "rule",
        /// No rule spoke of it.
        NoRuleApproved = "no_rule_approved",
        /// A rule failed.
        RuleError = "rule_error",
        /// A rule used more than it may.
        RuleDeadline = "rule_deadline",
        /// The engine panicked.
        RulePanic = "rule_panic",
        /// The task does not fit the ruleset's schema.
        InvalidTask = "invalid_task",
        /// No rule decides at the moment.
        AutomationPaused = "automation_paused",
        /// The wanted ruleset cannot be activated for too long.
        RulesStale = "rules_stale",
        /// The ruleset's cap of this hour is reached.
        BudgetExhausted = "budget_exhausted",
        /// A fault of the worker's own.
        Worker = "worker",
    }
}

impl EscalationCause {
    /// Whether the rules were evaluated: their verdict, or what became of it, left the task to a person.
    pub(super) fn is_verdict(self) -> bool {
        match self {
            EscalationCause::Rule
            | EscalationCause::NoRuleApproved
            | EscalationCause::RuleError
            | EscalationCause::RuleDeadline
            | EscalationCause::RulePanic
            | EscalationCause::InvalidTask
            | EscalationCause::BudgetExhausted => true,
            EscalationCause::AutomationPaused | EscalationCause::RulesStale | EscalationCause::Worker => {
                false
            }
        }
    }

    /// The cause of a verdict to escalate; a rule's own for any other.
    pub fn of(verdict: &rules::Verdict) -> EscalationCause {
        match verdict {
            rules::Verdict::Escalate { cause: Some(cause), .. } => match cause {
                rules::Cause::NoRuleApproved => EscalationCause::NoRuleApproved,
                rules::Cause::RuleError => EscalationCause::RuleError,
                rules::Cause::RuleDeadline => EscalationCause::RuleDeadline,
                rules::Cause::RulePanic => EscalationCause::RulePanic,
                rules::Cause::InvalidTask => EscalationCause::InvalidTask,
            },
            rules::Verdict::Escalate { cause: None, .. }
            | rules::Verdict::Approve { .. }
            | rules::Verdict::Reject { .. } => EscalationCause::Rule,
        }
    }
}

named! {
    /// Whose decision.
    By {
        /// The rules'.
        Rule = "rule",
        /// A person's.
        Person = "person",
    }
}

impl By {
    /// Who decided.
    pub(super) fn of(decision: &Decision) -> By {
        match decision.decided_by {
            DecidedBy::Rule => By::Rule,
            DecidedBy::Person(_) => By::Person,
        }
    }
}

named! {
    /// The answer to one callback attempt; see [`CallbackAnswer`].
    CallbackResult {
        /// 200.
        Accepted = "accepted",
        /// The token was closed.
        Closed = "closed",
        /// The token or the payload is wrong.
        Refused = "refused",
        /// Unknown, or too fast.
        Again = "again",
        /// Would fail for every callback.
        Systemic = "systemic",
    }
}

impl CallbackResult {
    /// The name of an answer.
    pub(crate) fn of(answer: &CallbackAnswer) -> CallbackResult {
        match answer {
            CallbackAnswer::Accepted => CallbackResult::Accepted,
            CallbackAnswer::Closed => CallbackResult::Closed,
            CallbackAnswer::Refused(_) => CallbackResult::Refused,
            CallbackAnswer::Again(_) => CallbackResult::Again,
            CallbackAnswer::Systemic(_) => CallbackResult::Systemic,
        }
    }
}

named! {
    /// What became of spans that had ended.
    Traced {
        /// The receiver has them.
        Exported = "exported",
        /// The receiver did not accept them.
        Failed = "failed",
        /// Too many waited.
        Dropped = "dropped",
    }
}

named! {
    /// What a changed ruleset led to.
    Reload {
        /// It decides from now on.
        Activated = "activated",
        /// The last good one stays.
        Refused = "refused",
    }
}

named! {
    /// Why a request was refused before its handler saw it.
    Refusal {
        /// It has no token.
        NoToken = "no_token",
        /// Its token is unknown, expired or revoked.
        UnknownToken = "unknown_token",
        /// Its address failed too often.
        TooMany = "too_many_failures",
        /// The table did not say whether the token is valid.
        NoAnswer = "no_answer",
        /// Its token lacks the role.
        Role = "role",
        /// It came from a page of another site, or for another host.
        Foreign = "foreign",
    }
}

named! {
    /// Requests that share a limit on how many are in hand at once.
    RequestClass {
        /// Many calls each.
        Lists = "lists",
        /// One task.
        Tasks = "tasks",
        /// What the worker knows, and the switch.
        Status = "status",
        /// Decisions, and changes of the switch.
        Changes = "changes",
        /// Connections on which events are sent.
        Events = "events",
    }
}

named! {
    /// What a ruleset's hourly budget caps.
    Cap {
        /// Automatic approvals.
        Approvals = "approvals",
        /// The sum of an amount that they approve.
        Amount = "amount",
    }
}

named! {
    /// What an undecided task was waiting for.
    Undecided {
        /// The rules.
        Pending = "PENDING",
        /// A person.
        Escalated = "ESCALATED",
    }
}

named! {
    /// A queue of the template, by the name of its setting.
    Queue {
        /// Messages that ingest is to store.
        Tasks = "tasks",
        /// Messages that it could not store.
        TaskDeadLetters = "task_dead_letters",
        /// Executions that ended.
        ClosedExecutions = "closed_executions",
        /// Those that could not be handled.
        ClosedExecutionsDeadLetters = "closed_executions_dead_letters",
    }
}

named! {
    /// A rate limit of this process.
    Limit {
        /// `budgets.send_task`.
        SendTask = "send_task",
        /// `budgets.describe_execution`.
        DescribeExecution = "describe_execution",
        /// `budgets.execution_history`.
        ExecutionHistory = "execution_history",
        /// Half of `budgets.describe_stream`: for the children of ended shards.
        DescribeStream = "describe_stream",
        /// `budgets.sweep`.
        Sweep = "sweep",
    }
}

named! {
    /// What a request is for.
    RouteClass {
        /// A GET of the API.
        Read = "read",
        /// A POST of the API: a decision, a pause.
        Change = "change",
        /// Metrics and health, on their own listener.
        Watch = "watch",
        /// No known route.
        Other = "other",
    }
}

named! {
    /// Whether the bus has an event.
    Published {
        /// It has.
        Published = "published",
        /// Not that this worker knows.
        Failed = "failed",
    }
}

named! {
    /// Where a systemic fault showed.
    Service {
        /// The tasks table.
        Table = "table",
        /// Its stream.
        Stream = "stream",
        /// Callbacks and questions.
        StepFunctions = "step_functions",
        /// The queue of closed executions.
        Queue = "queue",
        /// The control table.
        Control = "control",
    }
}

/// A pair of outcomes on the same facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shadowed {
    /// The ruleset that decides.
    pub active: rules::Outcome,
    /// The one that looks on.
    pub shadow: rules::Outcome,
}
