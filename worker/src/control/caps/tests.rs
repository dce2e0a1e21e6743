use model::{Fault as Injected, Matcher, Rule, Service, World};

use super::*;
use crate::control::table::SK;
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
    let pay = async |most| caps.pay(&table, &cap(most), of(1), now, &mut Receipt::default()).await.unwrap();
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
    let Spent::Exhausted(told) = caps.pay(&table, &budget, masked, now, &mut receipt).await.unwrap() else {
        panic!("177 is above the cap")
    };
    assert_eq!(told, "order.amount on top of this hour's sum, at most 100");
}
