//! The error names that a workflow's `Retry` and `Catch` match.

/// Why an approval state fails. The enum is closed: a new name would change the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// A rule or a person rejected the task. The cause is the decision as JSON.
    Rejected,
    /// Nobody decided in time. Step Functions raises this error itself.
    TimedOut,
}

impl Failure {
    /// Every failure that a workflow can see.
    pub const ALL: [Failure; 2] = [Failure::Rejected, Failure::TimedOut];

    /// The name that Step Functions uses, for `Retry` and `Catch`.
    pub fn name(self) -> &'static str {
        match self {
            Failure::Rejected => "Approval.Rejected",
            Failure::TimedOut => "States.Timeout",
        }
    }

    /// The error with which an execution of the sample workflow ends, for the caller that started it.
    pub fn execution_error(self) -> &'static str {
        match self {
            Failure::Rejected => "Approval.Rejected",
            Failure::TimedOut => "Approval.TimedOut",
        }
    }
}
