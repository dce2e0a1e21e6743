//! Access to parts of a value: `record.field`, `list[0]`, and chains of them.

use rhai::{Expr, Position};

use super::chain::{Chain, Link};
use super::checker::Checker;
use super::known::{Kind, Known};

impl<'a> Checker<'_, 'a> {
    pub(super) fn chain(&mut self, chain: &Chain<'_>) -> Known<'a> {
        let mut known = self.value(chain.base);
        for link in &chain.links {
            known = self.link(known, *link);
        }
        known
    }

    fn link(&mut self, base: Known<'a>, link: Link<'_>) -> Known<'a> {
        let position = link.expr.start_position();
        let doubt = match &base {
            Known::Maybe(_, doubt) if link.is_careful => Some(doubt.clone()),
            _ => None,
        };
        let base = if doubt.is_some() { base.without_doubt() } else { self.sure(base, position) };
        let known = match link.expr {
            index if link.is_entry => self.entry(base, index),
            Expr::Property(property, _) => self.property(&base, &property.2, position),
            Expr::MethodCall(call, _) => self.method(base, call, position),
            _ => Known::Anything,
        };
        match doubt {
            Some(doubt) => Known::Maybe(Box::new(known), doubt),
            None => known,
        }
    }

    pub(super) fn property(&mut self, base: &Known<'a>, name: &str, position: Position) -> Known<'a> {
        match self.fields.property(base, name) {
            Ok(known) => known,
            Err(missing) => self.missing(position, missing),
        }
    }

    /// `base[index]`.
    fn entry(&mut self, base: Known<'a>, index: &Expr) -> Known<'a> {
        let position = index.start_position();
        let known = self.value(index);
        let known = self.sure(known, position);
        match (base.kind(), known.kind()) {
            (Some(Kind::List), _) => base.element(),
            (Some(Kind::Record), _) => match (known.literal(), &base, &known) {
                (Some(name), ..) => self.property(&base, name, position),
                (None, Known::Given(..), Known::Fact(path, shape)) => {
                    self.choice(&base, path, shape, position)
                }
                _ => Known::Anything,
            },
            _ => Known::Anything,
        }
    }
}
