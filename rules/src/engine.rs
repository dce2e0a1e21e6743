//! The rhai engine as rules have it: what it can do, what it cannot, and its limits.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{Engine, OptimizationLevel};

use crate::dates::Moment;
use crate::facts::{Fact, List, Record};
use crate::names::Names;
use crate::{arithmetic, compare, compiled, ending, files, functions, step_limit, value_limits};

/// Also the version in the workspace's `Cargo.toml`; a test compares them.
const RHAI: &str = "1.27.0";
/// Raised by hand when an answer can change although nothing that [`fingerprint`] sees does.
const MEANING: u32 = 5;

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
    ("eval", "rules cannot run text as code"),
    ("import", "each rule is independent of the others"),
    ("export", "each rule is independent of the others"),
    ("print", "a rule's only output is its verdict"),
    ("debug", "a rule's only output is its verdict"),
    ("Fn", "call functions by their names"),
    ("call", "call functions by their names"),
    ("curry", "call functions by their names"),
    ("type_of", "the schema says what each fact is"),
    ("is_shared", "rules share nothing"),
    ("is_def_fn", "each rule is independent of the others"),
    ("sleep", "a rule decides only on what it is given"),
    ("timestamp", "use task.now: it is stored, so that an evaluation can be repeated"),
    ("exit", "use pass()"),
    ("<<", "multiply instead"),
    (">>", "divide instead"),
];

/// An engine without the getters that scripts need; see [`register_properties`].
pub(crate) fn new() -> Engine {
    let mut engine = Engine::new_raw();
    engine
        .set_max_operations(step_limit::MAX_STEPS)
        .set_max_expr_depths(MAX_EXPR_DEPTHS.0, MAX_EXPR_DEPTHS.1)
        .set_max_call_levels(MAX_CALL_LEVELS)
        .set_max_variables(MAX_VARIABLES)
        .set_max_functions(MAX_FUNCTIONS)
        .set_max_string_size(value_limits::MAX_STRING_BYTES)
        .set_max_array_size(value_limits::MAX_ARRAY_SIZE)
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
    engine.register_type_with_name::<Moment>("date");
    step_limit::install(&mut engine);
    compiled::register(&mut engine);
    arithmetic::register(&mut engine);
    compare::register(&mut engine);
    ending::register(&mut engine);
    functions::register(&mut engine);
    engine
}

/// Lets scripts read these names of records with a dot. A getter is much faster than an indexer.
pub(crate) fn register_properties(engine: &mut Engine, names: &BTreeSet<String>) {
    for name in names {
        let property = name.clone();
        engine.register_get(name, move |record: &mut Record| record.get(&property).map(Fact::to_dynamic));
    }
}

/// Every function a script may call, with the numbers of arguments it takes; operators and getters are left out.
pub(crate) fn functions(engine: &Engine) -> BTreeMap<String, BTreeSet<usize>> {
    let mut functions: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let name_and_arity =
        |info: rhai::FuncInfo<'_>| Some((info.metadata.name.to_string(), info.metadata.num_params));
    for (name, arity) in engine.collect_fn_metadata(None, name_and_arity, false) {
        if name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('$') {
            functions.entry(name).or_default().insert(arity);
        }
    }
    functions
}

/// What an evaluation depends on besides its ruleset and facts: rhai, host functions, limits. 16 hexadecimal digits.
pub(crate) fn fingerprint(functions: &BTreeMap<String, BTreeSet<usize>>) -> String {
    let limits = (
        step_limit::MAX_STEPS,
        value_limits::MAX_STRING_BYTES,
        value_limits::MAX_ARRAY_SIZE,
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
