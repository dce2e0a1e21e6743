//! What is not proposed, and why.

use rules::Ruleset;
use rules::agreement::{Agreement, Answer, End};

use super::{ASKS, SCHEMA, Seen, conditions, small_set, study, taught};
use crate::claims::says;
use crate::evaluate::files;

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
