//! A lease or a heartbeat is edited by hand: an attribute is gone, of another type, out of range, or unknown.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Operator, is_done, pick};
use crate::invariants::shard_of;

impl Operator<'_> {
    pub(super) async fn garble_lease(&mut self) -> bool {
        let rows: Vec<String> = self.sim.watch.state().leases.rows().keys().cloned().collect();
        let Some(sk) = pick(&mut self.sim.rng, &rows).cloned() else { return false };
        let text = || Some(AttributeValue::S("a person was here".to_owned()));
        let most = || Some(AttributeValue::N(i64::MAX.to_string()));
        let edits = [
            ("epoch", None),
            ("epoch", text()),
            ("epoch", most()),
            ("counter", None),
            ("counter", text()),
            ("counter", most()),
            ("owner", None),
            ("owner", Some(AttributeValue::N("7".to_owned()))),
            ("position", None),
            ("position", Some(AttributeValue::N("7".to_owned()))),
            ("target", Some(AttributeValue::Bool(true))),
            ("missingSince", text()),
            ("remark", text()),
        ];
        let Some((name, value)) = pick(&mut self.sim.rng, &edits).cloned() else { return false };
        // It is made anew, or taken, and read from the oldest record that is left.
        if let Some((stream, shard)) = shard_of(&sk) {
            self.sim.watch.state().records.forget(stream, shard);
        }
        edit(self.update_lease(sk), name, value).await
    }

    /// Its worker lives on, and writes over it.
    pub(super) async fn garble_heartbeat(&mut self) -> bool {
        let workers: Vec<String> = self.sim.watch.state().leases.beats().keys().cloned().collect();
        let Some(worker) = pick(&mut self.sim.rng, &workers).cloned() else { return false };
        let number = |number: i64| Some(AttributeValue::N(number.to_string()));
        let edits = [
            ("counter", None),
            ("counter", Some(AttributeValue::S("a person was here".to_owned()))),
            ("counter", number(i64::MAX)),
            ("counter", number(1_000)),
            ("counter", number(-1)),
            ("leaving", number(1)),
            ("ruleset", None),
            ("uptimeMs", None),
            ("uptimeMs", number(i64::MAX)),
            ("uptimeMs", number(-1)),
        ];
        let Some((name, value)) = pick(&mut self.sim.rng, &edits).cloned() else { return false };
        edit(self.update_control("worker", worker), name, value).await
    }
}

/// Sets an attribute of an item that is there, or removes it.
async fn edit(update: UpdateItemFluentBuilder, name: &str, value: Option<AttributeValue>) -> bool {
    let set = if value.is_some() { "SET #name = :value" } else { "REMOVE #name" };
    let request = update
        .update_expression(set)
        .condition_expression("attribute_exists(pk)")
        .expression_attribute_names("#name", name)
        .set_expression_attribute_values(value.map(|value| [(":value".to_owned(), value)].into()));
    is_done(request.send()).await
}
