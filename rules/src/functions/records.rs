//! Functions of records: an order's, a parameter file's, and a script's own.

use rhai::{Array, Dynamic, Engine, ImmutableString, Map};

use super::whole;
use crate::facts::{Fact, Record};

/// Gives scripts the functions.
pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("has", |record: Record, name: ImmutableString| has(&record, &name));
    engine.register_fn("get", |record: Record, name: ImmutableString, default: Dynamic| {
        match record.find(&name) {
            None | Some(Fact::Nothing) => default,
            Some(fact) => fact.to_dynamic(),
        }
    });
    engine.register_indexer_get(|record: &mut Record, name: ImmutableString| {
        record.get(&name).map(Fact::to_dynamic)
    });
    engine.register_fn("has", |own: Map, name: ImmutableString| {
        own.get(name.as_str()).is_some_and(|value| !value.is_unit())
    });
    engine.register_fn("get", |own: Map, name: ImmutableString, default: Dynamic| {
        own.get(name.as_str()).filter(|value| !value.is_unit()).cloned().unwrap_or(default)
    });
    engine.register_fn("keys", |own: Map| -> Array { own.into_keys().map(Dynamic::from).collect() });
    engine.register_fn("len", |own: Map| whole(own.len()));
    engine.register_fn("is_empty", |own: Map| own.is_empty());
}

/// Whether the record has the field, with a value.
pub(super) fn has(record: &Record, name: &str) -> bool {
    !matches!(record.find(name), None | Some(Fact::Nothing))
}
