//! What the types of the other crates look like as JSON, for the description of the API: neither the rules nor the Lambda
//! need one, so these have the same fields here. The tests compare both.

#![expect(dead_code, reason = "only the shapes are used, never a value")]

use utoipa::ToSchema;

/// Where a task is.
#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum TaskStatus {
    Pending,
    Escalated,
    Approved,
    Rejected,
    Expired,
    Failed,
}

/// How far a stored decision has come.
#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Delivery {
    Due,
    Unverified,
    Delivered,
    ClosedElsewhere,
    Undeliverable,
}

/// What a decision says.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Approved,
    Rejected,
}

/// Why the rules left a task to a person.
#[derive(ToSchema)]
pub(crate) struct Escalation {
    /// A stable kebab-case name: a rule's own code, or a cause such as `no-rule-approved` or `rule-error`.
    code: String,
    /// The words for people.
    reason: String,
    /// The rule that asked for a person, when one did.
    rule: Option<String>,
    /// The ruleset's SHA-256, when one was asked.
    ruleset: Option<String>,
    /// When, RFC 3339 in UTC.
    at: String,
}

/// What somebody wrote about a task, for the others.
#[derive(ToSchema)]
pub(crate) struct Comment {
    /// The person.
    by: String,
    /// When, RFC 3339 in UTC.
    at: String,
    /// The words.
    text: String,
}

/// One time that a task was returned to the rules.
#[derive(ToSchema)]
pub(crate) struct GivenBack {
    /// The round that ended, from 0.
    round: i64,
    /// Why the task had been left to a person.
    escalation: Escalation,
    /// Who gave it back.
    by: String,
    /// The worker that had left it to a person, if it is known.
    worker: Option<String>,
    /// When, RFC 3339 in UTC.
    at: String,
}

/// One finding in one file of a ruleset.
#[derive(ToSchema)]
pub(crate) struct Diagnostic {
    /// The path inside the folder; empty for the folder itself.
    file: String,
    /// From 1; 0 if the finding is about the whole file.
    line: usize,
    /// From 1, in characters; 0 if the finding is about the whole line or file.
    column: usize,
    /// A stable kebab-case name of the kind of finding.
    code: String,
    /// Whether it stops the ruleset: `error` or `warning`.
    severity: String,
    /// What is wrong.
    message: String,
    /// What to do about it, if that is known.
    help: Option<String>,
    /// The line as it is in the file; empty if there is none.
    snippet: String,
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Value, json};
    use statemachine::status;

    use super::*;

    fn shape<T: ToSchema>() -> Value {
        serde_json::to_value(T::schema()).unwrap()
    }

    #[track_caller]
    fn names<T: ToSchema>(all: &[impl Serialize]) {
        assert_eq!(shape::<T>()["enum"], json!(all));
    }

    /// The names of the fields, which JSON itself gives back in the order of the alphabet.
    #[track_caller]
    fn fields<T: ToSchema, Real: for<'de> serde::Deserialize<'de> + Serialize>(full: Value) {
        let read: Real = serde_json::from_value(full.clone()).expect("the real type has these fields");
        assert_eq!(json!(read), full, "and no other");
        let names = |of: &Value| of.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
        assert_eq!(names(&shape::<T>()["properties"]), names(&full));
    }

    #[test]
    fn a_shape_is_that_of_the_type() {
        names::<TaskStatus>(&status::Status::ALL);
        names::<Delivery>(&status::Delivery::ALL);
        names::<Outcome>(&status::Outcome::ALL);
        let escalation = json!({"at": "t", "code": "c", "reason": "r", "rule": "u", "ruleset": "s"});
        fields::<Escalation, statemachine::task::Escalation>(escalation.clone());
        fields::<Comment, statemachine::task::Comment>(json!({"at": "t", "by": "b", "text": "x"}));
        let given = json!({"at": "t", "by": "b", "escalation": escalation, "round": 1, "worker": "w"});
        fields::<GivenBack, statemachine::task::GivenBack>(given);
        fields::<Diagnostic, rules::Diagnostic>(json!({
            "code": "c", "column": 1, "file": "f", "help": "h", "line": 1, "message": "m", "severity": "error",
            "snippet": "s"
        }));
    }
}
