//! The outcome of each sample order, next to the expected one.

use std::fmt;

use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::ExecutionStatus;
use ops::orders::{End, SampleOrder};
use statemachine::failure::Failure;
use statemachine::status::Status;
use statemachine::task::Task;

/// The report of one order.
pub(crate) struct Row {
    order: String,
    story: &'static str,
    expected: (End, &'static str),
    task: Option<Task>,
    /// How the workflow contradicts the task, once it was checked.
    contradiction: Option<String>,
    resumed_after: Option<f64>,
}

/// The report of all orders.
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Row {
    pub(crate) fn new(order: &SampleOrder, task: Option<&Task>) -> Row {
        Row {
            order: order.id.clone(),
            story: order.story.words(),
            expected: order.story.expected(),
            task: task.cloned(),
            contradiction: None,
            resumed_after: None,
        }
    }

    /// Settled, or waiting for a person.
    pub(crate) fn has_ended(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.status.is_final() || task.status == Status::Escalated)
    }

    fn ask(&mut self, execution: &DescribeExecutionOutput) {
        if let Some(stop) = execution.stop_date {
            self.resumed_after = Some(stop.as_secs_f64() - execution.start_date.as_secs_f64());
        }
        self.contradiction = self.task.as_ref().and_then(|task| contradiction(task, execution));
    }

    /// The code of the decision or of the escalation.
    fn code(&self) -> Option<&str> {
        let task = self.task.as_ref()?;
        let decided = task.decision.as_ref().map(|decision| decision.code.as_str());
        decided.or(task.escalation.as_ref().map(|escalation| escalation.code.as_str()))
    }

    fn rule(&self) -> Option<&str> {
        let task = self.task.as_ref()?;
        match &task.decision {
            Some(decision) => decision.rule.as_deref(),
            None => task.escalation.as_ref()?.rule.as_deref(),
        }
    }

    /// Why the outcome is not the expected one.
    fn complaint(&self) -> Option<String> {
        let Some(task) = &self.task else { return Some("not stored".to_owned()) };
        let (end, code) = self.expected;
        let status = match end {
            End::Approved => Status::Approved,
            End::Rejected => Status::Rejected,
            End::Escalated => Status::Escalated,
        };
        if task.status != status || self.code() != Some(code) {
            return Some(format!("expected {status} {code}"));
        }
        self.contradiction.clone()
    }
}

/// Compares what the workflow received with what the table holds.
fn contradiction(task: &Task, execution: &DescribeExecutionOutput) -> Option<String> {
    let proves = |text: Option<&str>| {
        task.decision.as_ref().is_some_and(|decision| text.is_some_and(|text| decision.is_proven_by(text)))
    };
    let (holds, expected) = match task.status {
        Status::Pending | Status::Escalated => {
            (execution.status == ExecutionStatus::Running, "is still waiting")
        }
        Status::Approved => (
            execution.status == ExecutionStatus::Succeeded && proves(execution.output()),
            "succeeded with the decision as its output",
        ),
        Status::Rejected => (
            execution.status == ExecutionStatus::Failed
                && execution.error() == Some(Failure::Rejected.name())
                && proves(execution.cause()),
            "failed with Approval.Rejected and the decision as its cause",
        ),
        Status::Expired | Status::Failed => (execution.status != ExecutionStatus::Running, "has ended"),
    };
    (!holds).then(|| format!("the workflow is {}, not one that {expected}", execution.status))
}

impl Report {
    /// Combines the rows with their executions, which are in the same order.
    pub(crate) fn new(mut rows: Vec<Row>, executions: &[DescribeExecutionOutput]) -> Report {
        for (row, execution) in rows.iter_mut().zip(executions) {
            row.ask(execution);
        }
        Report { rows }
    }

    pub(crate) fn as_expected(&self) -> bool {
        self.rows.iter().all(|row| row.complaint().is_none())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<14} {:<41} {:<10} {:<19} {:<17} resumed after",
            "order", "what it is", "outcome", "code", "rule"
        )?;
        for row in &self.rows {
            let outcome = row.task.as_ref().map_or("not stored", |task| task.status.as_str()).to_lowercase();
            let resumed = row.resumed_after.map_or("waits".to_owned(), |seconds| format!("{seconds:.2} s"));
            let (code, rule) = (row.code().unwrap_or("-"), row.rule().unwrap_or("-"));
            write!(f, "{:<14} {:<41} {outcome:<10} {code:<19} {rule:<17} {resumed}", row.order, row.story)?;
            match row.complaint() {
                None => writeln!(f)?,
                Some(complaint) => writeln!(f, "   UNEXPECTED: {complaint}")?,
            }
        }
        let mut seconds: Vec<f64> = self.rows.iter().filter_map(|row| row.resumed_after).collect();
        seconds.sort_by(f64::total_cmp);
        if let (Some(median), Some(longest)) = (seconds.get(seconds.len() / 2), seconds.last()) {
            writeln!(
                f,
                "\n{} workflows resumed: median {median:.2} s, longest {longest:.2} s",
                seconds.len()
            )?;
        }
        let unexpected = self.rows.iter().filter(|row| row.complaint().is_some()).count();
        writeln!(f, "{} orders, {unexpected} not as expected", self.rows.len())
    }
}
