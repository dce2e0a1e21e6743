//! The rhai engine as rules have it: what it can do, what it cannot, and its limits.

use std::collections::{BTreeMap, BTreeSet};

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{Engine, OptimizationLevel};

use crate::facts::{Fact, List, Names, Record};
use crate::{budget, compare, ending, files, helpers};

/// Also the version in the workspace's `Cargo.toml`; a test compares them.
const RHAI: &str = "1.27.0";
/// Raised by hand when an answer can change although nothing that [`fingerprint`] sees does.
const MEANING: u32 = 1;

/// Nested arrays count in full at each change: more than this is quadratic time.
const MAX_ARRAY_SIZE: usize = 500;
const MAX_MAP_SIZE: usize = 200;
const MAX_CALL_LEVELS: usize = 16;
/// Explicit: rhai's own differ between debug and release builds.
const MAX_EXPR_DEPTHS: (usize, usize) = (64, 32);
const MAX_VARIABLES: usize = 64;
const MAX_FUNCTIONS: usize = 32;

/// What rules do without, and what to do instead.
pub(crate) const FORBIDDEN: [(&str, &str); 24] = [
    ("while", "loops without a bound are not allowed: use `for`, or a helper such as sum or where_in"),
    ("loop", "loops without a bound are not allowed: use `for`, or a helper such as sum or where_in"),
    ("do", "loops without a bound are not allowed: use `for`, or a helper such as sum or where_in"),
    ("until", "loops without a bound are not allowed: use `for`, or a helper such as sum or where_in"),
    ("try", "a rule's error goes to a person: it cannot be caught"),
    ("catch", "a rule's error goes to a person: it cannot be caught"),
    ("throw", "use escalate(code, text)"),
    ("switch", "use if and else if: a switch silently skips values of another type"),
    ("eval", "rules run no text as code"),
    ("import", "each rule stands alone"),
    ("export", "each rule stands alone"),
    ("print", "rules have no output but their verdict"),
    ("debug", "rules have no output but their verdict"),
    ("Fn", "call functions by their names"),
    ("call", "call functions by their names"),
    ("curry", "call functions by their names"),
    ("type_of", "the schema says what each fact is"),
    ("is_shared", "rules share nothing"),
    ("is_def_fn", "each rule stands alone"),
    ("sleep", "a rule decides on what it is given"),
    ("timestamp", "use task.now: it is stored, so that an evaluation can be repeated"),
    ("exit", "use pass()"),
    ("<<", "multiply instead"),
    (">>", "divide instead"),
];

/// What scripts have of rhai's own functions. Not among them: those that swallow an error (`sort` by a function, `dedup`),
/// change a text in place and return nothing (`trim`), or round (`parse_float`).
pub(crate) const FROM_RHAI: [&str; 36] = [
    "abs",
    "all",
    "ceiling",
    "contains",
    "ends_with",
    "filter",
    "find",
    "floor",
    "for_each",
    "fraction",
    "get",
    "index_of",
    "int",
    "is_empty",
    "keys",
    "len",
    "map",
    "max",
    "min",
    "parse_int",
    "pop",
    "push",
    "range",
    "reduce",
    "round",
    "round_down",
    "round_half_down",
    "round_half_up",
    "round_up",
    "some",
    "split",
    "starts_with",
    "sub_string",
    "to_lower",
    "to_string",
    "to_upper",
];

/// An engine without the getters that scripts need; see [`register_properties`].
pub(crate) fn new() -> Engine {
    let mut engine = Engine::new_raw();
    for package in [
        ArithmeticPackage::new().as_shared_module(),
        LogicPackage::new().as_shared_module(),
        BasicMathPackage::new().as_shared_module(),
        BasicStringPackage::new().as_shared_module(),
        MoreStringPackage::new().as_shared_module(),
        BasicArrayPackage::new().as_shared_module(),
        BasicMapPackage::new().as_shared_module(),
        BasicIteratorPackage::new().as_shared_module(),
    ] {
        engine.register_global_module(package);
    }
    engine
        .set_max_operations(budget::MAX_STEPS)
        .set_max_expr_depths(MAX_EXPR_DEPTHS.0, MAX_EXPR_DEPTHS.1)
        .set_max_call_levels(MAX_CALL_LEVELS)
        .set_max_variables(MAX_VARIABLES)
        .set_max_functions(MAX_FUNCTIONS)
        .set_max_string_size(budget::MAX_STRING_BYTES)
        .set_max_array_size(MAX_ARRAY_SIZE)
        .set_max_map_size(MAX_MAP_SIZE)
        // The interner is one lock for all threads.
        .set_max_strings_interned(0);
    // Full calls host functions, such as escalate, while it compiles; Simple folds `() > 5` to false before our strict
    // comparison can refuse it. None also keeps every line for coverage.
    engine.set_optimization_level(OptimizationLevel::None);
    engine.set_strict_variables(true);
    engine.set_fail_on_invalid_map_property(true);
    engine.set_fast_operators(false);
    for (symbol, _) in FORBIDDEN {
        engine.disable_symbol(symbol);
    }
    engine.register_type_with_name::<Record>("record");
    engine.register_type_with_name::<List>("list");
    engine.register_type_with_name::<Names>("list of names");
    budget::install(&mut engine);
    compare::register(&mut engine);
    ending::register(&mut engine);
    helpers::register(&mut engine);
    engine
}

/// Lets scripts read these names of records with a dot. A getter is much faster than an indexer.
pub(crate) fn register_properties(engine: &mut Engine, names: &BTreeSet<String>) {
    for name in names {
        let property = name.clone();
        engine.register_get(name, move |record: &mut Record| record.get(&property).map(Fact::to_dynamic));
    }
}

/// Every function a script may call, with the numbers of arguments it takes: ours, and those of rhai that return their
/// answer and pass on every error. Operators and getters are left out.
pub(crate) fn functions(engine: &Engine) -> BTreeMap<String, BTreeSet<usize>> {
    let mut functions: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let name_and_arity =
        |info: rhai::FuncInfo<'_>| Some((info.metadata.name.to_string(), info.metadata.num_params));
    let ours = engine.collect_fn_metadata(None, name_and_arity, false).into_iter();
    let ours =
        ours.filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('$'));
    let all = engine.collect_fn_metadata(None, name_and_arity, true).into_iter();
    let allowed = all.filter(|(name, _)| FROM_RHAI.contains(&name.as_str()));
    for (name, arity) in ours.chain(allowed) {
        functions.entry(name).or_default().insert(arity);
    }
    functions
}

/// What an evaluation depends on besides its ruleset and facts: rhai, host functions, limits. 16 hexadecimal digits.
pub(crate) fn fingerprint(functions: &BTreeMap<String, BTreeSet<usize>>) -> String {
    let limits = (
        budget::MAX_STEPS,
        budget::MAX_STRING_BYTES,
        MAX_ARRAY_SIZE,
        MAX_MAP_SIZE,
        MAX_CALL_LEVELS,
        MAX_EXPR_DEPTHS,
        MAX_VARIABLES,
        MAX_FUNCTIONS,
    );
    let text = format!("{RHAI} {MEANING} {limits:?} {functions:?} {FORBIDDEN:?}");
    files::hex(text.as_bytes())[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_names_the_rhai_that_is_built() {
        let manifest = include_str!("../../Cargo.toml");
        assert!(manifest.contains(&format!("rhai = {{ version = \"={RHAI}\"")), "{RHAI}");
    }

    #[test]
    fn scripts_reach_no_clock_output_or_exit() {
        let functions = functions(&new());
        for name in ["sleep", "timestamp", "print", "debug", "exit", "eval", "rand", "parse_json"] {
            assert!(!functions.contains_key(name), "{name}");
        }
        for name in ["approve", "sum", "to_upper", "round"] {
            assert!(functions.contains_key(name), "{name}");
        }
    }
}
