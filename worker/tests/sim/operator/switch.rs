//! The automation switch is used, edited by hand and deleted.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use model::{Item, Value, World};
use rand::Rng as _;
use tokio::time::timeout;
use worker::control::rule_store::{Author, Event};
use worker::control::table::ControlTable;

use super::{Act, Operator, is_done, pick};
use crate::scene::{CONTROL, OPERATOR};

/// How long an operator waits for the result of a change.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pauses or resumes; false when it is unknown whether the change was applied.
async fn change(world: &World, event: Event) -> bool {
    let table = ControlTable::new(world.client_for(OPERATOR).dynamodb(), CONTROL);
    let author = Author { by: "operator".to_owned(), message: "seen".to_owned() };
    let now_ms = i64::try_from(world.now_ms()).expect("virtual time is near");
    let now = Timestamp::from_millisecond(now_ms).expect("virtual time is near");
    matches!(timeout(PATIENCE, table.change(event, None, &author, now)).await, Ok(Ok(_)))
}

/// Lets rules decide, whatever stands in the way.
pub(crate) async fn resume(world: &World) -> bool {
    for _ in 0..100 {
        if change(world, Event::Resume).await {
            return true;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    false
}

impl Operator<'_> {
    /// Stops all rules in one way or another, and lets them go on after a while.
    pub(super) async fn switch(&mut self, act: Act) -> bool {
        let world = self.world();
        let is_stopped = match act {
            Act::DeleteSwitch => {
                let was_paused = self.sim.rng.random_bool(0.5) && change(&world, Event::Pause).await;
                let text = || Value::S("control".to_owned());
                let key = Item::from([("pk".to_owned(), text()), ("sk".to_owned(), text())]);
                world.delete_item(CONTROL, &key) || was_paused
            }
            Act::EditSwitch => self.edit_switch().await,
            _ => change(&world, Event::Pause).await,
        };
        let pause_ms = self.sim.rng.random_range(0..8_000);
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        resume(&world).await;
        is_stopped
    }

    async fn edit_switch(&mut self) -> bool {
        let text = || AttributeValue::S("a person was here".to_owned());
        let edits = [
            ("paused", AttributeValue::M([("reason".to_owned(), text())].into())),
            ("paused", AttributeValue::Bool(true)),
            ("paused", AttributeValue::N("1".to_owned())),
            ("paused", text()),
            ("revision", text()),
            ("revision", AttributeValue::N("-1".to_owned())),
        ];
        let Some((name, value)) = pick(&mut self.sim.rng, &edits).cloned() else { return false };
        let key = || AttributeValue::S("control".to_owned());
        let client = self.world().client_for(OPERATOR).dynamodb();
        let request = client
            .update_item()
            .table_name(CONTROL)
            .key("pk", key())
            .key("sk", key())
            .update_expression("SET #name = :value")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value);
        is_done(request.send()).await
    }
}
