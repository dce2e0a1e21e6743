//! What people's decisions teach: hidden policies are found, and nothing that they contradict is proposed.

mod hidden;
mod refusals;

use rules::agreement::{Agreement, Answer, End, Escalation, Proposal, Reviewed, Study};
use rules::backtest::StoredTask;
use rules::check::{Format, check};
use rules::{Files, Outcome, Ruleset};

use crate::claims::says;
use crate::evaluate::files;

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
