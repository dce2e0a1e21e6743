//! Hourly caps are the fleet's: no new name refills them, and no task pays twice.

use std::time::Duration;

use rules::Ruleset;
use statemachine::task::Task;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use worker::control::gate::{self, ControlItem};
use worker::lease::guard::{Guard, Validity};

use crate::office::Office;

fn ruleset(name: &str, budget: &str, more: &[(&str, &str)]) -> Ruleset {
    let settings = format!("name = \"{name}\"\n[budget]\n{budget}\n");
    let entries = [("ruleset.toml", settings.as_str()), ("rules/all.rhai", "approve(\"all\");\n")];
    let files = entries.iter().chain(more).map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    Ruleset::from_files(files.collect()).expect("it compiles")
}

/// An office whose rules may decide.
fn open(ruleset: Ruleset) -> Office {
    let office = Office::open();
    let state = &office.state;
    let followed = watch::Sender::new(ControlItem::default());
    let (gate, metrics) = (state.automation.gate.clone(), state.metrics.clone());
    state.tracker.spawn(gate::follow(state.control_table.clone(), gate, metrics, followed));
    state.automation.rules.activate(ruleset);
    office
}

/// Decides a task as a reader of the stream does; gives why it went to a person.
async fn decide(office: &Office, task: &Task) -> Option<(String, String)> {
    let validity = Validity::until(Instant::now() + Duration::from_secs(60));
    let guard = Guard::new(validity, CancellationToken::new());
    office.state.pipeline.decide(task, &guard).await.expect("the guard is live");
    let stored = office.state.tasks.get(&task.id).await.expect("the model answers").expect("it is stored");
    stored.escalation.map(|escalation| (escalation.code, escalation.reason))
}

async fn new_task(office: &Office, n: u32) -> Task {
    office.receive(&format!("o-{n}"), None).await.1
}

#[tokio::test(start_paused = true)]
async fn a_new_name_does_not_refill_the_hour() {
    let office = open(ruleset("first", "approvals_per_hour = 2", &[]));
    for n in 0..2 {
        assert_eq!(decide(&office, &new_task(&office, n).await).await, None);
    }
    office.state.automation.rules.activate(ruleset("second", "approvals_per_hour = 2", &[]));
    let (code, _) = decide(&office, &new_task(&office, 2).await).await.expect("the hour is used up");
    assert_eq!(code, "budget-exhausted");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_read_again_pays_for_no_task_twice() {
    let office = open(ruleset("shop", "approvals_per_hour = 10", &[]));
    let mut read = Vec::new();
    for n in 0..4 {
        let task = new_task(&office, n).await;
        assert_eq!(decide(&office, &task).await, None);
        read.push(task);
    }
    // As the stream has them: undecided.
    for task in read.iter().cycle().take(20) {
        assert_eq!(decide(&office, task).await, None);
    }
    for n in 4..10 {
        assert_eq!(decide(&office, &new_task(&office, n).await).await, None, "task {n} is within the cap");
    }
    let (code, _) = decide(&office, &new_task(&office, 10).await).await.expect("the hour is used up");
    assert_eq!(code, "budget-exhausted");
    sleep(Duration::from_secs(3_600)).await;
}

#[tokio::test(start_paused = true)]
async fn a_derived_fact_can_be_capped_and_a_masked_one_is_not_told() {
    let budget = "amount = \"order.doubled\"\namount_per_hour = 60";
    let schema = |masked: bool| {
        format!(
            "[fields]\namount = {{ type = \"money\", masked = {masked} }}\n\n[derived]\ndoubled = \"order.amount * 2\"\n"
        )
    };
    for (masked, told) in [
        (false, "order.doubled of 25 on top of this hour's sum, at most 60"),
        (true, "order.doubled on top of this hour's sum, at most 60"),
    ] {
        let schema = schema(masked);
        let office = open(ruleset("shop", budget, &[("schema/order.toml", &schema)]));
        for n in 0..2 {
            assert_eq!(decide(&office, &new_task(&office, n).await).await, None);
        }
        let (code, reason) = decide(&office, &new_task(&office, 2).await).await.expect("75 is above 60");
        assert_eq!(code, "budget-exhausted");
        assert!(reason.ends_with(told), "{reason}");
    }
}
