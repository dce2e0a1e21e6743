//! The parts of a table: key, indexes, stream (CreateTable, DynamoDB API reference).

use super::value::{Item, Value};

/// A key attribute's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    S,
    /// A number.
    N,
    /// Binary.
    B,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::S => "S",
            Kind::N => "N",
            Kind::B => "B",
        }
    }
}

/// A key attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAttribute {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Kind,
}

impl From<(&str, Kind)> for KeyAttribute {
    fn from((name, kind): (&str, Kind)) -> KeyAttribute {
        KeyAttribute { name: name.to_owned(), kind }
    }
}

/// The attributes that an index keeps of an item, in addition to the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// Everything.
    All,
    /// Only the keys.
    KeysOnly,
    /// These attributes.
    Include(Vec<String>),
}

/// A partition key with or without a sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySchema {
    /// The partition key.
    pub hash: KeyAttribute,
    /// The sort key.
    pub range: Option<KeyAttribute>,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSchema {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: KeySchema,
    /// The attributes that it keeps.
    pub projection: Projection,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: KeySchema,
    /// Its indexes.
    pub indexes: Vec<IndexSchema>,
    /// Whether it has a stream (NEW_IMAGE).
    pub has_stream: bool,
}

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The partition key.
    pub hash: Value,
    /// The sort key.
    pub range: Option<Value>,
}

impl KeySchema {
    /// Creates a key with only a partition key.
    pub fn hash(hash: (&str, Kind)) -> KeySchema {
        KeySchema { hash: hash.into(), range: None }
    }

    /// Creates a key with a partition key and a sort key.
    pub fn hash_and_range(hash: (&str, Kind), range: (&str, Kind)) -> KeySchema {
        KeySchema { hash: hash.into(), range: Some(range.into()) }
    }

    /// The key's attributes.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.hash).chain(&self.range)
    }

    /// Returns whether an attribute is part of the key.
    pub(super) fn has(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }

    /// The key of an item, if the item has every key attribute; the types have been checked.
    pub(super) fn of(&self, item: &Item) -> Option<Key> {
        let range = match &self.range {
            Some(range) => Some(item.get(&range.name)?.clone()),
            None => None,
        };
        Some(Key { hash: item.get(&self.hash.name)?.clone(), range })
    }

    /// Converts the key to an item.
    pub(super) fn item(&self, key: &Key) -> Item {
        let range =
            self.range.iter().zip(key.range.clone()).map(|(range, value)| (range.name.clone(), value));
        std::iter::once((self.hash.name.clone(), key.hash.clone())).chain(range).collect()
    }

    /// Checks and returns the key of an item that is to be stored.
    pub(super) fn of_new(&self, item: &Item) -> Result<Key, String> {
        for KeyAttribute { name, kind } in self.attributes() {
            match item.get(name) {
                None => {
                    return Err(format!(
                        "One or more parameter values were invalid: Missing the key {name} in the item"
                    ));
                }
                Some(value) if value.kind() != kind.name() => {
                    return Err(format!(
                        "One or more parameter values were invalid: Type mismatch for key {name} expected: {} actual: {}",
                        kind.name(),
                        value.kind()
                    ));
                }
                Some(_) => {}
            }
        }
        self.checked(item)
    }

    /// Checks and returns a key from a request, which must have exactly the key's attributes.
    pub(super) fn of_request(&self, key: &Item) -> Result<Key, String> {
        let fits = |attribute: &KeyAttribute| {
            key.get(&attribute.name).is_some_and(|value| value.kind() == attribute.kind.name())
        };
        if key.len() != self.attributes().count() || !self.attributes().all(fits) {
            return Err("The provided key element does not match the schema".to_owned());
        }
        self.checked(key)
    }

    fn checked(&self, item: &Item) -> Result<Key, String> {
        for KeyAttribute { name, .. } in self.attributes() {
            if item[name].length() == Some(0) {
                return Err(format!(
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: {name}"
                ));
            }
        }
        let key = self.of(item).expect("every attribute was found");
        if key.hash.stored_bytes() > 2_048 {
            return Err("One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes".to_owned());
        }
        if key.range.as_ref().is_some_and(|range| range.stored_bytes() > 1_024) {
            return Err("One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes".to_owned());
        }
        Ok(key)
    }
}

impl IndexSchema {
    /// Checks the index's key attributes in an item. Each may be absent; then the item is not in the index.
    pub(super) fn check(&self, item: &Item) -> Result<(), String> {
        for KeyAttribute { name, kind } in self.key.attributes() {
            match item.get(name) {
                Some(value) if value.kind() != kind.name() => {
                    return Err(format!(
                        "One or more parameter values were invalid: Type mismatch for Index Key {name} Expected: {} Actual: {} IndexName: {}",
                        kind.name(),
                        value.kind(),
                        self.name
                    ));
                }
                Some(value) if value.length() == Some(0) => {
                    return Err(format!(
                        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: {}, IndexKey: {name}",
                        self.name
                    ));
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// The part of an item that the index keeps.
    pub(super) fn project(&self, item: &Item, table_key: &KeySchema) -> Item {
        let keeps = |name: &str| match &self.projection {
            Projection::All => true,
            Projection::KeysOnly => false,
            Projection::Include(names) => names.iter().any(|included| included == name),
        };
        item.iter()
            .filter(|(name, _)| self.key.has(name) || table_key.has(name) || keeps(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}
