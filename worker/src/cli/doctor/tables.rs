//! The two tables: keys, indexes, time to live, and what keeps them safe. And the clock, by the date of an answer.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{IndexStatus, KeySchemaElement, TableDescription, TimeToLiveStatus};
use statemachine::task::{attribute, index};

use super::{Finding, unseen};
use crate::aws::clients::Clients;
use crate::aws::date::{ServerDate, seconds_ahead};
use crate::aws::fault::{Fault, Resource};
use crate::config;

const TASKS: &str = "tasks table";
const CONTROL: &str = "control table";
const CLOCK: &str = "clock";
const TEMPLATE: &str = "deploy ops/template.yaml, which sets it";
/// From here a worker ends by itself.
const FAR: i64 = 300;
/// A difference that a synchronized clock does not have.
const NOTABLE: i64 = 5;

pub(super) async fn check(clients: &Clients, tables: &config::Tables) -> Vec<Finding> {
    let client = &clients.dynamodb;
    let tasks = (TASKS, Resource::Tasks(tables.tasks.clone()), tables.tasks.as_str());
    let control = (CONTROL, Resource::Control(tables.control.clone()), tables.control.as_str());
    let mut findings = vec![];
    for ((on, resource, name), keys, indexes) in [
        (
            tasks,
            [attribute::TASK_ID].as_slice(),
            [index::WORKLIST, index::BY_ORDER, index::BY_TRANSACTION].as_slice(),
        ),
        (control, ["pk", "sk"].as_slice(), [].as_slice()),
    ] {
        let date = ServerDate::default();
        let sent = crate::cli::clock().now().as_second();
        let request = client.describe_table().table_name(name).customize().interceptor(date.clone());
        let answer = request.send().await;
        if let (TASKS, Some(date)) = (on, date.seconds()) {
            findings.push(clock(seconds_ahead(sent, date, crate::cli::clock().now().as_second())));
        }
        let description = match answer {
            Ok(answer) => answer.table.unwrap_or_else(|| TableDescription::builder().build()),
            Err(error) => {
                let fault = Fault::of("DescribeTable", resource, &error);
                // The workers describe the tasks table, to find its stream.
                findings.push(match on {
                    CONTROL => unseen(on, &fault),
                    _ => Finding::broken(on, fault.to_string(), ""),
                });
                continue;
            }
        };
        findings.extend(shape(on, name, &description, keys, indexes));
        findings.push(expiry(client, on, name, resource).await);
    }
    findings
}

fn clock(ahead: i64) -> Finding {
    let what = match ahead {
        0.. => format!("this machine is {ahead} s ahead of AWS"),
        _ => format!("this machine is {} s behind AWS", -ahead),
    };
    let remedy = "synchronize its clock, for example with chrony";
    match ahead.abs() {
        FAR.. => Finding::broken(CLOCK, what, remedy),
        NOTABLE.. => Finding::warning(CLOCK, what, remedy),
        _ => Finding::ok(CLOCK, "agrees with AWS"),
    }
}

fn shape(
    on: &'static str,
    name: &str,
    table: &TableDescription,
    keys: &[&str],
    indexes: &[&str],
) -> Vec<Finding> {
    let has: Vec<&str> = table.key_schema().iter().map(KeySchemaElement::attribute_name).collect();
    if has != keys {
        let what = format!("{name} has the key {}, not {}", has.join(", "), keys.join(", "));
        return vec![Finding::broken(
            on,
            what,
            "the settings name another table: check tables.tasks and tables.control",
        )];
    }
    let mut findings = vec![];
    for index in indexes {
        let found = table.global_secondary_indexes().iter().find(|found| found.index_name() == Some(*index));
        match found.map(|found| found.index_status()) {
            // An emulator may say nothing of it.
            Some(None | Some(IndexStatus::Active)) => {}
            Some(Some(status)) => {
                let what = format!("index {index} is {}", status.as_str());
                findings.push(Finding::warning(on, what, "wait until it is ACTIVE"));
            }
            None => findings.push(Finding::broken(on, format!("{name} lacks the index {index}"), TEMPLATE)),
        }
    }
    if !table.deletion_protection_enabled().unwrap_or_default() {
        let remedy = "deploy with DeletionProtection=true";
        findings.push(Finding::warning(on, format!("{name} is not protected against deletion"), remedy));
    }
    if findings.iter().all(|finding| finding.grade != super::Grade::Broken) {
        findings.insert(0, Finding::ok(on, format!("{name} has its keys and indexes")));
    }
    findings
}

async fn expiry(client: &Client, on: &'static str, name: &str, resource: Resource) -> Finding {
    let answer = match client.describe_time_to_live().table_name(name).send().await {
        Ok(answer) => answer.time_to_live_description,
        Err(error) => {
            let fault = Fault::of("DescribeTimeToLive", resource, &error);
            return Finding::warning(
                on,
                format!("not checked whether {name} deletes old items: {fault}"),
                "",
            );
        }
    };
    let is_on = answer.is_some_and(|expiry| {
        matches!(expiry.time_to_live_status(), Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
            && expiry.attribute_name() == Some(attribute::EXPIRES_AT)
    });
    if is_on {
        Finding::ok(on, format!("{name} deletes old items by {}", attribute::EXPIRES_AT))
    } else {
        let what = format!("{name} deletes no old items: its time to live is not {}", attribute::EXPIRES_AT);
        Finding::warning(on, what, TEMPLATE)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn a_clock_that_differs_is_told_with_its_side() {
        for (ahead, grade, text) in [
            (0, Grade::Ok, "agrees"),
            (-4, Grade::Ok, "agrees"),
            (5, Grade::Warning, "5 s ahead"),
            (-299, Grade::Warning, "299 s behind"),
            (300, Grade::Broken, "300 s ahead"),
        ] {
            let finding = clock(ahead);
            assert_eq!(finding.grade, grade, "{finding:?}");
            assert!(finding.what.contains(text), "{finding:?}");
        }
    }
}
