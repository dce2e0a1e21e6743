//! The labels: closed enums, so that a metric's size is known before it runs.

/// An enum whose variants are the values of one label, in snake case.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value of the label.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The label's text.
            pub fn label(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

label! {
    /// What became of one stream record or one worklist entry.
    Handled {
        /// The workflow has the answer.
        Delivered = "delivered",
        /// Left to a person.
        Escalated = "escalated",
        /// The workflow waited no longer, and nobody had decided.
        Expired = "expired",
        /// The token was closed; history will say by whom.
        Unverified = "unverified",
        /// Step Functions refuses it for good.
        Undeliverable = "undeliverable",
        /// The workflow ended another way than decided.
        ClosedElsewhere = "closed_elsewhere",
        /// Stored, and to be tried again from its worklist.
        PutOff = "put_off",
        /// Nothing was left to do.
        AlreadySettled = "already_settled",
        /// The task is no longer in the table.
        Gone = "gone",
        /// It can neither be worked on nor left to a person; kept in the control table.
        Poison = "poison",
        /// A deletion, by TTL or by hand.
        Removal = "removal",
        /// A change that asks for nothing.
        OwnWrite = "own_write",
        /// Left to the lease's next holder.
        LeaseLost = "lease_lost",
    }
}

label! {
    /// Why a task went to a person.
    Cause {
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

impl Cause {
    /// The cause of a verdict to escalate; a rule's own for any other.
    pub fn of(verdict: &rules::Verdict) -> Cause {
        match verdict {
            rules::Verdict::Escalate { cause: Some(cause), .. } => match cause {
                rules::Cause::NoRuleApproved => Cause::NoRuleApproved,
                rules::Cause::RuleError => Cause::RuleError,
                rules::Cause::RuleDeadline => Cause::RuleDeadline,
                rules::Cause::RulePanic => Cause::RulePanic,
                rules::Cause::InvalidTask => Cause::InvalidTask,
            },
            rules::Verdict::Escalate { cause: None, .. }
            | rules::Verdict::Approve { .. }
            | rules::Verdict::Reject { .. } => Cause::Rule,
        }
    }
}

label! {
    /// Whose decision.
    By {
        /// The rules'.
        Rule = "rule",
        /// A person's.
        Person = "person",
    }
}

label! {
    /// The answer to one callback attempt; see [`crate::stepfunctions::callback::Answer`].
    CallbackResult {
        /// 200.
        Accepted = "accepted",
        /// The token was closed.
        Closed = "closed",
        /// The token or the payload is wrong.
        Refused = "refused",
        /// Unknown, or too fast.
        Again = "again",
        /// Wrong for every callback alike.
        Systemic = "systemic",
    }
}

label! {
    /// What a changed ruleset led to.
    Reload {
        /// It decides from now on.
        Activated = "activated",
        /// The last good one stays.
        Refused = "refused",
    }
}

label! {
    /// What a ruleset's hourly budget caps.
    Cap {
        /// Automatic approvals.
        Approvals = "approvals",
        /// The sum of an amount that they approve.
        Amount = "amount",
    }
}

label! {
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
