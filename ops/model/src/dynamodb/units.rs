//! What writes and reads cost, counted from the sizes of items as DynamoDB counts them (Read and write operations, and
//! Storage, DynamoDB developer guide).

use super::schema::{IndexSchema, TableSchema};
use super::value::{Item, item_bytes};

/// A write unit holds this many bytes, or a part of them.
const WRITE_UNIT_BYTES: usize = 1_024;
/// A unit of a consistent read holds this many bytes, or a part of them.
const READ_UNIT_BYTES: usize = 4_096;
/// What DynamoDB adds to the size of each item, and of each entry of an index, that it stores.
const STORED_EXTRA_BYTES: usize = 100;

/// The write units of one write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteUnits {
    /// Of the table itself.
    pub table: usize,
    /// Of its indexes.
    pub indexes: usize,
}

impl WriteUnits {
    /// Of a write that changed an item from `old` to `new`. The larger of both is paid for; so is a write that changes
    /// nothing, or whose condition fails, by what is there.
    pub fn of(schema: &TableSchema, old: Option<&Item>, new: Option<&Item>) -> WriteUnits {
        let larger = old.map_or(0, item_bytes).max(new.map_or(0, item_bytes));
        WriteUnits {
            table: write_units(larger).max(1),
            indexes: schema.indexes.iter().map(|index| of_index(schema, index, old, new)).sum(),
        }
    }
}

/// An entry that is made, changed or removed costs one write; one that moves to another key costs two.
fn of_index(schema: &TableSchema, index: &IndexSchema, old: Option<&Item>, new: Option<&Item>) -> usize {
    let entry = |item: Option<&Item>| {
        let key = index.key.of(item?)?;
        Some((key, index.project(item?, &schema.key)))
    };
    match (entry(old), entry(new)) {
        (None, None) => 0,
        (Some((_, one)), None) | (None, Some((_, one))) => write_units(item_bytes(&one)),
        (Some((_, old)), Some((_, new))) if old == new => 0,
        (Some((before, old)), Some((after, new))) if before == after => {
            write_units(item_bytes(&old).max(item_bytes(&new)))
        }
        (Some((_, old)), Some((_, new))) => write_units(item_bytes(&old)) + write_units(item_bytes(&new)),
    }
}

fn write_units(bytes: usize) -> usize {
    bytes.div_ceil(WRITE_UNIT_BYTES)
}

/// Half the units of a consistent read of so many bytes: the units of an eventually consistent one, doubled.
pub fn read_half_units(bytes: usize, is_consistent: bool) -> usize {
    bytes.div_ceil(READ_UNIT_BYTES).max(1) * if is_consistent { 2 } else { 1 }
}

/// The bytes that an item is charged for while it is stored, with its entries in indexes.
pub fn stored_bytes(schema: &TableSchema, item: &Item) -> usize {
    let entries = schema.indexes.iter().filter(|index| index.key.of(item).is_some());
    let entries = entries.map(|index| item_bytes(&index.project(item, &schema.key)) + STORED_EXTRA_BYTES);
    item_bytes(item) + STORED_EXTRA_BYTES + entries.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::super::schema::{KeySchema, Kind, Projection};
    use super::super::value::Value;
    use super::*;

    fn schema() -> TableSchema {
        TableSchema {
            name: "tasks".to_owned(),
            key: KeySchema::hash(("id", Kind::S)),
            indexes: vec![IndexSchema {
                name: "list".to_owned(),
                key: KeySchema::hash(("list", Kind::S)),
                projection: Projection::Include(vec!["shown".to_owned()]),
            }],
            has_stream: false,
        }
    }

    fn item(attributes: &[(&str, &str)]) -> Item {
        attributes.iter().map(|(name, text)| ((*name).to_owned(), Value::S((*text).to_owned()))).collect()
    }

    fn check(old: Option<&Item>, new: Option<&Item>, table: usize, indexes: usize) {
        assert_eq!(WriteUnits::of(&schema(), old, new), WriteUnits { table, indexes });
    }

    #[test]
    fn a_write_costs_its_larger_item_and_what_changes_in_indexes() {
        let long = "x".repeat(1_500);
        let pending = item(&[("id", "a"), ("list", "PENDING")]);
        let due = item(&[("id", "a"), ("list", "DUE"), ("payload", &long)]);
        let shown = item(&[("id", "a"), ("list", "DUE"), ("payload", &long), ("shown", &long)]);
        let bare = item(&[("id", "a")]);
        check(None, Some(&bare), 1, 0);
        check(None, Some(&pending), 1, 1);
        check(Some(&pending), Some(&pending), 1, 0);
        check(Some(&pending), Some(&due), 2, 2);
        check(Some(&due), Some(&shown), 3, 2);
        check(Some(&shown), Some(&pending), 3, 3);
        check(Some(&pending), None, 1, 1);
    }

    #[test]
    fn reads_and_storage_are_counted_by_size() {
        assert_eq!(read_half_units(0, true), 2);
        assert_eq!(read_half_units(4_097, false), 2);
        assert_eq!(read_half_units(4_097, true), 4);
        let pending = item(&[("id", "a"), ("list", "PENDING")]);
        assert_eq!(stored_bytes(&schema(), &pending), 2 * (3 + 11 + 100));
    }
}
