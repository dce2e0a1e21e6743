//! A task whose item somebody edited by hand is quarantined once and never sent; when it is mended it is taken up again.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use model::{Fault, Item, Matcher, Options, Rule, Service, Value};
use statemachine::decision::Outcome;
use statemachine::status::{Delivery, Status};
use statemachine::task::Task;

use crate::scene::{CONTROL, OPERATOR, TASKS};
use crate::stage::{BY_STREAM_MS, Stage, replay};

/// Long enough for many walks of the sweeper.
const LONG_MS: u64 = 900_000;
/// How soon a mended task is taken up.
const BY_LOOK_MS: u64 = 120_000;

/// What somebody does to an attribute, and how it was before.
struct Edit {
    attribute: &'static str,
    value: Option<AttributeValue>,
    before: AttributeValue,
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

impl Edit {
    async fn make(&self, stage: &Stage, task: &Task) -> Result<(), String> {
        set(stage, task, self.attribute, self.value.clone()).await
    }

    async fn mend(&self, stage: &Stage, task: &Task) -> Result<(), String> {
        set(stage, task, self.attribute, Some(self.before.clone())).await
    }
}

/// Sets or removes an attribute by hand; `decision.outcome` is one too.
async fn set(
    stage: &Stage,
    task: &Task,
    attribute: &str,
    value: Option<AttributeValue>,
) -> Result<(), String> {
    let path = attribute.split('.').map(|name| format!("#{name}")).collect::<Vec<_>>().join(".");
    let names = attribute.split('.').map(|name| (format!("#{name}"), name.to_owned())).collect();
    let update = if value.is_some() { format!("SET {path} = :value") } else { format!("REMOVE {path}") };
    let client = stage.sim.world.client_for(OPERATOR).dynamodb();
    let request = client
        .update_item()
        .table_name(TASKS)
        .key("taskId", text(task.id.as_str()))
        .update_expression(update)
        .set_expression_attribute_names(Some(names))
        .set_expression_attribute_values(value.map(|value| [(":value".to_owned(), value)].into()));
    request.send().await.map(drop).map_err(|error| format!("no edit: {error:?}"))
}

/// What is kept, as the control table has it: the key and the cause.
fn kept(stage: &Stage) -> Vec<(String, String)> {
    let field =
        |item: &Arc<Item>, name: &str| item.get(name).and_then(Value::as_text).unwrap_or_default().to_owned();
    let items = stage.sim.world.items(CONTROL);
    let poison = items.iter().filter(|item| field(item, "pk") == "poison");
    let mut kept: Vec<_> = poison.map(|item| (field(item, "sk"), field(item, "cause"))).collect();
    kept.sort();
    kept
}

fn tasks(stage: &Stage) -> Vec<Task> {
    stage.sim.watch.state().tasks.all()
}

/// Each victim is kept once under its id, and counted once however often it was looked at since.
fn check_kept(stage: &Stage, node: &str, victims: &[(&Task, &str)]) {
    let mut expected: Vec<(String, String)> = victims
        .iter()
        .map(|(task, cause)| (task.id.to_string(), format!("task {}: {cause}", task.id)))
        .collect();
    expected.sort();
    assert_eq!(kept(stage), expected);
    let counted = |metric| stage.sim.fleet[node].counted(metric);
    let times =
        counted("swept_tasks_total{result=\"poison\"") + counted("stream_records_total{result=\"poison\"");
    assert_eq!(times, victims.len() as u64, "each is counted once");
}

#[test]
fn a_status_that_no_task_can_have_is_quarantined_once_until_it_is_mended() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        // Nobody works yet: all are PENDING.
        stage.store(8).await?;
        let all = tasks(&stage);
        let edits = [
            ("approved", "attribute status is not a known status"),
            ("APPROVED", "no task can have status APPROVED, no decision, delivery none"),
            ("ESCALATED", "attribute list is not the worklist of its status and delivery"),
        ];
        let edits = edits.map(|(status, cause)| {
            (Edit { attribute: "status", value: Some(text(status)), before: text("PENDING") }, cause)
        });
        for ((edit, _), task) in edits.iter().zip(&all) {
            edit.make(&stage, task).await?;
        }
        let node = stage.sim.start_worker();
        stage.sim.pass(LONG_MS).await?;
        let victims: Vec<(&Task, &str)> = all.iter().zip(edits.iter().map(|(_, cause)| *cause)).collect();
        check_kept(&stage, &node, &victims);
        let left: Vec<String> = stage.sim.watch.state().tasks.without_outcome().map(str::to_owned).collect();
        assert_eq!(left.len(), edits.len(), "the others are done: {left:?}");

        for ((edit, _), task) in edits.iter().zip(&all) {
            edit.mend(&stage, task).await?;
        }
        stage.until(BY_LOOK_MS, "decided", |sim| sim.watch.state().tasks.all_have_outcomes()).await?;
        stage.end().await
    });
}

#[test]
fn a_stored_decision_that_was_edited_is_never_sent_and_is_sent_when_it_is_mended() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        let callbacks = Matcher::service(Service::StepFunctions)
            .when(|call| matches!(call.operation.as_str(), "SendTaskSuccess" | "SendTaskFailure"));
        let refused = Fault::Refused(Service::StepFunctions.throttled());
        let rule = stage.sim.world.inject(Rule::new(callbacks, refused));
        let node = stage.sim.start_worker();
        stage.store(40).await?;
        let is_put_off = |task: &Task| task.delivery == Some(Delivery::Due) && task.attempts > 0;
        let due = |stage: &Stage| tasks(stage).into_iter().filter(is_put_off).collect::<Vec<_>>();
        stage
            .until(4 * BY_STREAM_MS, "due", |sim| {
                let all = sim.watch.state().tasks.all();
                all.iter().all(|task| task.status == Status::Escalated || is_put_off(task))
            })
            .await?;
        let all = due(&stage);
        let decision = |n: usize| all[n].decision.as_ref().expect("it is decided");
        let other = match decision(0).outcome {
            Outcome::Approved => "rejected",
            Outcome::Rejected => "approved",
        };
        let list = all[5].list.clone().unwrap_or_default();
        let edits = [
            ("decision.outcome", Some(text(other)), text(decision(0).outcome.as_str())),
            ("decision.id", Some(text("01JD")), text(&decision(1).id)),
            ("decision.payload", Some(text(&decision(0).payload)), text(&decision(2).payload)),
            ("status", Some(text("APPROVED")), text("PENDING")),
            ("delivery", None, text("DUE")),
            ("list", Some(text(&list.replace("DUE", "PENDING"))), text(&list)),
        ]
        .map(|(attribute, value, before)| Edit { attribute, value, before });
        for (edit, task) in edits.iter().zip(&all) {
            edit.make(&stage, task).await?;
        }
        // What was in work at the time of the edits is over.
        stage.sim.pass(60_000).await?;
        stage.sim.world.end(rule);
        stage.sim.pass(LONG_MS).await?;
        let victims = &all[..edits.len()];
        let causes = kept(&stage);
        assert_eq!(causes.len(), victims.len(), "{causes:?}");
        for task in victims {
            assert!(causes.iter().any(|(key, _)| key == task.id.as_str()), "{causes:?}");
            assert_eq!(stage.sim.world.accepted(task.token.expose()), 0, "an edited decision was sent");
        }
        let counted = |metric| stage.sim.fleet[&node].counted(metric);
        let times = counted("swept_tasks_total{result=\"poison\"")
            + counted("stream_records_total{result=\"poison\"");
        assert_eq!(times, victims.len() as u64, "each is counted once");
        let open = due(&stage);
        assert_eq!(open.len(), victims.len(), "the others are delivered");

        for (edit, task) in edits.iter().zip(&all) {
            edit.mend(&stage, task).await?;
        }
        stage
            .until(BY_LOOK_MS, "delivered", |sim| {
                sim.watch.state().tasks.all().iter().all(|task| task.delivery != Some(Delivery::Due))
            })
            .await?;
        stage.end().await
    });
}
