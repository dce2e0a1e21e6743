//! What an operator does about a failed call, where the code tells.

use super::Resource;

/// The remedy, to be appended to the code; nothing where waiting is all that helps.
pub(super) fn on(operation: &str, on: &Resource, code: &str) -> String {
    match code {
        "AccessDeniedException" | "AccessDenied" => {
            let (actions, grant) = (actions(operation, on), grant(operation, on));
            format!("; the caller may not {actions}: {grant}")
        }
        "KMSAccessDeniedException" | "KmsAccessDeniedException" => {
            "; the caller may not use its KMS key: grant kms:Decrypt in the key's policy".to_owned()
        }
        "KMSInvalidStateException" | "KmsInvalidStateException" => {
            "; its KMS key is disabled or about to be deleted: enable the key".to_owned()
        }
        "ResourceNotFoundException" | "QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue" => {
            setting(on).map_or_else(String::new, |setting| {
                format!(
                    "; it does not exist in this account and region: check {setting}, the region and the credentials"
                )
            })
        }
        code if has_expired(code) => {
            "; the credentials have expired: renew them, and check this machine's clock".to_owned()
        }
        code if is_unaccepted(code) => {
            "; AWS does not accept these credentials: replace them, and check this machine's clock".to_owned()
        }
        "OptInRequired" => "; the account has not enabled this service or region".to_owned(),
        _ => String::new(),
    }
}

/// The credentials, or the signature made with them, have expired.
pub(super) fn has_expired(code: &str) -> bool {
    matches!(code, "ExpiredToken" | "ExpiredTokenException" | "RequestExpired")
}

/// The credentials, or the signature made with them, are wrong.
pub(super) fn is_unaccepted(code: &str) -> bool {
    matches!(
        code,
        "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClient"
            | "UnrecognizedClientException"
    )
}

/// The actions of IAM that a call needs. A transaction needs those of its parts.
fn actions(operation: &str, on: &Resource) -> String {
    match (on, operation) {
        (_, "TransactWriteItems") => "dynamodb:PutItem and dynamodb:UpdateItem".to_owned(),
        (Resource::Tasks(_) | Resource::Control(_) | Resource::Stream(_), _) => {
            format!("dynamodb:{operation}")
        }
        (Resource::Execution(_), _) => format!("states:{operation}"),
        (Resource::ClosedExecutions(_) | Resource::Hints(_) | Resource::DeadLetters(_), _) => {
            format!("sqs:{operation}")
        }
        (Resource::Function(_), _) => format!("lambda:{operation}"),
        (Resource::Quota(_), _) => format!("servicequotas:{operation}"),
        (Resource::EventBus(_), _) => format!("events:{operation}"),
    }
}

fn grant(operation: &str, on: &Resource) -> &'static str {
    match (on, operation) {
        (Resource::Execution(_), "DescribeExecution" | "GetExecutionHistory") => {
            "name its state machine in the parameter OtherStateMachines of ops/template.yaml (statement AskExecutions)"
        }
        (Resource::Execution(_), _) => {
            "name its state machine in the parameter OtherStateMachines of ops/template.yaml (statement AnswerWorkflows)"
        }
        (Resource::Tasks(_), _) => {
            "grant it to a worker by statement ReadAndMoveTasks of ops/template.yaml, to a person as ops/README.md, \
             Commands, says"
        }
        (Resource::Control(_), _) => {
            "grant it to a worker by statement Coordinate of ops/template.yaml, to a person as ops/README.md, Commands, \
             says"
        }
        (Resource::Stream(_), _) => "grant it by statement ReadStream of ops/template.yaml",
        (Resource::DeadLetters(_) | Resource::Function(_) | Resource::Quota(_), _) => {
            "grant it as ops/README.md, Commands, says"
        }
        (Resource::ClosedExecutions(_), _) => {
            "grant it by statement HearOfClosedExecutions of ops/template.yaml"
        }
        (Resource::Hints(_), _) => "grant it by statement ReceiveHints of ops/template.yaml",
        (Resource::EventBus(_), _) => "grant it by statement PublishNotices of ops/template.yaml",
    }
}

/// The setting that names a resource; none for what AWS names.
fn setting(on: &Resource) -> Option<&'static str> {
    match on {
        Resource::Tasks(_) => Some("tables.tasks"),
        Resource::Control(_) => Some("tables.control"),
        Resource::ClosedExecutions(_) => Some("queues.closed_executions"),
        Resource::Hints(_) => Some("queues.hints"),
        Resource::DeadLetters(_) => Some("the queue's URL under [queues]"),
        Resource::EventBus(_) => Some("notices.event_bus"),
        Resource::Stream(_) | Resource::Execution(_) | Resource::Function(_) | Resource::Quota(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{Class, Fault};
    use super::*;

    const TEMPLATE: &str = include_str!("../../../../ops/template.yaml");

    /// Every call that a worker makes.
    fn calls() -> Vec<(&'static str, Resource)> {
        let on = |resource: fn(String) -> Resource, operations: &[&'static str]| {
            let named = |operation: &&'static str| (*operation, resource("name".to_owned()));
            operations.iter().map(named).collect::<Vec<_>>()
        };
        [
            on(Resource::Tasks, &["DescribeTable", "GetItem", "Query", "UpdateItem"]),
            on(
                Resource::Control,
                &["GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"],
            ),
            on(Resource::Stream, &["DescribeStream", "GetRecords", "GetShardIterator"]),
            on(Resource::Execution, &["SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"]),
            on(Resource::Execution, &["DescribeExecution", "GetExecutionHistory"]),
            on(Resource::ClosedExecutions, &["ReceiveMessage", "DeleteMessage"]),
            on(Resource::Hints, &["ReceiveMessage", "DeleteMessage"]),
            on(Resource::EventBus, &["PutEvents"]),
        ]
        .concat()
    }

    /// The statement of the template that an advice names.
    fn statement(advice: &str) -> Option<&str> {
        let name = advice.split("statement ").nth(1)?;
        let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        TEMPLATE.split("- Sid: ").find(|statement| statement.starts_with(&format!("{name}\n")))
    }

    #[test]
    fn a_denied_call_names_its_action_and_the_statement_that_grants_it() {
        let mut seen = BTreeSet::new();
        for (operation, on) in calls() {
            let code = "AccessDeniedException".to_owned();
            let fault = Fault { operation, on: on.clone(), code, class: Class::Systemic }.to_string();
            let statement = statement(&fault).unwrap_or_else(|| panic!("no such statement: {fault}"));
            for action in actions(operation, &on).split(" and ") {
                assert!(fault.contains(action), "{fault}");
                assert!(statement.contains(action), "{action} is not in {statement}");
                seen.insert(action.to_owned());
            }
            assert_eq!(fault.contains("OtherStateMachines"), matches!(on, Resource::Execution(_)), "{fault}");
            assert!(fault.contains("name: AccessDeniedException; "), "{fault}");
        }
        assert!(seen.len() >= 16, "{seen:?}");
    }

    #[test]
    fn what_waiting_mends_has_no_advice() {
        for (operation, on) in calls() {
            for code in ["ThrottlingException", "no answer in time", "InternalServerError"] {
                assert_eq!(super::on(operation, &on, code), "");
            }
        }
        let missing = super::on("GetItem", &Resource::Tasks("t".to_owned()), "ResourceNotFoundException");
        assert!(missing.contains("tables.tasks"), "{missing}");
    }
}
