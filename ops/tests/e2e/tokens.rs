//! The canary: a workflow puts its token into every field that a message has, and it comes out nowhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ops::world::{Options, WorkerOptions, World, eventually};
use serde_json::{Value, json};
use statemachine::status::Status;
use statemachine::task::Task;

use crate::journey::{SOON, in_world, quick, task_that, waiting_aside};

/// A rule that says all that it can read of the order.
const RULE: &str = "\
let quoted = `${order.note} and ${order.names[0]} and ${order.deep.names[1].inner}`;
if order.kind == \"good\" {
    approve(\"odd\", quoted);
}
escalate(\"odd\", quoted);
";
/// What the rule says when the token stands in each of these places.
const QUOTED: &str = "see <(hidden)> or (hidden) and (hidden) and (hidden)";

/// The messages that ingest must reject are in the dead-letter queue after three deliveries.
fn rejecting() -> Options {
    Options {
        ingest_timeout_seconds: 2,
        visibility_seconds: 12,
        max_receive_count: 3,
        other_state_machines: "aside-*".to_owned(),
        ..Options::default()
    }
}

/// An order with the token as a text, within a text, with escapes, nested, and as a key.
fn order(kind: &str, token: &str) -> String {
    let escaped: String = token.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    format!(
        r#"{{"kind":"{kind}","note":"see <{token}> or {escaped}","names":["{token}"],
            "deep":{{"names":[1,{{"inner":"{token}"}}],"{token}":{{"{token}":true}}}},"{token}":"{token}"}}"#
    )
}

/// Sends the message of a real workflow with its token in the order, and under a name that no message has.
async fn send(world: &World, id: &str, kind: &str) {
    let (_, mut message) = waiting_aside(world, id).await;
    let token = message["taskToken"].as_str().unwrap().to_owned();
    message["order"] = Value::from("ORDER");
    message[&token] = Value::from(token.clone());
    message["note"] = Value::from(token.clone());
    let body = message.to_string().replace("\"ORDER\"", &order(kind, &token));
    world.send_message(body).await.unwrap();
}

/// The fields in which a token is refused, with what each holds, around a token of its own.
fn refused() -> Vec<(&'static str, String, Value)> {
    let token = |field: &str| format!("AQCEAAAA{field}KgAAAAMAAAAAAAAAAcanary");
    let within = |field: &str| json!(format!("before {} after", token(field)));
    let fields = [
        ("orderId", within("orderId")),
        ("startTime", json!(token("startTime"))),
        ("transactionId", within("transactionId")),
        ("timeoutSeconds", json!(token("timeoutSeconds"))),
        ("taskToken", json!([token("taskToken")])),
    ];
    fields.into_iter().map(|(field, value)| (field, token(field), value)).collect()
}

async fn assert_refused(world: &World, refused: &[(&'static str, String, Value)]) {
    for (field, token, value) in refused {
        let mut message = json!({
            "transactionId": "arn:aws:states:us-east-1:000000000000:execution:shop:e", "taskToken": token,
            "startTime": "2026-11-22T10:00:00Z", "orderId": "o-refused",
        });
        message[*field] = value.clone();
        world.send_message(message.to_string()).await.unwrap();
    }
    let mut dead = BTreeSet::new();
    eventually(SOON * 2, "each message is in the dead-letter queue", async || {
        dead.extend(world.receive(&world.stack.task_dead_letter_queue_url).await?);
        Ok((dead.len() == refused.len()).then_some(()))
    })
    .await
    .unwrap();
    let log = world.emulator_log().unwrap();
    for (field, ..) in refused {
        assert!(log.contains(&format!("field {field} ")), "the log says why {field} is refused");
    }
}

/// Asks for the tasks in every way that people have. The world searches each answer at its end.
async fn ask(world: &World, url: &str, config: &Path, rules: &Path, tasks: &[&Task]) {
    let (config, rules) = (config.to_string_lossy(), rules.to_string_lossy());
    let mut lines = vec![
        vec!["tasks", "list", "--url", url],
        vec!["tasks", "export", "--since", "1d", "--config", &config],
        vec!["rules", "backtest", &rules, "--against", &rules, "--since", "1d", "--config", &config],
        vec!["status", "--url", url],
    ];
    for Task { id, order_id, .. } in tasks {
        lines.extend([
            vec!["tasks", "list", "--order", order_id, "--format", "json", "--url", url],
            vec!["tasks", "show", id.as_str(), "--url", url],
            vec!["tasks", "show", id.as_str(), "--format", "json", "--url", url],
            vec!["rules", "explain", id.as_str(), "--dir", &rules, "--url", url],
            vec!["rules", "eval", "--task", id.as_str(), "--dir", &rules, "--explain", "--url", url],
        ]);
    }
    for line in lines {
        let output = world.countersign(&line).await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line:?}: {errors}");
    }
}

#[tokio::test]
async fn a_token_in_any_field_comes_out_nowhere() {
    let refused = refused();
    let tokens: Vec<(&str, &str)> =
        refused.iter().map(|(field, token, _)| (*field, token.as_str())).collect();
    in_world(rejecting(), async |world| {
        let rules_dir = world.dir().join("quoting");
        fs::create_dir_all(&rules_dir).unwrap();
        fs::write(rules_dir.join("quoting.rhai"), RULE).unwrap();
        let mut options = WorkerOptions { rules_dir: Some(rules_dir.clone()), ..quick() };
        options.variables.push(("COUNTERSIGN_LOG__LEVEL".to_owned(), "trace".to_owned()));
        let worker = world.start_worker("worker", options).await.unwrap();

        send(world, "o-good", "good").await;
        send(world, "o-odd", "odd").await;
        assert_refused(world, &refused).await;

        let approved = task_that(world, "o-good", "settled", |task| task.status.is_final()).await;
        let decision = approved.decision.as_ref().unwrap();
        assert_eq!((approved.status, decision.reason.as_str()), (Status::Approved, QUOTED));
        let escalated = task_that(world, "o-odd", "escalated", |task| task.status == Status::Escalated).await;
        assert_eq!(escalated.escalation.as_ref().unwrap().reason, QUOTED);
        assert_eq!(world.tasks().await.unwrap().len(), 2);

        let config = world.command_line_config().unwrap();
        ask(world, &worker.url, &config, &rules_dir, &[&approved, &escalated]).await;
        let body = json!({ "outcome": "rejected", "reason": "no", "by": "Ada" });
        let answer = world.decide(&worker, &escalated.id, &body).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let rejected = task_that(world, "o-odd", "settled", |task| task.status.is_final()).await;
        ask(world, &worker.url, &config, &rules_dir, &[&rejected]).await;
        world.assert_none_leaked_of(&tokens).await.unwrap();
        worker
    })
    .await;
}
