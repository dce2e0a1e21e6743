//! Attribute values and items, in the JSON form that DynamoDB and its streams share.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::base64;
use serde::{Deserialize, Serialize};

use super::number::Number;

/// Attributes by name.
pub type Item = BTreeMap<String, Value>;

/// One attribute value (AttributeValue, DynamoDB API reference).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum Value {
    S(String),
    N(Number),
    B(Bytes),
    BOOL(bool),
    NULL(bool),
    M(Item),
    L(Vec<Value>),
    SS(BTreeSet<String>),
    NS(BTreeSet<Number>),
    BS(BTreeSet<Bytes>),
}

/// Binary, base64 on the wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(Vec<u8>);

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes(bytes)
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Bytes, String> {
        base64::decode(text).map(Bytes).map_err(|_| "Invalid Base64 value".to_owned())
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> String {
        base64::encode(bytes.0)
    }
}

impl Value {
    /// The name of the type in the API.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::S(_) => "S",
            Value::N(_) => "N",
            Value::B(_) => "B",
            Value::BOOL(_) => "BOOL",
            Value::NULL(_) => "NULL",
            Value::M(_) => "M",
            Value::L(_) => "L",
            Value::SS(_) => "SS",
            Value::NS(_) => "NS",
            Value::BS(_) => "BS",
        }
    }

    /// The text, if the value is a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::S(text) => Some(text),
            _ => None,
        }
    }

    /// The result of the function `size`; `None` for types that have no size.
    pub fn length(&self) -> Option<usize> {
        match self {
            Value::S(text) => Some(text.len()),
            Value::B(bytes) => Some(bytes.0.len()),
            Value::M(map) => Some(map.len()),
            Value::L(list) => Some(list.len()),
            Value::SS(set) => Some(set.len()),
            Value::NS(set) => Some(set.len()),
            Value::BS(set) => Some(set.len()),
            Value::N(_) | Value::BOOL(_) | Value::NULL(_) => None,
        }
    }

    /// How many bytes of an item's 400 KB the value uses (DynamoDB item sizes and formats).
    pub fn stored_bytes(&self) -> usize {
        match self {
            Value::S(text) => text.len(),
            Value::N(number) => number_bytes(number),
            Value::B(bytes) => bytes.0.len(),
            Value::BOOL(_) | Value::NULL(_) => 1,
            Value::M(map) => 3 + map.len() + item_bytes(map),
            Value::L(list) => 3 + list.iter().map(|value| 1 + value.stored_bytes()).sum::<usize>(),
            Value::SS(set) => set.iter().map(String::len).sum(),
            Value::NS(set) => set.iter().map(number_bytes).sum(),
            Value::BS(set) => set.iter().map(|bytes| bytes.0.len()).sum(),
        }
    }
}

fn number_bytes(number: &Number) -> usize {
    number.digits().div_ceil(2) + 1
}

/// The size of an item in bytes: names and values.
pub fn item_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.stored_bytes()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_and_write_the_wire_form() {
        let wire = r#"{"a":{"S":"x"},"b":{"N":"1.5"},"c":{"M":{"d":{"L":[{"BOOL":true},{"NULL":true}]}}},"e":{"SS":["p","q"]},"f":{"B":"AQI="}}"#;
        let item: Item = serde_json::from_str(wire).unwrap();
        assert_eq!(serde_json::to_string(&item).unwrap(), wire);
        assert_eq!(item_bytes(&item), (1 + 1) + (1 + 2) + (1 + 3 + 1 + 1 + (3 + 2 + 2)) + (1 + 2) + (1 + 2));
    }
}
