//! The error names a workflow's `Retry` and `Catch` match.

/// Why an approval state fails. Closed: a new name is a change of contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// A rule or a person said no. The cause is the decision's JSON.
    Rejected,
    /// Nobody decided in time. Step Functions itself raises it.
    TimedOut,
}

impl Failure {
    /// Every failure a workflow can see.
    pub const ALL: [Failure; 2] = [Failure::Rejected, Failure::TimedOut];

    /// The name as Step Functions knows it, for `Retry` and `Catch`.
    pub fn name(self) -> &'static str {
        match self {
            Failure::Rejected => "Approval.Rejected",
            Failure::TimedOut => "States.Timeout",
        }
    }

    /// The error that an execution of the sample workflow ends with, for whoever started it.
    pub fn execution_error(self) -> &'static str {
        match self {
            Failure::Rejected => "Approval.Rejected",
            Failure::TimedOut => "Approval.TimedOut",
        }
    }
}
