//! What the fleet may call, against what AWS allows this account in this region.

use serde_json::json;

use super::{CALL_TIMEOUT, Finding};
use crate::aws::fault::{Fault, Resource};
use crate::aws::json_service::{JsonService, Names, Request};
use crate::cli::store::Opened;
use crate::config::Budgets;

const ON: &str = "quotas";
const SERVICE_QUOTAS: Names = Names { id: "Service Quotas", host: "servicequotas" };
/// `MaximumConcurrency` of the template's event source mapping.
const FUNCTIONS: u32 = 10;
/// Write units of a task that a rule decides, with an order of half a kilobyte (ops/README.md, "Cost").
const UNITS_PER_TASK: u32 = 17;

/// A quota by its codes in Service Quotas, and what this deployment needs of it.
struct Quota {
    service: &'static str,
    code: &'static str,
    name: &'static str,
    needed: u32,
    /// What needs it, such as a setting.
    by: &'static str,
}

fn quotas(budgets: &Budgets, region: &str) -> [Quota; 7] {
    let send_task = budgets.send_task_in(region);
    let states = |code, name, needed, by| Quota { service: "states", code, name, needed, by };
    [
        states("L-EACE83FA", "SendTaskSuccess a second", send_task, "budgets.send_task"),
        states("L-91DFCA1B", "SendTaskFailure a second", send_task, "budgets.send_task"),
        states("L-2225B7C3", "SendTaskHeartbeat a second", send_task, "budgets.send_task"),
        states(
            "L-4A5FADE3",
            "DescribeExecution a second",
            budgets.describe_execution,
            "budgets.describe_execution",
        ),
        states(
            "L-144D81B0",
            "GetExecutionHistory a second",
            budgets.execution_history,
            "budgets.execution_history",
        ),
        Quota {
            service: "dynamodb",
            code: "L-AB614373",
            name: "write units of a table a second",
            needed: send_task.saturating_mul(UNITS_PER_TASK),
            by: "as many tasks as budgets.send_task answers",
        },
        Quota {
            service: "lambda",
            code: "L-B99A9384",
            name: "concurrent executions of functions",
            needed: FUNCTIONS,
            by: "the ingest function",
        },
    ]
}

pub(super) async fn check(opened: &Opened) -> Vec<Finding> {
    let Some(region) = opened.shared.region().map(ToString::to_string) else { return vec![] };
    let budgets = &opened.config.budgets;
    if opened.shared.endpoint_url().is_some() {
        // One that does not know the service may stand still for seconds while it looks for it.
        let what = "GetServiceQuota on quota L-EACE83FA of states: not called on an emulator";
        return not_asked(what, "ask AWS itself, without an endpoint URL", budgets, &region);
    }
    let service = JsonService::new(&opened.shared, SERVICE_QUOTAS, CALL_TIMEOUT);
    let quotas = quotas(budgets, &region);
    let mut values = vec![];
    // One after the other: if the first cannot be asked, none can.
    for quota in &quotas {
        match value(&service, quota).await {
            Ok(value) => values.push(value),
            Err(fault) => {
                let remedy = "run doctor with credentials that have servicequotas:GetServiceQuota";
                return not_asked(&fault.to_string(), remedy, budgets, &region);
            }
        }
    }
    compared(quotas.iter().zip(values))
}

/// Without Service Quotas the usual quotas are known.
fn not_asked(why: &str, remedy: &str, budgets: &Budgets, region: &str) -> Vec<Finding> {
    let remedy = format!("{remedy}; the usual quotas are compared instead");
    let mut findings = vec![Finding::warning(ON, format!("not asked: {why}"), remedy)];
    findings.extend(over_usual(budgets, region));
    findings
}

/// The account's value of a quota, or the default if the account never had another.
async fn value(service: &JsonService, quota: &Quota) -> Result<f64, Fault> {
    match ask(service, "servicequotas:GetServiceQuota", quota).await {
        Err(fault) if fault.code == "NoSuchResourceException" => {
            ask(service, "servicequotas:GetAWSDefaultServiceQuota", quota).await
        }
        answer => answer,
    }
}

async fn ask(service: &JsonService, action: &'static str, quota: &Quota) -> Result<f64, Fault> {
    let (_, operation) = action.split_once(':').unwrap_or(("", action));
    let on = Resource::Quota(format!("{} of {}", quota.code, quota.service));
    let body = json!({"ServiceCode": quota.service, "QuotaCode": quota.code});
    let request = Request::Post(format!("ServiceQuotasV20190624.{operation}"), body);
    let answer = service.call(action, on.clone(), request).await?;
    let value = answer["Quota"]["Value"].as_f64();
    value.ok_or_else(|| Fault::unreadable(operation, on, "a value"))
}

/// A warning for each quota below what is needed, or how much room there is.
fn compared<'a>(quotas: impl Iterator<Item = (&'a Quota, f64)>) -> Vec<Finding> {
    let (mut findings, mut room) = (vec![], vec![]);
    for (quota, value) in quotas {
        if f64::from(quota.needed) > value {
            findings.push(Finding::warning(
                ON,
                format!("{}: AWS allows {value}, and {} needs {}", quota.name, quota.by, quota.needed),
                format!(
                    "raise quota {} of {} in Service Quotas, or calls are throttled",
                    quota.code, quota.service
                ),
            ));
        } else {
            room.push(format!("{}: {} of {value}", quota.name, quota.needed));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(ON, format!("enough for the settings: {}", room.join(", "))));
    }
    findings
}

fn over_usual(budgets: &Budgets, region: &str) -> Option<Finding> {
    let usual = Budgets { send_task: 0, ..budgets.clone() }.send_task_in(region);
    (budgets.send_task > usual).then(|| {
        Finding::warning(
            ON,
            format!(
                "budgets.send_task is {}, and the usual quota of {region} allows {usual}",
                budgets.send_task
            ),
            "raise the quotas of SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat in Service Quotas first, or calls \
             are throttled",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use crate::config::Config;

    fn budgets(send_task: u32) -> Budgets {
        Budgets { send_task, ..Config::load(None, &[]).expect("the defaults").budgets }
    }

    #[test]
    fn a_rate_above_the_usual_quota_of_the_region_is_told() {
        for (send_task, region, is_told) in [
            (0, "eu-central-1", false),
            (291, "eu-central-1", false),
            (400, "eu-central-1", true),
            (400, "us-east-1", false),
        ] {
            let told = over_usual(&budgets(send_task), region);
            assert_eq!(told.is_some(), is_told, "{send_task} in {region}: {told:?}");
        }
    }

    #[test]
    fn each_quota_that_is_too_small_is_told_with_its_code() {
        let quotas = quotas(&budgets(0), "us-east-1");
        // AWS's defaults in the large regions.
        let usual = [500.0, 500.0, 500.0, 15.0, 20.0, 40_000.0, 1_000.0];
        let told = compared(quotas.iter().zip(usual));
        assert_eq!((told.len(), told[0].grade), (1, Grade::Ok), "{told:?}");
        assert!(told[0].what.contains("SendTaskSuccess a second: 485 of 500"), "{told:?}");
        for (index, quota) in quotas.iter().enumerate() {
            let mut less = usual;
            // A new account may run few functions at once.
            less[index] = 5.0;
            let told = compared(quotas.iter().zip(less));
            assert_eq!((told.len(), told[0].grade), (1, Grade::Warning), "{told:?}");
            assert!(told[0].remedy.contains(quota.code), "{told:?}");
        }
    }
}
