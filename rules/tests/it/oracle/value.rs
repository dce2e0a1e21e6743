//! Values as the oracle knows them, with numbers of its own.

/// A number: so many of the `10^places`-th parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub(super) parts: i128,
    pub(super) places: u32,
}

impl Number {
    fn at(self, places: u32) -> i128 {
        self.parts * 10_i128.pow(places - self.places)
    }

    pub(super) fn with(self, other: Number, reckon: fn(i128, i128) -> i128) -> Number {
        let places = self.places.max(other.places);
        Number { parts: reckon(self.at(places), other.at(places)), places }
    }

    pub(super) fn order(self, other: Number) -> std::cmp::Ordering {
        let places = self.places.max(other.places);
        self.at(places).cmp(&other.at(places))
    }

    pub(super) fn text(self) -> String {
        let sign = if self.parts < 0 { "-" } else { "" };
        let digits = format!("{:0>1$}", self.parts.unsigned_abs(), self.places as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - self.places as usize);
        if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Nothing,
    Bool(bool),
    Number(Number),
    Text(&'static str),
    Joined(String),
    List(Vec<Value>),
    Record(Vec<(&'static str, Value)>),
}

impl Value {
    pub(super) fn json(&self) -> String {
        match self {
            Value::Nothing => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.text(),
            Value::Text(text) => format!("\"{text}\""),
            Value::Joined(text) => format!("\"{text}\""),
            Value::List(values) => {
                format!("[{}]", values.iter().map(Value::json).collect::<Vec<_>>().join(","))
            }
            Value::Record(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("\"{name}\":{}", value.json())).collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Joined(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn field(&self, wanted: &str) -> Option<&Value> {
        let Value::Record(fields) = self else { return None };
        fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }
}
