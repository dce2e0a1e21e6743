//! What people's decisions teach: hidden policies are found, and nothing that they contradict is proposed.

use std::path::Path;

use rules::agreement::{Agreement, Answer, End, Escalation, Proposal, Reviewed, Study};
use rules::backtest::StoredTask;
use rules::check::{Format, check};
use rules::{Files, Outcome, Ruleset, cases};

use crate::claims::says;
use crate::evaluate::files;

/// How many tasks teach the hidden policies: optimized, as many as a busy month has.
const TASKS: usize = if cfg!(debug_assertions) { 6_000 } else { 100_000 };
const TIERS: [&str; 3] = ["bronze", "silver", "gold"];
const COUNTRIES: [&str; 8] = ["DE", "FR", "NL", "AT", "PL", "RS", "BY", "TR"];

/// A draw that is the same on every machine: splitmix64.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        let place = self.below(all.len() as u64);
        all[usize::try_from(place).expect("it is below the length")]
    }
}

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

fn stored(number: usize, day: usize, order: String) -> StoredTask {
    StoredTask {
        task_id: format!("{number:032x}"),
        order: Some(order),
        order_id: format!("o-{number}"),
        received_at: format!("2026-11-{day:02}T10:00:00Z"),
        ..StoredTask::default()
    }
}

/// A task as the rules and then a person dealt with it.
fn reviewed(ruleset: &Ruleset, task: StoredTask, answer: impl FnOnce(&str) -> Answer) -> Reviewed {
    let verdict = ruleset.evaluate(&task.facts()).verdict;
    if verdict.outcome() != Outcome::Escalate {
        return Reviewed { task, escalation: None, end: End::ByRule(Answer::Approved) };
    }
    let escalation = Escalation {
        code: verdict.code().to_owned(),
        rule: verdict.rule().map(str::to_owned),
        reason: verdict.text().to_owned(),
        at: task.received_at.clone(),
    };
    let end = End::ByPerson { answer: answer(verdict.code()), at: task.received_at.replace("T10", "T11") };
    Reviewed { task, escalation: Some(escalation), end }
}

fn study<'a>(ruleset: &Ruleset, tasks: impl IntoIterator<Item = &'a Reviewed>) -> Agreement {
    let mut study = Study::new(ruleset);
    tasks.into_iter().for_each(|task| study.add(task));
    study.finish()
}

fn conditions(agreement: &Agreement) -> Vec<(&str, &str, &str)> {
    agreement.proposals.iter().map(|p| (p.code.as_str(), p.answer.as_str(), p.condition.as_str())).collect()
}

fn with_draft(ruleset: &Ruleset, proposal: &Proposal) -> Files {
    let draft =
        proposal.draft.as_ref().unwrap_or_else(|| panic!("{}: {:?}", proposal.condition, proposal.by_hand));
    let mut files = ruleset.files().clone();
    files.extend(draft.files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())));
    files
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

const SCHEMA: &str = "[fields]\namount = \"money\"\nscore = { type = \"integer\", masked = true }\nvip = \"boolean\"\n\
                      coupon = { type = \"text\", optional = true }\n\"items[].kind\" = \"text\"\n\
                      [derived]\nrisk = 'order.score * 2'\n";
const ASKS: &str = "//! id: large\n//! may: escalate\nif order.amount > 100 {\n    escalate(\"large\", `${order.amount} is large`);\n}\n";

fn small_set(more: &[(&str, &str)]) -> Ruleset {
    let settings = "amounts = [\"order.amount\"]\n";
    let mut all = vec![
        ("ruleset.toml", settings),
        ("schema/order.toml", SCHEMA),
        ("rules/large.rhai", ASKS),
        ("lists/toys.txt", "doll\nkite\n"),
    ];
    all.retain(|(path, _)| more.iter().all(|(other, _)| other != path));
    all.extend(more);
    Ruleset::from_files(files(&all)).unwrap_or_else(|refused| panic!("{refused}"))
}

/// A task of the small set, as the one who decides it sees it.
struct Seen<'a> {
    number: usize,
    euros: u64,
    score: u64,
    vip: bool,
    coupon: bool,
    kind: &'static str,
    draw: &'a mut Draw,
}

/// Four hundred tasks over ten days, and whether each is approved.
fn taught(ruleset: &Ruleset, approves: impl Fn(Seen<'_>) -> bool) -> Vec<Reviewed> {
    let mut draw = Draw(3);
    let task = |number: usize| {
        let (euros, score, vip) = (110 + 10 * draw.below(90), draw.below(100), draw.below(2) == 0);
        let (coupon, kind) = (draw.below(2) == 0, draw.of(&["doll", "kite", "book", "lamp"]));
        let given = if coupon { r#","coupon":"X1""# } else { "" };
        let order = format!(
            r#"{{"amount":{euros}.00,"score":{score},"vip":{vip},"items":[{{"kind":"{kind}"}}]{given}}}"#
        );
        let approved = approves(Seen { number, euros, score, vip, coupon, kind, draw: &mut draw });
        let answer = if approved { Answer::Approved } else { Answer::Rejected };
        reviewed(ruleset, stored(number, 1 + number / 40, order), |_| answer)
    };
    (0..400).map(task).collect()
}

#[test]
fn every_kind_of_fact_can_tell_and_each_draft_passes() {
    says("the simplest condition under which people always decided alike");
    says("the rule passes `check`, and its cases pass `test`");
    says("changes that rule, which then decides before it escalates");
    let ruleset = small_set(&[]);
    type Policy = fn(Seen<'_>) -> bool;
    let policies: [(&str, Policy); 5] = [
        ("order.amount <= 500", |task| task.euros <= 500),
        ("order.vip", |task| task.vip),
        ("order.has(\"coupon\")", |task| task.coupon),
        ("order.items.any_in(\"kind\", lists.toys)", |task| matches!(task.kind, "doll" | "kite")),
        ("order.amount >= 300 && order.amount <= 600", |task| (300..=600).contains(&task.euros)),
    ];
    for (condition, policy) in policies {
        let tasks = taught(&ruleset, policy);
        let agreement = study(&ruleset, &tasks);
        let approvals: Vec<_> =
            agreement.proposals.iter().filter(|proposal| proposal.answer == Answer::Approved).collect();
        let [proposal] = approvals.as_slice() else { panic!("{condition}: {:?}", conditions(&agreement)) };
        assert_eq!(proposal.condition, condition);
        assert!(proposal.unanimous && proposal.counter_examples.is_empty());
        let checked = check(with_draft(&ruleset, proposal), "2026-11-30");
        assert!(checked.is_ok(), "{condition}: {}", checked.render(Format::Text));
        // The rule asks for a person as before where the condition is not met.
        let changed = checked.ruleset.expect("it is ok");
        for task in &tasks {
            let approves = changed.evaluate(&task.task.facts()).verdict.outcome() == Outcome::Approve;
            let End::ByPerson { answer, .. } = task.end else { panic!("all are decided") };
            assert_eq!(approves, answer == Answer::Approved, "{condition}: {task:?}");
        }
    }
}

#[test]
fn what_nobody_has_seen_is_not_approved() {
    says("if rare texts were seen, no `!=` is tried");
    let ruleset = small_set(&[]);
    let says_not =
        |agreement: &Agreement| agreement.proposals.iter().any(|proposal| proposal.condition.contains("!="));
    let mut tasks = taught(&ruleset, |task| task.kind == "book");
    for (number, task) in tasks.iter_mut().enumerate() {
        // The same kinds as a field of the order, and once a kind that nobody has seen.
        let kind = if number == 7 { "globe" } else { ["doll", "kite", "lamp", "book"][number % 4] };
        let order = task.task.order.as_mut().expect("it has one");
        *order = order.replace("\"vip\"", &format!("\"kind\":\"{kind}\",\"vip\""));
        let answer = if number % 4 == 3 && number != 7 { Answer::Rejected } else { Answer::Approved };
        task.end = End::ByPerson { answer, at: task.task.received_at.replace("T10", "T11") };
    }
    let schema = SCHEMA.replace("vip = ", "kind = \"text\"\nvip = ");
    let with_kind = small_set(&[("schema/order.toml", &schema)]);
    assert!(!says_not(&study(&with_kind, &tasks)));
    tasks.remove(7);
    assert!(says_not(&study(&with_kind, &tasks)));
}

#[test]
fn a_masked_fact_teaches_nothing_and_neither_does_what_is_made_of_it() {
    says("it reads no masked fact");
    let ruleset = small_set(&[]);
    let agreement = study(&ruleset, &taught(&ruleset, |task| task.score < 50));
    assert_eq!(conditions(&agreement), []);
}

#[test]
fn chance_teaches_nothing() {
    says("it is not chance");
    let ruleset = small_set(&[]);
    for approved in [50, 90, 95] {
        let agreement = study(&ruleset, &taught(&ruleset, |task| task.draw.below(100) < approved));
        assert_eq!(conditions(&agreement), [], "{approved} of 100 are approved");
    }
}

#[test]
fn a_proposal_has_few_counter_examples_and_lists_each_with_its_amount() {
    says("at most 3 % of the tasks that meet the condition were decided otherwise");
    says("is marked *not unanimous* if there is any");
    says("with its amount (the first of `amounts`)");
    let ruleset = small_set(&[]);
    let one_in =
        |n: usize| study(&ruleset, &taught(&ruleset, |task| (task.euros <= 500) == (task.number % n != 0)));
    let few = one_in(50);
    assert!(!few.proposals.is_empty());
    for proposal in &few.proposals {
        let against = proposal.tasks - proposal.same;
        assert!(against > 0 && against * 100 <= proposal.tasks * 3, "{}", proposal.condition);
        assert!(!proposal.unanimous);
        assert_eq!(proposal.counter_examples.len() as u64, against);
        assert!(proposal.counter_examples.iter().all(|example| example.money.is_some()));
    }
    assert!(few.to_string().contains("not unanimous"), "{few}");
    assert_eq!(conditions(&one_in(20)), [], "5 % were decided otherwise");
}

#[test]
fn without_a_schema_there_are_no_proposals() {
    says("Without a schema there are no proposals.");
    let with = small_set(&[]);
    let without = Ruleset::from_files(files(&[("rules/large.rhai", ASKS)])).unwrap();
    let tasks = taught(&without, |task| task.euros <= 500);
    assert_eq!(conditions(&study(&without, &tasks)), []);
    assert!(!study(&with, &taught(&with, |task| task.euros <= 500)).proposals.is_empty());
}

#[test]
fn a_test_that_contradicts_a_proposal_is_named_with_it() {
    says("If one of your own tests contradicts it, the proposal names that test.");
    let tests = "[[case]]\nname = \"two hundred go to a person\"\nexpect = \"escalate\"\ncodes = [\"large\"]\n\
                 set = { amount = 200, score = 1, vip = true, items = [] }\n";
    let ruleset = small_set(&[("tests/large.toml", tests)]);
    let agreement = study(&ruleset, &taught(&ruleset, |task| task.euros <= 500));
    let text = agreement.to_string();
    assert!(text.contains("two hundred go to a person"), "{text}");
}

#[test]
fn what_the_later_days_contradict_is_not_proposed() {
    says("it was found in the earlier days, and the later days, at least a quarter of the tasks, confirm it");
    let ruleset = small_set(&[]);
    let changed = |task: Seen<'_>| (task.euros <= 500) == (task.number < 300);
    let agreement = study(&ruleset, &taught(&ruleset, changed));
    assert_eq!(conditions(&agreement), []);
}

#[test]
fn what_must_never_happen_is_not_proposed() {
    says("contradicts no `[[never]]` of the tests");
    let never = "[[never]]\nname = \"nothing above 400 is approved\"\nwhen = \"order.amount > 400\"\nexpect_not = \"approve\"\n";
    let ruleset = small_set(&[("tests/never.toml", never)]);
    let agreement = study(&ruleset, &taught(&ruleset, |task| task.euros <= 500));
    assert!(
        conditions(&agreement).iter().all(|(_, answer, _)| *answer == "rejected"),
        "{:?}",
        conditions(&agreement)
    );
}

#[test]
fn a_part_that_people_decide_otherwise_is_left_out() {
    says("no subgroup of its tasks was decided otherwise");
    let ruleset = small_set(&[]);
    // Two facts tell; a third is needed for a few: neither of the two may be proposed as if there were none.
    let agreement =
        study(&ruleset, &taught(&ruleset, |task| task.vip && task.euros <= 700 && task.number % 60 != 7));
    for proposal in &agreement.proposals {
        assert!(proposal.same * 100 >= proposal.tasks * 97, "{}", proposal.condition);
        assert_eq!(proposal.unanimous, proposal.counter_examples.is_empty());
    }
}

#[test]
fn in_a_set_where_the_first_rule_wins_the_draft_decides_too() {
    let later =
        "//! id: zlater\n//! priority: 200\n//! may: reject\nreject(\"all\", \"nothing else is sold\");\n";
    let settings = "combine = \"first-match\"\n";
    let ruleset = small_set(&[("ruleset.toml", settings), ("rules/zlater.rhai", later)]);
    let agreement = study(&ruleset, &taught(&ruleset, |task| task.vip));
    let mut said = conditions(&agreement);
    said.sort_unstable();
    assert_eq!(said, [("large", "approved", "order.vip"), ("large", "rejected", "!order.vip")]);
    for proposal in &agreement.proposals {
        assert!(check(with_draft(&ruleset, proposal), "2026-11-30").is_ok());
    }
}

#[test]
fn the_report_says_who_agreed_and_who_did_not() {
    let before = small_set(&[]);
    let mut tasks = taught(&before, |task| task.euros <= 500 && task.number % 150 != 40);
    for (number, task) in tasks.iter_mut().enumerate() {
        match number % 50 {
            1 => task.end = End::Expired,
            2 => task.end = End::Open,
            _ => {}
        }
    }
    let agreement = study(&before, &tasks);
    insta::assert_snapshot!("agreement-text", agreement.to_string());
    let candidate = ASKS.replace("may: escalate", "may: escalate, approve").replace(
        "    escalate",
        "    if order.amount <= 520 {\n        approve(\"medium\");\n    }\n    escalate",
    );
    let after = small_set(&[("rules/large.rhai", &candidate)]);
    let mut agreement = study(&after, &tasks);
    agreement.proposals.clear();
    insta::assert_snapshot!("agreement-candidate", agreement.to_string());
    insta::assert_snapshot!("agreement-json", agreement.to_json());
}
