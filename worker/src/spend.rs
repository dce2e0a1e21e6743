//! What the rules may approve in an hour, over the whole fleet: never above the cap, possibly a little below.
//!
//! One counter an hour in the control table. A worker reserves a small chunk by a conditional update before the
//! decision is written, and spends it from memory; what is left when the hour ends or the worker stops is given up. So
//! the counter is not written for each task, and no crash can spend twice.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::Mutex;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use rules::settings::Budget;
use rust_decimal::Decimal;
use statemachine::task::Task;

use crate::aws::Fault;
use crate::clock;
use crate::control_table::{ControlTable, PK, SK};
use crate::task_table::{names, number, text};

/// A chunk is this part of the cap, at least what the task needs.
const CHUNKS: u64 = 100;
/// How long a counter is kept after its hour, in seconds.
const KEPT_SECONDS: i64 = 7 * 86_400;

/// What one approval takes from the caps of its ruleset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cap {
    Approvals,
    Amount,
}

impl Cap {
    fn name(self) -> &'static str {
        match self {
            Cap::Approvals => "approvals",
            Cap::Amount => "amount",
        }
    }
}

/// Whether an approval fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spent {
    /// It is paid for.
    Within,
    /// It would pass a cap; the text says which.
    Exhausted(String),
}

/// This process's reserved chunks, by counter.
#[derive(Debug, Default)]
pub struct Spend {
    left: Mutex<BTreeMap<String, Decimal>>,
}

impl Spend {
    /// Pays for one approval by the ruleset `name`.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the table does not answer; what was reserved is then given up.
    pub async fn pay(
        &self,
        table: &ControlTable,
        name: &str,
        budget: &Budget,
        task: &Task,
        now: Timestamp,
    ) -> Result<Spent, Fault> {
        let hour = clock::text(now)[..13].to_owned();
        if let Some(cap) = budget.approvals_per_hour {
            let counter = format!("{name}|{}|{hour}", Cap::Approvals.name());
            let cap = Decimal::from(cap);
            if !self.take(table, &counter, cap, Decimal::ONE, Cap::Approvals, now).await? {
                return Ok(Spent::Exhausted(format!("{cap} automatic approvals this hour")));
            }
        }
        if let Some((fact, cap)) = &budget.amount_per_hour {
            let cap = Decimal::from_str(cap).unwrap_or(Decimal::ZERO);
            let Some(amount) = amount(task, fact) else {
                return Ok(Spent::Exhausted(format!("{fact} is no amount, and its sum is capped")));
            };
            let counter = format!("{name}|{}|{hour}", Cap::Amount.name());
            if !self.take(table, &counter, cap, amount, Cap::Amount, now).await? {
                return Ok(Spent::Exhausted(format!(
                    "{fact} of {amount} on top of this hour's sum, at most {cap}"
                )));
            }
        }
        Ok(Spent::Within)
    }

    /// Takes from what is reserved, or reserves a chunk, or just what is needed.
    async fn take(
        &self,
        table: &ControlTable,
        counter: &str,
        cap: Decimal,
        need: Decimal,
        kind: Cap,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        if self.spend_reserve(counter, need) {
            return Ok(true);
        }
        let part = cap / Decimal::from(CHUNKS);
        let part = match kind {
            Cap::Approvals => part.floor(),
            Cap::Amount => part.round_dp(2),
        };
        for chunk in [part.max(need), need] {
            if table.reserve(counter, chunk, cap, now).await? {
                self.keep(counter, chunk - need);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn spend_reserve(&self, counter: &str, need: Decimal) -> bool {
        let mut left = self.lock();
        match left.get_mut(counter) {
            Some(reserve) if *reserve >= need => {
                *reserve -= need;
                true
            }
            Some(_) | None => false,
        }
    }

    fn keep(&self, counter: &str, rest: Decimal) {
        let mut left = self.lock();
        let hour = counter.rsplit('|').next().unwrap_or_default().to_owned();
        // Another hour's remainder is given up.
        left.retain(|other, _| other.ends_with(&hour));
        *left.entry(counter.to_owned()).or_default() += rest;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Decimal>> {
        self.left.lock().expect("no holder of the reserve panics")
    }
}

impl ControlTable {
    /// Adds `chunk` to a counter if it stays within `cap`; false when it would not.
    async fn reserve(
        &self,
        counter: &str,
        chunk: Decimal,
        cap: Decimal,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        if chunk > cap {
            return Ok(false);
        }
        let set = "SET #used = if_not_exists(#used, :zero) + :chunk, #expiresAt = :until";
        let condition = "attribute_not_exists(#used) OR #used <= :most";
        let decimal = |value: Decimal| AttributeValue::N(value.normalize().to_string());
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PK, text("spend"))
            .key(SK, text(counter))
            .update_expression(set)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[set, condition])))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":chunk", decimal(chunk))
            .expression_attribute_values(":most", decimal(cap - chunk))
            .expression_attribute_values(":until", number(now.as_second() + KEPT_SECONDS));
        match request.send().await {
            // A lost reply that the SDK repeats reserves twice: a little below the cap, never above.
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(Fault::of("UpdateItem", &error)),
            },
        }
    }
}

/// A capped amount of a task's order, exactly as its text says; none when it is absent, no number, or negative.
fn amount(task: &Task, fact: &str) -> Option<Decimal> {
    let order: serde_json::Value = serde_json::from_str(task.order.as_deref()?).ok()?;
    let path = fact.strip_prefix("order.").unwrap_or(fact);
    let value = path.split('.').try_fold(&order, |value, field| value.get(field))?;
    let text = match value {
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::String(text) => text.clone(),
        _ => return None,
    };
    let amount = Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text)).ok()?;
    (amount >= Decimal::ZERO).then_some(amount)
}
