//! The floor: the sample's scripts on rhai alone, with facts as a Rust program would write them for this one order.
//!
//! Strict operators, because rhai's own approve what a rule's author misspelt; no schema, record, explanation, derived
//! facts in scripts, masks, step limit or guard against panics.

use std::sync::Arc;

use rhai::packages::{Package as _, StandardPackage};
use rhai::{AST, Array, Dynamic, Engine, EvalAltResult, ImmutableString, OptimizationLevel, Position, Scope};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};

/// The sample's rules, compiled.
pub(crate) struct Bare {
    engine: Engine,
    scripts: Vec<AST>,
    given: Vec<(&'static str, Dynamic)>,
}

#[derive(Debug, Deserialize)]
struct Order {
    #[serde(deserialize_with = "exact")]
    amount: Decimal,
    currency: String,
    customer: CustomerJson,
    items: Vec<ItemJson>,
}

#[derive(Debug, Deserialize)]
struct CustomerJson {
    tier: String,
    country: String,
    #[serde(rename = "ageDays")]
    age_days: i64,
}

#[derive(Debug, Deserialize)]
struct ItemJson {
    sku: String,
    category: String,
    quantity: i64,
    #[serde(deserialize_with = "exact")]
    price: Decimal,
}

#[derive(Clone)]
struct Facts(Arc<Order>);

#[derive(Clone)]
struct Customer(Arc<Order>);

#[derive(Clone)]
struct Items(Arc<Order>, Option<Arc<Vec<usize>>>);

#[derive(Clone)]
struct Said(ImmutableString);

fn exact<'de, D: Deserializer<'de>>(reader: D) -> Result<Decimal, D::Error> {
    let number = serde_json::Number::deserialize(reader)?;
    Decimal::from_str_exact(number.as_str()).map_err(serde::de::Error::custom)
}

/// The lines of a file without comments and blanks.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty())
}

/// Tables of numbers.
fn table(text: &str) -> rhai::Map {
    let mut table = rhai::Map::new();
    let mut section: Vec<&str> = Vec::new();
    for line in lines(text) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').split('.').collect();
            continue;
        }
        let (key, number) = line.split_once('=').expect("a key and a number");
        let number = Decimal::from_str_exact(number.trim()).expect("a number");
        put(&mut table, &section, key.trim(), number.into());
    }
    table
}

fn put(table: &mut rhai::Map, section: &[&str], key: &str, value: Dynamic) {
    match section.split_first() {
        None => drop(table.insert(key.into(), value)),
        Some((first, rest)) => {
            let inner = table.entry((*first).into()).or_insert_with(|| rhai::Map::new().into());
            let mut inner = inner.write_lock::<rhai::Map>().expect("a table");
            put(&mut inner, rest, key, value);
        }
    }
}

fn compare(engine: &mut Engine) {
    type Holds = fn(std::cmp::Ordering) -> bool;
    let operators: [(&str, Holds); 6] = [
        ("==", |it| it.is_eq()),
        ("!=", |it| it.is_ne()),
        ("<", |it| it.is_lt()),
        ("<=", |it| it.is_le()),
        (">", |it| it.is_gt()),
        (">=", |it| it.is_ge()),
    ];
    for (operator, holds) in operators {
        engine.register_fn(operator, move |a: i64, b: i64| holds(a.cmp(&b)));
        engine.register_fn(operator, move |a: Decimal, b: Decimal| holds(a.cmp(&b)));
        engine.register_fn(operator, move |a: i64, b: Decimal| holds(Decimal::from(a).cmp(&b)));
        engine.register_fn(operator, move |a: Decimal, b: i64| holds(a.cmp(&b.into())));
        engine.register_fn(operator, move |a: ImmutableString, b: ImmutableString| holds(a.cmp(&b)));
        engine.register_fn(operator, move |_: Dynamic, _: Dynamic| {
            Err::<bool, Box<EvalAltResult>>(format!("cannot compare with {operator}").into())
        });
    }
}

fn facts(engine: &mut Engine) {
    engine.register_get("amount", |it: &mut Facts| it.0.amount);
    engine.register_get("currency", |it: &mut Facts| ImmutableString::from(it.0.currency.as_str()));
    engine.register_get("customer", |it: &mut Facts| Customer(it.0.clone()));
    engine.register_get("items", |it: &mut Facts| Items(it.0.clone(), None));
    engine.register_get("itemsTotal", |it: &mut Facts| {
        it.0.items.iter().map(|item| Decimal::from(item.quantity) * item.price).sum::<Decimal>()
    });
    engine.register_get("tier", |it: &mut Customer| ImmutableString::from(it.0.customer.tier.as_str()));
    engine.register_get("country", |it: &mut Customer| ImmutableString::from(it.0.customer.country.as_str()));
    engine.register_get("ageDays", |it: &mut Customer| it.0.customer.age_days);
    engine.register_fn("is_empty", |it: Items| it.1.map_or(it.0.items.is_empty(), |some| some.is_empty()));
    engine.register_fn("len", |it: Items| i64::try_from(it.0.items.len()).unwrap_or(i64::MAX));
    engine.register_fn("where_in", |it: Items, _: &str, list: Array| {
        let is_in = |category: &str| {
            list.iter().any(|entry| entry.as_immutable_string_ref().is_ok_and(|entry| **entry == *category))
        };
        let places = it.0.items.iter().enumerate().filter(|(_, item)| is_in(&item.category));
        let places = places.map(|(place, _)| place).collect();
        Items(it.0.clone(), Some(Arc::new(places)))
    });
    engine.register_fn("join", |it: Items, _: &str| {
        let places = it.1.unwrap_or_default();
        places.iter().map(|place| it.0.items[*place].sku.as_str()).collect::<Vec<_>>().join(", ")
    });
    engine.register_fn("contains", |list: Array, text: ImmutableString| {
        list.iter().any(|entry| entry.as_immutable_string_ref().is_ok_and(|entry| **entry == *text))
    });
    engine.register_fn("money", |amount: Decimal| format!("{:.2}", amount.round_dp(2)));
    engine.register_fn("/", |a: Decimal, b: i64| a / Decimal::from(b));
    let exit = |code: &str| {
        Err::<Dynamic, _>(Box::new(EvalAltResult::Exit(Dynamic::from(Said(code.into())), Position::NONE)))
    };
    engine.register_fn("pass", move || exit(""));
    for name in ["approve", "reject", "escalate"] {
        engine.register_fn(name, move |code: &str, _: ImmutableString| exit(code));
    }
}

/// The sample's five rules.
pub(crate) fn sample() -> Bare {
    let scripts = [
        include_str!("../../scripts/rules/10-restricted-goods.rhai"),
        include_str!("../../scripts/rules/20-consistent-total.rhai"),
        include_str!("../../scripts/rules/30-tier-limit.rhai"),
        include_str!("../../scripts/rules/40-new-customer.rhai"),
        include_str!("../../scripts/rules/50-small-order.rhai"),
    ];
    let lists = [
        ("restricted_categories", include_str!("../../scripts/lists/restricted_categories.txt")),
        ("sanctioned_countries", include_str!("../../scripts/lists/sanctioned_countries.txt")),
    ];
    Bare::new(&scripts, include_str!("../../scripts/params/limits.toml"), lists)
}

impl Bare {
    fn new(scripts: &[&str], limits: &str, lists: [(&'static str, &str); 2]) -> Bare {
        let mut engine = Engine::new_raw();
        engine.register_global_module(StandardPackage::new().as_shared_module());
        engine.set_max_operations(50_000).set_max_strings_interned(0).set_max_string_size(8 * 1024);
        engine.set_max_array_size(500).set_max_map_size(200);
        engine.set_optimization_level(OptimizationLevel::Simple).set_fast_operators(false);
        compare(&mut engine);
        facts(&mut engine);
        let entries = |text| lines(text).map(|line| line.to_owned().into()).collect::<Array>();
        let lists: rhai::Map =
            lists.iter().map(|(name, text)| ((*name).into(), entries(*text).into())).collect();
        let given = vec![("limits", table(limits).into()), ("lists", lists.into())];
        let compile = |text: &&str| engine.compile(*text).expect("the sample compiles");
        let scripts = scripts.iter().map(compile).collect();
        Bare { engine, scripts, given }
    }

    /// The codes that the rules gave, joined.
    pub(crate) fn decide(&self, order: &str) -> String {
        let order: Order = serde_json::from_str(order).expect("it is an order");
        let mut scope = Scope::new();
        scope.push_constant("order", Facts(Arc::new(order)));
        for (name, value) in &self.given {
            scope.push_constant_dynamic(*name, value.clone());
        }
        let mut codes = String::new();
        for script in &self.scripts {
            let value = self.engine.eval_ast_with_scope::<Dynamic>(&mut scope, script);
            scope.rewind(3);
            if let Some(said) = value.expect("it runs").try_cast::<Said>()
                && !said.0.is_empty()
            {
                codes.push_str(&said.0);
                codes.push(' ');
            }
        }
        codes
    }
}
