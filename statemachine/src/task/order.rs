//! The order of a task: the JSON text that arrived, stored compressed if it is long.

use std::borrow::Cow;

use crate::compact::Compact;
use crate::item::{self, Item, Malformed, Value};
use crate::task::attribute;

/// An order of so many bytes or more is stored compressed: each of a task's three writes costs a unit for each kilobyte.
const LONG_BYTES: usize = 4 * 1_024;

/// An order in the form in which an item has it.
///
/// It stays compressed until somebody asks for its text. A worker has hundreds of tasks in hand, and counts the bytes that
/// they have in the table: a few kilobytes there may be hundreds here.
#[derive(Debug, Clone)]
pub struct Order(Compact);

impl Order {
    /// Reads the attribute, which not every task has. A compressed one is unpacked once, to see that it can be.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it has another type, or cannot be unpacked.
    pub fn read(map: &Item) -> Result<Option<Order>, Malformed> {
        let Some(Value::Bytes(bytes)) = map.get(attribute::ORDER) else {
            let text = item::optional_text(map, attribute::ORDER)?;
            return Ok(text.map(|text| Order(Compact::Plain(text))));
        };
        let order = Compact::Deflated(bytes.clone());
        match order.text() {
            Ok(_) => Ok(Some(Order(order))),
            Err(_) => Err(Malformed::Not(attribute::ORDER, "a string, or a compressed one of up to 400 KB")),
        }
    }

    /// The text, bit for bit as it arrived.
    ///
    /// # Panics
    ///
    /// Never: it was unpacked when it was read.
    pub fn text(&self) -> Cow<'_, str> {
        self.0.text().expect("an order is checked when it is read")
    }

    /// The attribute's value.
    pub fn to_value(&self) -> Value {
        self.0.to_value()
    }

    /// Whether it is compressed: its item then has format 2, so that earlier versions, which would find no order, refuse it.
    pub fn is_compressed(&self) -> bool {
        matches!(self.0, Compact::Deflated(_))
    }
}

impl From<String> for Order {
    fn from(text: String) -> Order {
        Order(if text.len() < LONG_BYTES { Compact::Plain(text) } else { Compact::of(text) })
    }
}

/// By the text: versions may store the same order in different forms.
impl PartialEq for Order {
    fn eq(&self, other: &Order) -> bool {
        self.0 == other.0 || self.text() == other.text()
    }
}

impl Eq for Order {}
