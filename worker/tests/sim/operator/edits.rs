//! What an operator does to streams, tasks, executions and leases by hand.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use model::{ExecutionStatus, ExecutionView, Item, ShardView, Value};
use rand::Rng as _;
use statemachine::status::Status;
use statemachine::task::Task;

use super::{Act, Operator, is_done, is_read, is_tombstone, pick};
use crate::invariants::shard_of;
use crate::scene::{CONTROL, OPERATOR, ROGUE, TASKS};

impl Operator<'_> {
    pub(super) fn reshape(&mut self, act: Act) -> bool {
        let world = self.world();
        let Some(stream) = world.stream_arn(TASKS) else { return false };
        let shards = world.shards(&stream);
        let open: Vec<ShardView> = shards.iter().filter(|shard| shard.is_open).cloned().collect();
        let Some(shard) = pick(&mut self.sim.rng, &open).cloned() else { return false };
        match act {
            Act::Roll => drop(world.roll_shard(&stream, &shard.id)),
            Act::RollAll => world.roll_all(&stream),
            Act::Split if open.len() < 6 => drop(world.split_shard(&stream, &shard.id, 2)),
            Act::Merge => {
                // Siblings of a split are neighbours.
                let sibling = open.iter().find(|other| {
                    other.id != shard.id && other.parent.is_some() && other.parent == shard.parent
                });
                let Some(sibling) = sibling else { return false };
                world.merge_shards(&stream, [&shard.id, &sibling.id]);
            }
            Act::Trim => {
                let Some(shard) = pick(&mut self.sim.rng, &shards).cloned() else { return false };
                self.owe_gap(&stream, &shard);
                world.trim_shard(&stream, &shard.id, 0);
            }
            Act::LoseShard => {
                let closed: Vec<ShardView> =
                    shards.into_iter().filter(|shard| !shard.is_open && shard.is_known).collect();
                let Some(shard) = pick(&mut self.sim.rng, &closed).cloned() else { return false };
                self.owe_gap(&stream, &shard);
                let stays_listed = self.sim.rng.random_bool(0.3);
                world.forget_shard(&stream, &shard.id, stays_listed);
            }
            _ => return false,
        }
        true
    }

    /// Records that go away before anyone read them must be noted, where the position shows that they are missing.
    fn owe_gap(&mut self, stream: &str, shard: &ShardView) {
        let mut state = self.sim.watch.state();
        if state.leases.position(stream, &shard.id) == "TRIM_HORIZON" {
            state.records.excuse(stream, &shard.id);
        } else {
            state.records.note_trim(stream, &shard.id, &shard.sequences);
        }
    }

    pub(super) async fn meddle(&mut self, act: Act) -> bool {
        let world = self.world();
        let is_running = |execution: &ExecutionView| execution.status == ExecutionStatus::Running;
        let running: Vec<_> = world.executions().into_iter().filter(is_running).collect();
        match act {
            Act::DeleteTask => {
                let all = self.sim.watch.state().tasks.all();
                // Half of those deleted are new: the window before a decision is short.
                let only_new = self.sim.rng.random_bool(0.5);
                let is_new = |task: &&Task| task.decision.is_none() && task.status == Status::Pending;
                let some: Vec<&Task> = all.iter().filter(|task| !only_new || is_new(task)).collect();
                let Some(task) = pick(&mut self.sim.rng, &some) else { return false };
                let key = Item::from([("taskId".to_owned(), Value::S(task.id.as_str().to_owned()))]);
                if task.expires_at.is_some() {
                    world.expire_item(TASKS, &key)
                } else {
                    world.delete_item(TASKS, &key)
                }
            }
            Act::Poison => {
                let id = format!("poison-{}", self.sim.rng.random::<u32>());
                let request = world.client_for(OPERATOR).dynamodb().put_item().table_name(TASKS);
                is_done(request.item("taskId", AttributeValue::S(id)).send()).await
            }
            Act::Stop => {
                let Some(execution) = pick(&mut self.sim.rng, &running) else { return false };
                world.stop(&execution.arn)
            }
            _ => {
                let Some(execution) = pick(&mut self.sim.rng, &running) else { return false };
                let token = execution.tokens.last().cloned().unwrap_or_default();
                let client = world.client_for(ROGUE).step_functions();
                is_done(client.send_task_success().task_token(token).output("{}").send()).await
            }
        }
    }

    /// An edit of a lease by hand.
    pub(super) fn update_lease(&self, sk: String) -> UpdateItemFluentBuilder {
        self.update_control("lease", sk)
    }

    /// An edit of an item of the control table by hand.
    pub(super) fn update_control(&self, kind: &str, sk: String) -> UpdateItemFluentBuilder {
        let client = self.world().client_for(OPERATOR).dynamodb();
        let key = AttributeValue::S(kind.to_owned());
        client.update_item().table_name(CONTROL).key("pk", key).key("sk", AttributeValue::S(sk))
    }

    pub(super) async fn edit_lease(&mut self, act: Act) -> bool {
        let rows = self.sim.watch.state().leases.rows().clone();
        // A lease of any kind may be deleted: of a bucket, of a shard that is read, and a tombstone.
        let kind = if matches!(act, Act::DeleteLease) { self.sim.rng.random_range(0..3) } else { 0 };
        let is_meant = |sk: &str, row: &Item| match kind {
            0 => sk.starts_with("shard|") && is_read(row),
            1 => is_tombstone(row),
            _ => sk.starts_with("sweep|"),
        };
        let leases: Vec<String> =
            rows.into_iter().filter(|(sk, row)| is_meant(sk, row)).map(|row| row.0).collect();
        let Some(sk) = pick(&mut self.sim.rng, &leases).cloned() else { return false };
        if let Some((stream, shard)) = shard_of(&sk) {
            self.sim.watch.state().records.forget(stream, shard);
        }
        let world = self.world();
        if matches!(act, Act::DeleteLease) {
            let key = Item::from([
                ("pk".to_owned(), Value::S("lease".to_owned())),
                ("sk".to_owned(), Value::S(sk)),
            ]);
            return world.delete_item(CONTROL, &key);
        }
        let request = self
            .update_lease(sk)
            .update_expression("SET #p = :p")
            .condition_expression("#p <> :end")
            .expression_attribute_names("#p", "position")
            .expression_attribute_values(":p", AttributeValue::S("TRIM_HORIZON".to_owned()))
            .expression_attribute_values(":end", AttributeValue::S("SHARD_END".to_owned()));
        let is_moved = is_done(request.send()).await;
        if is_moved {
            self.sim.watch.state().windows.hit(7);
        }
        is_moved
    }
}
