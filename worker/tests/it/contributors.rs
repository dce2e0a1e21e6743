//! What README.md's table "To change something, go to" promises: what is forgotten on the way fails here, by its name.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The first text literal after each place of `call` in `source`.
fn arguments<'a>(source: &'a str, call: &str) -> Vec<&'a str> {
    let after = source.split(call).skip(1);
    after.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next()).collect()
}

#[test]
fn every_route_is_in_the_readme() {
    let routes = text("worker/src/api/routes.rs");
    let mut routes: Vec<String> = ["Route::get(", "Route::post("]
        .iter()
        .flat_map(|call| arguments(&routes, call))
        .map(str::to_owned)
        .collect();
    routes.extend(arguments(&text("worker/src/api/scrape.rs"), ".route(").into_iter().map(str::to_owned));
    let readme = text("worker/README.md");
    assert!(routes.len() > 10, "the routes are found: {routes:?}");
    for route in routes {
        assert!(readme.contains(&format!("{route}`")), "worker/README.md says nothing of {route}");
    }
}

#[test]
fn every_rule_function_is_in_the_definitions_and_the_handbook() {
    let (definitions, handbook) = (text("rules/src/definitions.rs"), text("rules/README.md"));
    let mut functions = vec![];
    for entry in fs::read_dir(root().join("rules/src/functions")).unwrap() {
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        functions.extend(arguments(&source, "register_fn(").into_iter().map(str::to_owned));
    }
    functions
        .retain(|name| name.starts_with(|first: char| first.is_ascii_lowercase()) && !name.contains('$'));
    // Not called by name: the engine's own way of writing a value into a text.
    functions.retain(|name| name != "to_string");
    functions.sort();
    functions.dedup();
    assert!(functions.len() > 10, "the functions are found: {functions:?}");
    for function in functions {
        assert!(definitions.contains(&format!("{function}(")), "rules/src/definitions.rs lacks {function}");
        let named = [format!("{function}("), format!("`{function}`")];
        assert!(
            named.iter().any(|name| handbook.contains(name)),
            "rules/README.md says nothing of {function}"
        );
    }
}

#[test]
fn every_file_of_the_map_is_there() {
    let readme = text("README.md");
    let map = readme.split("## How the house is built").nth(1).expect("README.md has a map");
    let mut checked = 0;
    for path in
        map.split('`').skip(1).step_by(2).filter(|path| path.ends_with(".rs") || path.ends_with(".toml"))
    {
        let places =
            [path.to_owned(), format!("worker/src/{path}"), format!("worker/src/stepfunctions/{path}")];
        assert!(
            places.iter().any(|place| root().join(place).exists()),
            "README.md names {path}, which is not there"
        );
        checked += 1;
    }
    assert!(checked > 30, "the files are found: {checked}");
}
