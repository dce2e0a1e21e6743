//! A workflow that passes its token with its order: rules that quote the order quote no token.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use rules::{Files, Ruleset};
use statemachine::compact::Compact;
use statemachine::task::Task;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use worker::control::gate::{self, ControlItem};
use worker::lease::guard::{Guard, Validity};
use worker::tasks::archive::Archive;

use crate::office::Office;

/// An office whose rules put the order's texts into everything they can say.
fn office(verdict: &str) -> Office {
    let office = Office::open();
    let script =
        format!("let quoted = `${{order.note}} and ${{order.names[0]}}`;\n{verdict}(\"odd\", quoted);");
    let state = &office.state;
    let files = Files::from([("rules/quotes.rhai".to_owned(), script.into_bytes())]);
    state.automation.rules.activate(Ruleset::from_files(files).expect("a ruleset"));
    let followed = watch::Sender::new(ControlItem::default());
    let (table, gate, metrics) =
        (state.control_table.clone(), state.automation.gate.clone(), state.metrics.clone());
    state.tracker.spawn(gate::follow(table, gate, metrics, followed));
    office
}

/// The order holds the token as a value, within a text, as a key, and with escapes. It has so much more text.
fn order(token: &str, more: usize) -> String {
    let more = "more ".repeat(more / 5);
    let escaped: String = token.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    format!(
        r#"{{"note":"see <{token}> or {escaped}","names":["{token}"],"context":{{"{token}":1}},"amount":1.50,"more":"{more}"}}"#
    )
}

/// Everything that is stored of a task but its token and its order, also what is compressed; and what its workflow
/// received.
async fn stored(office: &Office, task: &Task) -> String {
    let client = office.world.client_for("operator").dynamodb();
    let request = client.get_item().table_name("tasks").key("taskId", AttributeValue::S(task.id.to_string()));
    let mut item = request.send().await.expect("the model answers").item.expect("it is stored");
    item.remove("taskToken");
    let order = item.remove("order").expect("it has one");
    assert_eq!(order.is_b(), task.order_text().expect("it has one").len() > 5_000);
    let compressed: Vec<String> = item
        .values()
        .filter_map(|value| value.as_b().ok())
        .map(|bytes| Compact::Deflated(bytes.as_ref().to_vec()).text().expect("a text").into_owned())
        .collect();
    assert!(compressed.iter().any(|text| text.contains("verdict")), "the evaluation: {compressed:?}");
    format!("{item:?} {compressed:?} {:?}", office.world.execution(&task.transaction_id))
}

#[tokio::test(start_paused = true)]
async fn rules_that_quote_the_order_quote_no_token() {
    for (verdict, more) in [("approve", 0), ("reject", 5_000), ("escalate", 0), ("escalate", 5_000)] {
        let office = office(verdict);
        let (started, task) = office.receive_order("o-1", None, |token| order(token, more)).await;
        let guard =
            Guard::new(Validity::until(Instant::now() + Duration::from_secs(60)), CancellationToken::new());
        office.state.pipeline.decide(&task, &guard).await.expect("the guard is live");
        let stored = stored(&office, &task).await.replace(&format!("{:?}", started.token), "(its own token)");
        assert!(stored.contains("see <(hidden)> or (hidden) and (hidden)"), "{stored}");
        assert!(!stored.contains(&started.token), "{verdict}: {stored}");
        // The office looks for tokens in every answer.
        let shown = office.get(&format!("/v1/tasks/{}", task.id)).await.json();
        assert_eq!(shown["order"]["note"], "see <(hidden)> or (hidden)");
        assert!(shown["evaluation"]["facts"].to_string().contains("(hidden)"), "{shown}");
        for list in ["/v1/tasks", "/v1/tasks?order_id=o-1", "/v1/status", "/metrics"] {
            office.get(list).await;
        }
        let archive = Archive::new(client(&office), "tasks");
        let today = office.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let exported: Vec<_> =
            futures::TryStreamExt::try_collect(archive.tasks(today, today)).await.expect("the model answers");
        assert_eq!(exported.len(), 1);
        assert!(!format!("{exported:?}").contains(&started.token), "{exported:?}");
    }
}

fn client(office: &Office) -> aws_sdk_dynamodb::Client {
    office.world.client_for("operator").dynamodb()
}
