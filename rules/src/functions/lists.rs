//! Functions of lists: of an order, of `lists/`, and of a script's own.

use std::sync::Arc;

use rhai::{Array, Dynamic, Engine};
use rust_decimal::Decimal;

use super::membership::names_hold;
use super::whole;
use crate::facts::{Fact, Failure, List};
use crate::kind::kind;
use crate::names::{Fold, Names};
use crate::{exact, step_limit, value_limits};

/// Gives scripts the functions.
pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("len", |list: List| whole(list.0.len()));
    engine.register_fn("is_empty", |list: List| list.0.is_empty());
    engine.register_fn("len", |names: Names| whole(names.len()));
    engine.register_fn("is_empty", |names: Names| names.len() == 0);
    engine.register_fn("len", |own: Array| whole(own.len()));
    engine.register_fn("is_empty", |own: Array| own.is_empty());
    engine.register_fn("push", |own: &mut Array, value: Dynamic| own.push(value));
    engine.register_fn("pop", |own: &mut Array| -> Result<Dynamic, Failure> {
        own.pop().ok_or_else(|| "the list is empty: there is nothing to pop".into())
    });
    engine.register_fn("where_in", |list: List, field: &str, names: Names| list.where_in(field, &names));
    engine.register_fn("where_in", |list: List, field: &str, names: Array| {
        list.where_in(field, &own_names(names)?)
    });
    engine.register_fn("any_in", |list: List, field: &str, names: Names| {
        list.where_in(field, &names).map(|found| !found.0.is_empty())
    });
    engine.register_fn("any_in", |list: List, field: &str, names: Array| {
        list.where_in(field, &own_names(names)?).map(|found| !found.0.is_empty())
    });
    engine.register_fn("sum", |list: List, field: &str| list.sum(|fact| number_of(fact, field)));
    engine.register_fn("sum", |list: List| list.sum(|fact| as_number(fact, "the list")));
    engine.register_fn("sum", |own: Array| List::of(own)?.sum(|fact| as_number(fact, "the list")));
    engine.register_fn("sum_product", |list: List, a: &str, b: &str| {
        list.sum(|fact| {
            let product = exact::multiply(number_of(fact, a)?, number_of(fact, b)?);
            product
                .ok_or_else(|| format!("{a} times {b} has more digits than can be kept exactly (28)").into())
        })
    });
    engine.register_fn("max_of", |list: List, field: &str| list.extreme(field, Decimal::max));
    engine.register_fn("min_of", |list: List, field: &str| list.extreme(field, Decimal::min));
    engine.register_fn("join", |list: List, field: &str| {
        list.join(|fact| as_text(field_of(fact, field)?, field))
    });
    engine.register_fn("join", |list: List| list.join(|fact| as_text(fact, "the list")));
    engine.register_fn("join", |own: Array| List::of(own)?.join(|fact| as_text(fact, "the list")));
    engine.register_fn("join", |names: Names| {
        let facts = names.iter().map(|name| Fact::Text(name.into())).collect();
        List(Arc::new(facts)).join(|fact| as_text(fact, "the list"))
    });
    engine.register_indexer_get(|list: &mut List, index: i64| {
        let found = usize::try_from(index).ok().and_then(|index| list.0.get(index));
        found.map(Fact::to_dynamic).ok_or_else(|| {
            let entries = if list.0.len() == 1 { "entry" } else { "entries" };
            Failure::from(format!("the list has {} {entries}; there is no [{index}]", list.0.len()))
        })
    });
    engine.register_iterator::<List>();
    engine.register_iterator::<Array>();
}

impl IntoIterator for List {
    type Item = Dynamic;
    type IntoIter = ListIter;

    fn into_iter(self) -> ListIter {
        ListIter { list: self, next: 0 }
    }
}

/// A list's values, one by one, without copying the list.
#[derive(Debug)]
pub(crate) struct ListIter {
    list: List,
    next: usize,
}

impl Iterator for ListIter {
    type Item = Dynamic;

    fn next(&mut self) -> Option<Dynamic> {
        let fact = self.list.0.get(self.next)?;
        self.next += 1;
        Some(fact.to_dynamic())
    }
}

impl List {
    /// A script's own list as facts.
    pub(super) fn of(own: Array) -> Result<List, Failure> {
        step_limit::charge(own.len());
        let fact = |value: Dynamic| {
            let kind = kind(&value);
            Fact::from_dynamic(value).ok_or_else(|| Failure::from(format!("the list holds {kind}")))
        };
        Ok(List(Arc::new(own.into_iter().map(fact).collect::<Result<_, _>>()?)))
    }

    fn where_in(&self, field: &str, names: &Names) -> Result<List, Failure> {
        step_limit::charge(self.0.len());
        let mut kept = Vec::new();
        for fact in self.0.iter() {
            let is_in = match field_of(fact, field)? {
                Fact::Text(text) => names.contains(text),
                Fact::Part(text) => names.contains(text),
                Fact::Moment(moment) => names_hold(names, &Dynamic::from(moment.clone()))?,
                other => return Err(format!("{field} holds {}, not text", other.kind()).into()),
            };
            if is_in {
                kept.push(fact.clone());
            }
        }
        Ok(List(Arc::new(kept)))
    }

    fn sum(&self, value: impl Fn(&Fact) -> Result<Decimal, Failure>) -> Result<Decimal, Failure> {
        step_limit::charge(self.0.len());
        let mut sum = Decimal::ZERO;
        for fact in self.0.iter() {
            sum = exact::add(sum, value(fact)?)
                .ok_or("the sum has more digits than can be kept exactly (28)")?;
        }
        Ok(sum.normalize())
    }

    /// The extreme of a field; nothing of an empty list.
    fn extreme(&self, field: &str, choose: fn(Decimal, Decimal) -> Decimal) -> Result<Dynamic, Failure> {
        step_limit::charge(self.0.len());
        let mut best: Option<Decimal> = None;
        for fact in self.0.iter() {
            let number = number_of(fact, field)?;
            best = Some(best.map_or(number, |best| choose(best, number)));
        }
        Ok(best.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// At most 8 KB, as every text in a rule.
    fn join(&self, text: impl Fn(&Fact) -> Result<String, Failure>) -> Result<String, Failure> {
        step_limit::charge(self.0.len());
        let mut joined = String::new();
        for (n, fact) in self.0.iter().enumerate() {
            if n > 0 {
                joined.push_str(", ");
            }
            joined.push_str(&text(fact)?);
            if joined.len() > value_limits::MAX_STRING_BYTES {
                return Err("the joined text is too long".into());
            }
        }
        Ok(joined)
    }
}

fn field_of<'a>(fact: &'a Fact, field: &str) -> Result<&'a Fact, Failure> {
    match fact {
        Fact::Record(record) => record.get(field),
        other => Err(format!("the list holds {}, which has no '{field}'", other.kind()).into()),
    }
}

fn number_of(fact: &Fact, field: &str) -> Result<Decimal, Failure> {
    as_number(field_of(fact, field)?, field)
}

fn as_number(fact: &Fact, what: &str) -> Result<Decimal, Failure> {
    match fact {
        Fact::Integer(number) => Ok(Decimal::from(*number)),
        Fact::Decimal(number) => Ok(*number),
        other => Err(format!("{what} holds {}, not a number", other.kind()).into()),
    }
}

fn as_text(fact: &Fact, what: &str) -> Result<String, Failure> {
    match fact {
        Fact::Nothing => Err(format!("{what} has a missing value, which cannot be joined").into()),
        fact => fact.text().ok_or_else(|| format!("{what} holds {}, not text", fact.kind()).into()),
    }
}

fn own_names(names: Array) -> Result<Names, Failure> {
    let mut texts = Vec::with_capacity(names.len());
    for name in names {
        let kind = kind(&name);
        texts.push(name.into_string().map_err(|_| format!("the list of names holds {kind}, not text"))?);
    }
    Ok(Names::new(texts, Fold::Form))
}
