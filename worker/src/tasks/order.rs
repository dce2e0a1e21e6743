//! The JSON of an order, read field by field.
//!
//! Each value stays as it was written: parsing and writing it again would change numbers, and drop one of two fields of
//! the same name.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::plain_text::plain;

/// The value at a path such as `amount` or `customer.tier`, as text; none if there is none, more than one, or it is masked.
pub(crate) fn at(order: &RawValue, path: &str, masked: &BTreeSet<String>) -> Option<String> {
    let mut value = order;
    for name in path.split('.') {
        if masked.contains(name) {
            return None;
        }
        let mut found = fields(value.get())?.into_iter().filter(|(field, _)| field == name);
        let (one, more) = (found.next(), found.next());
        value = one.filter(|_| more.is_none())?.1;
    }
    let text = value.get();
    match text.as_bytes().first()? {
        b'{' | b'[' => None,
        b'"' => serde_json::from_str(text).ok().map(|text: String| plain(&text)),
        _ => Some(text.to_owned()),
    }
}

/// The fields of a JSON object, in its order; none of another value.
pub(crate) fn fields(text: &str) -> Option<Vec<(String, &RawValue)>> {
    serde_json::from_str::<Fields<'_>>(text).ok().map(|fields| fields.0)
}

struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Fields<'a>, D::Error> {
        from.deserialize_map(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_found_by_its_path() {
        let raw =
            RawValue::from_string(r#"{"amount":1.50,"a":{"b":"x"},"two":1,"two":2}"#.to_owned()).unwrap();
        let masked = BTreeSet::from(["b".to_owned()]);
        let found = |path| at(&raw, path, &masked);
        assert_eq!(found("amount").as_deref(), Some("1.50"));
        assert_eq!(
            (found("a"), found("a.b"), found("two"), found("none"), found("amount.x")),
            (None, None, None, None, None)
        );
        assert_eq!(at(&raw, "a.b", &BTreeSet::new()).as_deref(), Some("x"));
    }
}
