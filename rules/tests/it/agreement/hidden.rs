//! Three policies that people follow and tell nobody, with two errors in a hundred.

use std::path::Path;

use rules::agreement::Answer;
use rules::check::{Format, check};
use rules::{Outcome, Ruleset, cases};

use super::{Draw, conditions, reviewed, stored, study, with_draft};

/// How many tasks teach the hidden policies: optimized, as many as a busy month has.
const TASKS: usize = if cfg!(debug_assertions) { 6_000 } else { 100_000 };
const TIERS: [&str; 3] = ["bronze", "silver", "gold"];
const COUNTRIES: [&str; 8] = ["DE", "FR", "NL", "AT", "PL", "RS", "BY", "TR"];

/// One order, as the hidden policies see it.
struct Order {
    cents: u64,
    tier: &'static str,
    country: &'static str,
    age: u64,
}

impl Order {
    fn draw(draw: &mut Draw) -> Order {
        let most = draw.of(&[100_000, 500_000, 1_200_000]);
        Order {
            cents: 100 + draw.below(most),
            tier: draw.of(&TIERS),
            country: draw.of(&COUNTRIES),
            age: draw.below(365),
        }
    }

    fn json(&self) -> String {
        let (euros, cents) = (self.cents / 100, self.cents % 100);
        format!(
            r#"{{"amount":{euros}.{cents:02},"currency":"EUR","customer":{{"id":"c-{euros}","tier":"{}","country":"{}","ageDays":{}}},
            "items":[{{"sku":"S-1","category":"books","quantity":1,"price":{euros}.{cents:02}}}]}}"#,
            self.tier, self.country, self.age
        )
    }

    /// What people do with an order that is left to them for this reason. They tell nobody.
    fn policy(&self, code: &str) -> Answer {
        let approves = match code {
            "over-tier-limit" => self.age >= 120 && self.cents <= 800_000,
            "new-customer" => self.cents <= 75_000,
            _ => !matches!(self.country, "RS" | "BY"),
        };
        if approves { Answer::Approved } else { Answer::Rejected }
    }
}

fn other(answer: Answer) -> Answer {
    if answer == Answer::Approved { Answer::Rejected } else { Answer::Approved }
}

fn sample() -> Ruleset {
    Ruleset::load(Path::new("scripts")).unwrap_or_else(|refused| panic!("{refused}"))
}

/// The sample's rules without its tests, which hold what people are taught to do otherwise here.
fn untested_sample() -> Ruleset {
    let mut files = sample().files().clone();
    files.retain(|path, _| !path.starts_with("tests/"));
    Ruleset::from_files(files).unwrap_or_else(|refused| panic!("{refused}"))
}

#[test]
fn hidden_policies_are_found_and_nothing_that_they_contradict() {
    let ruleset = untested_sample();
    let mut draw = Draw(7);
    let mut all = Vec::new();
    for number in 0..TASKS {
        let order = Order::draw(&mut draw);
        let errs = draw.below(100) < 2;
        let task = stored(number, 1 + number * 30 / TASKS, order.json());
        let task =
            reviewed(
                &ruleset,
                task,
                |code| {
                    if errs { other(order.policy(code)) } else { order.policy(code) }
                },
            );
        let before = ruleset.evaluate(&task.task.facts()).verdict;
        all.push((order, task, before));
    }
    let agreement = study(&ruleset, all.iter().map(|(_, task, _)| task));
    // Whether an order of exactly the limit was seen is chance.
    let said = conditions(&agreement);
    let said: Vec<_> =
        said.into_iter().map(|(code, answer, when)| (code, answer, when.replace("<=", "<"))).collect();
    for (code, answer, when) in [
        ("over-tier-limit", "approved", "order.amount < 8000 && order.customer.ageDays >= 120"),
        ("new-customer", "approved", "order.amount < 750"),
        (
            "no-rule-approved",
            "approved",
            "order.customer.country != \"BY\" && order.customer.country != \"RS\"",
        ),
    ] {
        assert!(
            said.contains(&(code, answer, when.to_owned())),
            "{code} {answer} {when} is not among {said:#?}"
        );
    }
    for proposal in &agreement.proposals {
        let files = with_draft(&ruleset, proposal);
        let checked = check(files.clone(), "2026-11-30");
        assert!(checked.is_ok(), "{}", checked.render(Format::Text));
        let changed = Ruleset::from_files(files).unwrap();
        let report = cases::run(&changed);
        assert!(report.is_ok() && report.cases >= 2, "{report}");
        // What the rule decides is what the proposal counted, and nobody's policy contradicts it.
        let mut decided = 0;
        for (order, task, before) in &all {
            let after = changed.evaluate(&task.task.facts()).verdict;
            let answer = match after.outcome() {
                _ if *before == after => continue,
                Outcome::Approve => Answer::Approved,
                Outcome::Reject => Answer::Rejected,
                // Where two rules ask for a person, the other one still does.
                Outcome::Escalate => continue,
            };
            assert_eq!(before.outcome(), Outcome::Escalate, "{}", proposal.condition);
            assert_eq!(answer, proposal.answer);
            assert_eq!(answer, order.policy(before.code()), "{}: {}", proposal.condition, order.json());
            decided += 1;
        }
        assert_eq!(decided, proposal.tasks, "{}", proposal.condition);
    }
}
