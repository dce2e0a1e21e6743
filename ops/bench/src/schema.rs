//! The tables as the template makes them, so that the model counts what production pays.

use anyhow::{Context as _, Result, bail};
use model::{IndexSchema, KeyAttribute, KeySchema, Kind, Projection, TableSchema};
use serde_yaml_ng::Value as Yaml;

const TEMPLATE: &str = include_str!("../../template.yaml");

/// The name of the tasks table.
pub(crate) const TASKS: &str = "countersign-tasks";
/// The name of the control table.
pub(crate) const CONTROL: &str = "countersign-control";

/// Both tables.
pub(crate) fn tables() -> Result<[TableSchema; 2]> {
    let template: Yaml = serde_yaml_ng::from_str(TEMPLATE)?;
    let table = |resource: &str, name: &str| {
        let properties = &template["Resources"][resource]["Properties"];
        read(properties, name).with_context(|| format!("the template's {resource}"))
    };
    Ok([table("TasksTable", TASKS)?, table("ControlTable", CONTROL)?])
}

fn read(properties: &Yaml, name: &str) -> Result<TableSchema> {
    let key = |keys: &Yaml| key(keys, &properties["AttributeDefinitions"]);
    let mut indexes = Vec::new();
    for index in properties["GlobalSecondaryIndexes"].as_sequence().into_iter().flatten() {
        let projection = &index["Projection"];
        let names = projection["NonKeyAttributes"].as_sequence().into_iter().flatten();
        indexes.push(IndexSchema {
            name: index["IndexName"].as_str().context("an index has a name")?.to_owned(),
            key: key(&index["KeySchema"])?,
            projection: match projection["ProjectionType"].as_str() {
                Some("ALL") => Projection::All,
                Some("KEYS_ONLY") => Projection::KeysOnly,
                Some("INCLUDE") => {
                    Projection::Include(names.filter_map(|name| Some(name.as_str()?.to_owned())).collect())
                }
                other => bail!("no projection {other:?}"),
            },
        });
    }
    let has_stream = !properties["StreamSpecification"].is_null();
    Ok(TableSchema { name: name.to_owned(), key: key(&properties["KeySchema"])?, indexes, has_stream })
}

fn key(keys: &Yaml, definitions: &Yaml) -> Result<KeySchema> {
    let attribute = |role: &str| -> Result<Option<KeyAttribute>> {
        let mut keys = keys.as_sequence().into_iter().flatten();
        let Some(key) = keys.find(|key| key["KeyType"] == *role) else { return Ok(None) };
        let name = key["AttributeName"].as_str().context("a key has a name")?;
        let mut definitions = definitions.as_sequence().into_iter().flatten();
        let definition = definitions.find(|definition| definition["AttributeName"] == *name);
        let kind = match definition.and_then(|definition| definition["AttributeType"].as_str()) {
            Some("S") => Kind::S,
            Some("N") => Kind::N,
            other => bail!("the key {name} has the type {other:?}"),
        };
        Ok(Some((name, kind).into()))
    };
    let hash = attribute("HASH")?.context("a key has a partition key")?;
    Ok(KeySchema { hash, range: attribute("RANGE")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_the_tables_and_what_their_indexes_keep() {
        let [tasks, control] = tables().expect("the template has both tables");
        assert_eq!((tasks.name.as_str(), tasks.has_stream), (TASKS, true));
        assert_eq!(tasks.indexes.len(), 3);
        let worklist = &tasks.indexes[0];
        assert_eq!(worklist.key, KeySchema::hash_and_range(("list", Kind::S), ("listAt", Kind::N)));
        let Projection::Include(names) = &worklist.projection else { panic!("{worklist:?}") };
        assert!(names.iter().any(|name| name == "orderId"), "{names:?}");
        assert_eq!(tasks.indexes[1].projection, Projection::KeysOnly);
        assert_eq!((control.name.as_str(), control.indexes.len()), (CONTROL, 0));
    }
}
