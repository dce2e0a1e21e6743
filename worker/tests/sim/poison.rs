//! A task that fails by itself does not block other tasks; a fault of the whole table is not blamed on any task.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use model::{Call, Fault, Item, Matcher, Options, Rule, RuleId, Service, ServiceError, Value};
use statemachine::status::{Delivery, Status};
use statemachine::task::Task;
use statemachine::token::TaskToken;

use crate::run::Sim;
use crate::scene::{CONTROL, TASKS};
use crate::stage::{BY_STREAM_MS, Stage, replay};

/// How long a call on a task may fail before the task is given up.
const AGE_MS: u64 = 300_000;
/// By when the sweeper has seen a new task: it must be a minute old, and then comes one of the walks.
const BY_SWEEP_MS: u64 = 100_000;
/// How much later the next step may be seen: the last attempt, and this test's check.
const LATE_MS: u64 = 40_000;

/// The task whose first decision is rejected, and for which calls then fail for ever if `fails` says so.
struct Victim {
    id: Arc<OnceLock<String>>,
    rule: RuleId,
}

impl Victim {
    fn of(stage: &Stage, fails: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Victim {
        let id = Arc::new(OnceLock::new());
        let known = Arc::clone(&id);
        let updates = Matcher::operation("UpdateItem").on_table(TASKS).when(move |call| {
            let task = call.body["Key"]["taskId"]["S"].as_str().unwrap_or_default();
            let is_first = known.get().is_none() && decides(call) && known.set(task.to_owned()).is_ok();
            is_first || known.get().is_some_and(|id| id == task && fails(call))
        });
        let rule = stage.sim.world.inject(Rule::new(updates, Fault::Refused(Service::DynamoDb.internal())));
        Victim { id, rule }
    }

    fn id(&self) -> &str {
        self.id.get().expect("a task was decided")
    }

    fn task(&self, stage: &Stage) -> Task {
        let state = stage.sim.watch.state();
        state.tasks.get(self.id()).and_then(|seen| seen.now.clone()).expect("the task stays")
    }
}

fn decides(call: &Call) -> bool {
    call.text("UpdateExpression").is_some_and(|expression| expression.contains("#decision = :decision"))
}

/// For how long a cause says that calls were retried: "12 attempts over 305 s".
fn tried_s(cause: &str) -> Option<u64> {
    cause.split_once("attempts over ")?.1.split_once(" s")?.0.parse().ok()
}

/// The quarantined items in the control table.
fn kept(stage: &Stage) -> Vec<Arc<Item>> {
    let mut items = stage.sim.world.items(CONTROL);
    items.retain(|item| text(item, "pk") == "poison");
    items
}

fn text<'i>(item: &'i Item, name: &str) -> &'i str {
    item.get(name).and_then(Value::as_text).unwrap_or_default()
}

/// Stores a task from time to time until a condition holds, and returns how long that took. All tasks except one must
/// have outcomes at each check.
async fn go_on(
    stage: &Stage,
    victim: &Victim,
    within_ms: u64,
    holds: impl Fn() -> bool,
) -> Result<u64, String> {
    let begun_ms = stage.sim.world.now_ms();
    loop {
        stage.store(2).await?;
        stage.sim.pass(15_000).await?;
        let after_ms = stage.sim.world.now_ms() - begun_ms;
        if let Some(id) = stage.sim.watch.state().tasks.without_outcome().find(|id| *id != victim.id()) {
            return Err(format!("task {id}: held up by {}", victim.id()));
        }
        if holds() {
            return Ok(after_ms);
        }
        if after_ms > within_ms {
            return Err(format!("task {} has no outcome after {after_ms} ms", victim.id()));
        }
    }
}

#[test]
fn a_task_whose_decision_takes_no_write_goes_to_a_person_with_the_cause() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        let node = stage.sim.start_worker();
        let victim = Victim::of(&stage, decides);
        stage.store(8).await?;
        let is_escalated = || victim.task(&stage).status == Status::Escalated;
        let after_ms = go_on(&stage, &victim, AGE_MS + LATE_MS, is_escalated).await?;
        assert!(after_ms > AGE_MS, "given up after {after_ms} ms");
        let escalation = victim.task(&stage).escalation.expect("it is escalated");
        assert_eq!(escalation.code, "decision-not-stored");
        let tried_s = tried_s(&escalation.reason);
        assert!(tried_s.is_some_and(|tried_s| tried_s >= AGE_MS / 1_000), "{}", escalation.reason);
        let fault = "UpdateItem on table countersign-tasks: InternalServerError";
        assert!(escalation.reason.ends_with(fault), "{}", escalation.reason);
        assert_eq!(stage.sim.fleet[&node].counted("escalations_total{cause=\"worker\""), 1);
        assert!(kept(&stage).is_empty(), "it is left to a person");
        stage.end().await
    });
}

#[test]
fn a_task_that_takes_no_write_at_all_is_kept_once_and_decided_when_it_can_be() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        let node = stage.sim.start_worker();
        let victim = Victim::of(&stage, |_| true);
        stage.store(8).await?;
        let is_kept = || !kept(&stage).is_empty();
        let after_ms = go_on(&stage, &victim, 2 * (AGE_MS + LATE_MS), is_kept).await?;
        assert!(after_ms > 2 * AGE_MS, "given up after {after_ms} ms");
        stage.sim.pass(2_000).await?;
        assert_eq!(stage.sim.fleet[&node].metrics.in_flight.get(), 0, "the shard continues");

        // The sweeper reached it a minute later, and gives it up one minute after that.
        let counted = |results| stage.sim.fleet[&node].counted(results);
        let is_swept = || counted("swept_tasks_total{result=\"poison\"") == 1;
        go_on(&stage, &victim, 120_000, is_swept).await?;
        assert_eq!(counted("stream_records_total{result=\"poison\""), 1);
        let task = victim.task(&stage);
        assert_eq!(task.status, Status::Pending);
        let rows = kept(&stage);
        assert_eq!(rows.len(), 1, "both write the same item");
        assert_eq!(text(&rows[0], "sk"), victim.id());
        assert!(text(&rows[0], "cause").contains("decision-not-stored"), "{}", text(&rows[0], "cause"));
        assert!(text(&rows[0], "record").contains(&task.order_id), "{}", text(&rows[0], "record"));
        assert!(
            !format!("{rows:?}").contains(task.token.expose()),
            "the token was stored in the control table"
        );

        stage.sim.world.end(victim.rule);
        stage.until(120_000, "decided", |sim| sim.watch.state().tasks.all_have_outcomes()).await?;
        stage.end().await
    });
}

#[test]
fn a_decided_task_is_never_escalated_nor_sent_often() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        let node = stage.sim.start_worker();
        let victim = Victim::of(&stage, |call| !decides(call));
        let sent = Arc::new(AtomicU64::new(0));
        let (counter, id) = (Arc::clone(&sent), Arc::clone(&victim.id));
        stage.sim.world.observe(move |event| {
            let Some(token) = event.call.as_ref().and_then(|call| call.text("taskToken")) else { return };
            let is_its = TaskToken::new(token.to_owned())
                .is_ok_and(|token| id.get().is_some_and(|id| id == token.task_id().as_str()));
            counter.fetch_add(u64::from(is_its), Ordering::Relaxed);
        });
        stage.store(8).await?;
        let is_over = || stage.sim.fleet[&node].counted("swept_tasks_total{result=\"poison\"") >= 3;
        go_on(&stage, &victim, 1_800_000, is_over).await?;
        let task = victim.task(&stage);
        assert_eq!((task.status, task.delivery), (Status::Pending, Some(Delivery::Due)));
        assert!(sent.load(Ordering::Relaxed) <= 5, "sent {} times", sent.load(Ordering::Relaxed));
        assert_eq!(kept(&stage).len(), 1);
        stage.sim.world.end(victim.rule);
        stage.until(120_000, "settled", |sim| sim.watch.state().tasks.all_have_outcomes()).await?;
        stage.end().await
    });
}

#[test]
fn a_task_that_takes_no_write_stands_in_no_other_tasks_way_without_the_stream_either() {
    replay(async || {
        let mut stage = Stage::new(Options::default());
        stage.sim.world.disable_stream(TASKS);
        stage.sim.start_worker();
        let victim = Victim::of(&stage, |_| true);
        stage.store(1).await?;
        stage.until(BY_SWEEP_MS, "tried", |_| victim.id.get().is_some()).await?;
        // Enough that some are in the same bucket.
        stage.store(64).await?;
        let is_alone = |sim: &Sim| sim.watch.state().tasks.without_outcome().eq([victim.id()]);
        stage.until(BY_SWEEP_MS, "handled by the sweeper", is_alone).await?;
        stage.end().await
    });
}

#[test]
fn a_fault_of_the_whole_table_holds_and_gives_nothing_up() {
    let told = |code| ServiceError::new(Service::DynamoDb, code, "told");
    let faults = [
        (Service::DynamoDb.internal(), 100.0),
        (Service::DynamoDb.throttled(), 99.0),
        (Service::DynamoDb.access_denied(), 100.0),
        (told("KMSAccessDeniedException"), 100.0),
        (told("ResourceNotFoundException"), 100.0),
    ];
    for (error, percent) in faults {
        replay(async move || {
            let mut stage = Stage::new(Options::default());
            let node = stage.sim.start_worker();
            stage.store(3).await?;
            stage.until_handled().await?;
            let updates = Matcher::operation("UpdateItem").on_table(TASKS);
            let rule = stage.sim.world.inject(Rule::new(updates, Fault::Refused(error)).percent(percent));
            stage.store(12).await?;
            stage.sim.pass(AGE_MS + 120_000).await?;
            let counted = |metric| stage.sim.fleet[&node].counted(metric);
            if counted("systemic_faults_total{service=\"table\"") == 0 {
                return Err("no systemic fault was counted".to_owned());
            }
            stage.sim.world.end(rule);
            stage.until(BY_STREAM_MS, "handled", |sim| sim.watch.state().tasks.all_have_outcomes()).await?;
            assert_eq!(counted("escalations_total{cause=\"worker\""), 0);
            assert!(kept(&stage).is_empty());
            stage.end().await
        });
    }
}
