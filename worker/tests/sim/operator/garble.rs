//! A lease is edited by hand and is none any more: an attribute is gone, of another type, or unknown.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Operator, is_done, pick};
use crate::invariants::shard_of;

impl Operator<'_> {
    pub(super) async fn garble_lease(&mut self) -> bool {
        let rows: Vec<String> = self.sim.watch.state().leases.rows().keys().cloned().collect();
        let Some(sk) = pick(&mut self.sim.rng, &rows).cloned() else { return false };
        let text = || Some(AttributeValue::S("a person was here".to_owned()));
        let edits = [
            ("epoch", None),
            ("epoch", text()),
            ("counter", None),
            ("counter", text()),
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
        let set = if value.is_some() { "SET #name = :value" } else { "REMOVE #name" };
        let request = self
            .update_lease(sk)
            .update_expression(set)
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#name", name)
            .set_expression_attribute_values(value.map(|value| [(":value".to_owned(), value)].into()));
        is_done(request.send()).await
    }
}
