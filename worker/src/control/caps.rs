//! The hourly caps on the whole fleet's approvals: never exceeded, and possibly not quite used.
//!
//! One counter an hour in the control table. A worker reserves a small chunk by a conditional update before the
//! decision is written, and spends it from memory; the rest is lost when the hour ends or the worker stops. So the
//! counter is not written for each task, and no crash can spend twice. The counters belong to the fleet: a ruleset with
//! another name continues with them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use rules::Measured;
use rules::settings::Budget;
use rust_decimal::Decimal;

use crate::aws::attribute::{names, number, text};
use crate::aws::fault::Fault;
use crate::clock;
use crate::control::table::{ControlTable, PK, SK};
use crate::metrics::Cap;

/// A chunk is this part of the cap, but at least what the task needs.
const CHUNKS: u64 = 100;
/// How long a counter is kept after its hour, in seconds.
const KEPT_SECONDS: i64 = 7 * 86_400;

/// A cap of one ruleset in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What is capped.
    pub cap: Cap,
    /// The fact whose sum is capped, such as `order.amount`; none if approvals are counted.
    pub fact: Option<String>,
    /// The most in this hour, over the whole fleet.
    pub most: Decimal,
    /// The counter's key in the table.
    counter: String,
    /// The key of this process's reserve: what was reserved under another cap is not spent under this one.
    reserve: String,
}

impl Limit {
    /// The caps of a ruleset in the hour of `now`.
    pub fn all(budget: &Budget, now: Timestamp) -> Vec<Limit> {
        let hour = hour(now);
        let limit = |cap: Cap, fact, most: Decimal| {
            let counter = format!("{}|{hour}", cap.label());
            let reserve = format!("{most}|{counter}");
            Limit { cap, fact, most, counter, reserve }
        };
        let approvals = budget.approvals_per_hour.map(|most| limit(Cap::Approvals, None, most.into()));
        let amount = budget.amount_per_hour.as_ref();
        let amount = amount.map(|(fact, most)| limit(Cap::Amount, Some(fact.clone()), *most));
        approvals.into_iter().chain(amount).collect()
    }

    /// What one reservation takes at a time.
    fn chunk(&self) -> Decimal {
        let part = self.most / Decimal::from(CHUNKS);
        match self.cap {
            Cap::Approvals => part.floor(),
            Cap::Amount => part.round_dp(2),
        }
    }
}

/// The hour of a time in UTC, `2026-11-22T10`.
fn hour(now: Timestamp) -> String {
    clock::text(now)[..13].to_owned()
}

/// Whether an approval fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spent {
    /// It is reserved.
    Within,
    /// It would exceed a cap; the text says which.
    Exhausted(String),
}

/// What one approval has reserved: however often storing it is attempted, it reserves each cap once an hour.
#[derive(Debug, Default)]
pub struct Receipt {
    paid: Vec<(Limit, Decimal)>,
}

impl Receipt {
    /// Nothing is reserved yet.
    pub fn is_empty(&self) -> bool {
        self.paid.is_empty()
    }

    fn is_of(&self, limits: &[Limit]) -> bool {
        self.paid.iter().map(|(limit, _)| limit).eq(limits)
    }
}

/// This process's reserved chunks, by counter. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct HourlyCaps {
    counters: Arc<Mutex<BTreeMap<String, Counter>>>,
}

/// One counter as this process knows it.
#[derive(Debug, Default, Clone, Copy)]
struct Counter {
    /// Reserved by this process and not yet spent.
    left: Decimal,
    /// Reserved by the whole fleet, as the table last said.
    used: Decimal,
}

/// The table's response to a reservation, with what the fleet has reserved since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reserved {
    Yes(Decimal),
    /// It would exceed the cap.
    No(Decimal),
}

impl HourlyCaps {
    /// Reserves one approval of a task with this amount, unless its receipt shows that these caps are reserved.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call fails. What was taken from the other cap is returned, as it is when this cap is
    /// exhausted.
    pub async fn pay(
        &self,
        table: &ControlTable,
        budget: &Budget,
        amount: Measured,
        now: Timestamp,
        receipt: &mut Receipt,
    ) -> Result<Spent, Fault> {
        let limits = Limit::all(budget, now);
        if receipt.is_of(&limits) {
            return Ok(Spent::Within);
        }
        let mut taken = vec![];
        let paid = self.pay_each(table, limits, amount, now, &mut taken).await;
        if paid == Ok(Spent::Within) {
            receipt.paid = taken;
        } else {
            self.free(taken, now);
        }
        paid
    }

    /// Returns what was reserved for an approval that was not stored and never can be: the task has another answer.
    pub fn give_back(&self, receipt: &mut Receipt, now: Timestamp) {
        self.free(std::mem::take(&mut receipt.paid), now);
    }

    fn free(&self, taken: Vec<(Limit, Decimal)>, now: Timestamp) {
        for (limit, need) in taken {
            self.keep(&limit, need, Decimal::ZERO, now);
        }
    }

    async fn pay_each(
        &self,
        table: &ControlTable,
        limits: Vec<Limit>,
        amount: Measured,
        now: Timestamp,
        taken: &mut Vec<(Limit, Decimal)>,
    ) -> Result<Spent, Fault> {
        for limit in limits {
            let most = limit.most;
            let need = match &limit.fact {
                None => Decimal::ONE,
                Some(fact) => match amount.number.filter(|number| *number >= Decimal::ZERO) {
                    Some(number) => number,
                    None => {
                        return Ok(Spent::Exhausted(format!(
                            "{fact} is missing, negative or not a number, but the ruleset caps its hourly sum"
                        )));
                    }
                },
            };
            if !self.take(table, &limit, need, now).await? {
                return Ok(Spent::Exhausted(match &limit.fact {
                    None => format!("{most} automatic approvals this hour"),
                    Some(fact) if amount.is_masked => {
                        format!("{fact} on top of this hour's sum, at most {most}")
                    }
                    Some(fact) => format!("{fact} of {need} on top of this hour's sum, at most {most}"),
                }));
            }
            taken.push((limit, need));
        }
        Ok(Spent::Within)
    }

    /// What the fleet has reserved of a cap, as this process last saw it: 0 before its first reservation in this hour.
    pub fn seen(&self, limit: &Limit) -> Decimal {
        self.lock().get(&limit.reserve).map(|counter| counter.used).unwrap_or_default()
    }

    /// Takes from the reserve, or reserves a chunk, or only what is needed.
    async fn take(
        &self,
        table: &ControlTable,
        limit: &Limit,
        need: Decimal,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        if self.spend_reserve(limit, need) {
            return Ok(true);
        }
        for chunk in [limit.chunk().max(need), need] {
            // More than the whole cap fits in no hour: no call is needed.
            if chunk > limit.most {
                continue;
            }
            match table.reserve(limit, chunk, now).await? {
                Reserved::Yes(used) => {
                    self.keep(limit, chunk - need, used, now);
                    return Ok(true);
                }
                Reserved::No(used) => self.keep(limit, Decimal::ZERO, used, now),
            }
        }
        Ok(false)
    }

    fn spend_reserve(&self, limit: &Limit, need: Decimal) -> bool {
        match self.lock().get_mut(&limit.reserve) {
            Some(counter) if counter.left >= need => {
                counter.left -= need;
                true
            }
            Some(_) | None => false,
        }
    }

    fn keep(&self, limit: &Limit, rest: Decimal, used: Decimal, now: Timestamp) {
        let (mut counters, hour) = (self.lock(), hour(now));
        // An earlier hour's remainder is lost; what is returned late must not discard this hour's.
        counters.retain(|other, _| other.rsplit('|').next().is_some_and(|of| of >= hour.as_str()));
        let counter = counters.entry(limit.reserve.clone()).or_default();
        counter.left += rest;
        // Responses may arrive out of order; a counter only grows.
        counter.used = counter.used.max(used);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Counter>> {
        self.counters.lock().expect("no holder of the reserve panics")
    }
}

impl ControlTable {
    /// What the whole fleet has reserved of a cap, read consistently. Not all of it may be spent.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the call fails.
    pub async fn reserved(&self, limit: &Limit) -> Result<Decimal, Fault> {
        let request = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PK, text("spend"))
            .key(SK, text(&limit.counter))
            .consistent_read(true);
        let answer = request.send().await.map_err(|error| Fault::of("GetItem", self.resource(), &error))?;
        answer.item().map_or(Ok(Decimal::ZERO), |item| self.used(item, "GetItem"))
    }

    /// Adds `chunk` to a counter if it stays within its cap.
    async fn reserve(&self, limit: &Limit, chunk: Decimal, now: Timestamp) -> Result<Reserved, Fault> {
        let set = "SET #used = if_not_exists(#used, :zero) + :chunk, #expiresAt = :until";
        let condition = "attribute_not_exists(#used) OR #used <= :most";
        let decimal = |value: Decimal| AttributeValue::N(value.normalize().to_string());
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PK, text("spend"))
            .key(SK, text(&limit.counter))
            .update_expression(set)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[set, condition])))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":chunk", decimal(chunk))
            .expression_attribute_values(":most", decimal(limit.most - chunk))
            .expression_attribute_values(":until", number(now.as_second() + KEPT_SECONDS))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match request.send().await {
            // If a response is lost, the SDK's retry reserves twice: a little below the cap, never above.
            Ok(answer) => answer
                .attributes()
                .ok_or_else(|| Fault::unreadable("UpdateItem", self.resource(), "the new item"))
                .and_then(|item| self.used(item, "UpdateItem"))
                .map(Reserved::Yes),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => failed
                    .item()
                    .map_or(Ok(limit.most), |item| self.used(item, "UpdateItem"))
                    .map(Reserved::No),
                _ => Err(Fault::of("UpdateItem", self.resource(), &error)),
            },
        }
    }

    /// A counter's sum, rounded if the table has more digits than a [`Decimal`]: for display, never for arithmetic.
    fn used(
        &self,
        item: &HashMap<String, AttributeValue>,
        operation: &'static str,
    ) -> Result<Decimal, Fault> {
        let used = item.get("used").and_then(|used| used.as_n().ok());
        let used = used.and_then(|text| text.parse().or_else(|_| Decimal::from_scientific(text)).ok());
        used.ok_or_else(|| Fault::unreadable(operation, self.resource(), "a readable counter"))
    }
}

#[cfg(test)]
mod tests {
    use model::{Fault as Injected, Matcher, Rule, Service, World};

    use super::*;
    use crate::stream::tests::{CONTROL, world};

    fn control() -> (World, ControlTable) {
        let world = world();
        let table = ControlTable::new(world.client_for("w1").dynamodb(), CONTROL);
        (world, table)
    }

    fn of(amount: u32) -> Measured {
        Measured { number: Some(amount.into()), is_masked: false }
    }

    #[tokio::test(start_paused = true)]
    async fn an_approval_that_the_other_cap_refuses_is_free_for_the_next() {
        let (world, table) = control();
        let amount = Some(("order.amount".to_owned(), Decimal::ONE_HUNDRED));
        let budget = Budget { approvals_per_hour: Some(2), amount_per_hour: amount };
        let (spend, now) = (HourlyCaps::default(), Timestamp::UNIX_EPOCH);
        let pay = async |amount| spend.pay(&table, &budget, amount, now, &mut Receipt::default()).await;
        let large = of(200);
        for _ in 0..3 {
            let paid = pay(large).await.unwrap();
            assert!(matches!(paid, Spent::Exhausted(_)), "{paid:?}");
        }
        let small = of(10);
        let amounts = Matcher::operation("UpdateItem")
            .when(|call| call.body["Key"][SK]["S"].as_str().is_some_and(|key| key.starts_with("amount|")));
        let denied = world.inject(Rule::new(amounts, Injected::Refused(Service::DynamoDb.access_denied())));
        for _ in 0..3 {
            pay(small).await.unwrap_err();
        }
        world.end(denied);
        for _ in 0..2 {
            assert_eq!(pay(small).await.unwrap(), Spent::Within);
        }
        let third = pay(small).await.unwrap();
        assert_eq!(third, Spent::Exhausted("2 automatic approvals this hour".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_back_late_leaves_the_next_hours_reserve() {
        let (_world, table) = control();
        let budget = Budget { approvals_per_hour: Some(1_000), amount_per_hour: None };
        let (spend, before) = (HourlyCaps::default(), Timestamp::UNIX_EPOCH);
        let after = before + jiff::SignedDuration::from_hours(1);
        let mut receipt = Receipt::default();
        for _ in 0..2 {
            spend.pay(&table, &budget, of(1), after, &mut receipt).await.unwrap();
        }
        let [limit] = &Limit::all(&budget, after)[..] else { panic!("one cap") };
        let left = || spend.lock()[&limit.reserve].left;
        assert_eq!(left(), Decimal::from(9), "a chunk of ten, and one approval however often it is stored");
        let [late] = &Limit::all(&budget, before)[..] else { panic!("one cap") };
        spend.keep(late, Decimal::ONE, Decimal::ONE, before);
        assert_eq!(left(), Decimal::from(9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lower_cap_is_not_passed_by_what_was_reserved_below_a_higher_one() {
        let (_world, table) = control();
        let cap = |most| Budget { approvals_per_hour: Some(most), amount_per_hour: None };
        let (caps, now) = (HourlyCaps::default(), Timestamp::UNIX_EPOCH);
        let pay =
            async |most| caps.pay(&table, &cap(most), of(1), now, &mut Receipt::default()).await.unwrap();
        assert_eq!(pay(1_000).await, Spent::Within, "ten are reserved, and one is spent");
        assert!(matches!(pay(5).await, Spent::Exhausted(_)), "ten are used of five");
        assert_eq!(pay(1_000).await, Spent::Within);
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_approval_came_of_is_given_back_and_a_masked_amount_is_not_told() {
        let (_world, table) = control();
        let amount = Some(("order.amount".to_owned(), Decimal::ONE_HUNDRED));
        let budget = Budget { approvals_per_hour: Some(1), amount_per_hour: amount };
        let (caps, now) = (HourlyCaps::default(), Timestamp::UNIX_EPOCH);
        let mut receipt = Receipt::default();
        for _ in 0..3 {
            let paid = caps.pay(&table, &budget, of(77), now, &mut receipt).await.unwrap();
            assert_eq!((paid, receipt.is_empty()), (Spent::Within, false));
            caps.give_back(&mut receipt, now);
        }
        let masked = Measured { is_masked: true, ..of(177) };
        let Spent::Exhausted(told) = caps.pay(&table, &budget, masked, now, &mut receipt).await.unwrap()
        else {
            panic!("177 is above the cap")
        };
        assert_eq!(told, "order.amount on top of this hour's sum, at most 100");
    }
}
