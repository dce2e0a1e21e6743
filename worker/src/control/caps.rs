//! The hourly caps on the whole fleet's approvals: never exceeded, and possibly not quite used.
//!
//! One counter an hour in the control table. A worker reserves a small chunk by a conditional update before the
//! decision is written, and spends it from memory; the rest is lost when the hour ends or the worker stops. So the
//! counter is not written for each task, and no crash can spend twice. The counters belong to the fleet: a ruleset with
//! another name continues with them.

mod counter;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use rules::Measured;
use rules::settings::Budget;
use rust_decimal::Decimal;

use crate::aws::fault::Fault;
use crate::clock;
use crate::control::caps::counter::Reserved;
use crate::control::table::ControlTable;
use crate::metrics::Cap;

/// A chunk is this part of the cap, but at least what the task needs.
const CHUNKS: u64 = 100;

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

#[cfg(test)]
mod tests;
