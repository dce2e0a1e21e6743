//! Which values each function of the engine takes, as the engine itself says.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use rhai::{Array, Dynamic, Engine, FnPtr, ImmutableString, Map};
use rust_decimal::Decimal;

use super::known::{Kind, Known};
use crate::dates::Moment;
use crate::ending;
use crate::engine;
use crate::facts::{Fact, List, Record};
use crate::names::Names;

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Takes {
    Anything,
    Number,
    Text,
    Boolean,
    Nothing,
    Function,
    /// A list of an order.
    OrderList,
    /// A file of `lists/`.
    Names,
    /// A list of the script's own.
    OwnList,
    /// A record of an order, or a parameter file.
    Record,
    /// A record of the script's own.
    OwnRecord,
    Date,
    /// Another type, such as a range.
    Other,
}

/// The functions of an engine.
#[derive(Debug)]
pub(crate) struct Signatures(BTreeMap<String, Vec<Vec<Takes>>>);

/// Those of every engine: what scripts are given depends on no ruleset.
pub(super) static SIGNATURES: LazyLock<Signatures> = LazyLock::new(|| Signatures::of(&engine::new()));

impl Signatures {
    fn of(engine: &Engine) -> Signatures {
        let described = |info: rhai::FuncInfo<'_>| {
            let takes = info.metadata.param_types.iter().map(|id| takes(*id)).collect::<Vec<_>>();
            Some((info.metadata.name.to_string(), takes))
        };
        let mut signatures: BTreeMap<String, Vec<Vec<Takes>>> = BTreeMap::new();
        for (name, takes) in engine.collect_fn_metadata(None, described, false) {
            signatures.entry(name).or_default().push(takes);
        }
        Signatures(signatures)
    }

    /// There is a function of this name.
    pub(crate) fn know(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Some overload takes these values, or the function is not known here.
    pub(crate) fn take(&self, name: &str, values: &[Known<'_>]) -> bool {
        let Some(overloads) = self.0.get(name) else { return true };
        let mut of_arity = overloads.iter().filter(|takes| takes.len() == values.len()).peekable();
        of_arity.peek().is_none()
            || of_arity.any(|takes| takes.iter().zip(values).all(|(takes, value)| fits(*takes, value)))
    }

    /// Some overload takes this value first.
    pub(crate) fn take_first(&self, name: &str, value: &Known<'_>) -> bool {
        let overloads = self.0.get(name);
        overloads.is_none_or(|overloads| {
            overloads.iter().any(|takes| takes.first().is_some_and(|takes| fits(*takes, value)))
        })
    }

    /// The functions that take this value first, and it is their own type.
    pub(crate) fn methods_of(&self, value: &Known<'_>) -> Vec<&str> {
        let takes = |takes: &Vec<Takes>| {
            takes
                .first()
                .is_some_and(|takes| !matches!(takes, Takes::Anything | Takes::Other) && fits(*takes, value))
        };
        let is_word = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && !name.contains('$')
                && !ending::NAMES.contains(&name)
        };
        let named = self.0.iter().filter(|(name, overloads)| is_word(name) && overloads.iter().any(takes));
        named.map(|(name, _)| name.as_str()).collect()
    }
}

fn takes(id: TypeId) -> Takes {
    let is = |types: &[TypeId]| types.contains(&id);
    if is(&[TypeId::of::<i64>(), TypeId::of::<Decimal>()]) {
        Takes::Number
    } else if is(&[TypeId::of::<ImmutableString>(), TypeId::of::<String>(), TypeId::of::<&str>()])
        || id == TypeId::of::<char>()
    {
        Takes::Text
    } else if id == TypeId::of::<bool>() {
        Takes::Boolean
    } else if id == TypeId::of::<()>() {
        Takes::Nothing
    } else if id == TypeId::of::<Moment>() {
        Takes::Date
    } else if id == TypeId::of::<FnPtr>() {
        Takes::Function
    } else if id == TypeId::of::<List>() {
        Takes::OrderList
    } else if id == TypeId::of::<Names>() {
        Takes::Names
    } else if id == TypeId::of::<Array>() {
        Takes::OwnList
    } else if id == TypeId::of::<Record>() {
        Takes::Record
    } else if id == TypeId::of::<Map>() {
        Takes::OwnRecord
    } else if id == TypeId::of::<Dynamic>() {
        Takes::Anything
    } else {
        Takes::Other
    }
}

fn fits(takes: Takes, value: &Known<'_>) -> bool {
    let kind = match value {
        Known::Anything => return true,
        Known::Maybe(inner, _) => return fits(takes, inner),
        known => known.kind(),
    };
    match takes {
        Takes::Anything | Takes::Other => true,
        Takes::Number => kind == Some(Kind::Number),
        Takes::Text => kind == Some(Kind::Text),
        Takes::Date => kind == Some(Kind::Date),
        Takes::Boolean => kind == Some(Kind::Boolean),
        Takes::Nothing => kind == Some(Kind::Nothing),
        Takes::Function => kind == Some(Kind::Function),
        Takes::OrderList => match value {
            Known::Given(_, fact) => matches!(fact, Fact::List(_)),
            Known::Fact(..) | Known::Part(..) => kind == Some(Kind::List),
            _ => false,
        },
        Takes::Names => matches!(value, Known::Given(_, Fact::Names(_))),
        Takes::OwnList => matches!(value, Known::List(_)),
        Takes::Record => kind == Some(Kind::Record) && !matches!(value, Known::Record(_)),
        Takes::OwnRecord => matches!(value, Known::Record(_)),
    }
}
