//! One build of each dependency serves `cargo ops`, the programs of the local world and the tests.

use std::collections::BTreeSet;

use ops::binaries::cargo;

/// Each dependency of the workspace with its features, as cargo resolves them.
fn dependencies(edges: &str) -> BTreeSet<String> {
    let mut tree = cargo();
    tree.args([
        "tree",
        "--workspace",
        "--frozen",
        "--prefix",
        "none",
        "--format",
        "{p} {f}",
        "--edges",
        edges,
    ]);
    let output = tree.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect()
}

#[test]
fn tests_need_no_other_features_of_what_the_programs_use() {
    let (all, normal) = (dependencies("normal,build,dev"), dependencies("normal,build"));
    assert!(normal.len() > 100, "{normal:?}");
    let other: Vec<&String> = normal.difference(&all).collect();
    assert!(
        other.is_empty(),
        "a dependency is built once more for the tests; see ops/Cargo.toml: {other:#?}"
    );
}
