//! The shape of the house: which file may import which, held against every path in the sources.
//!
//! The order of the worker's folders is written down once, in the table of README.md's architecture section.
#![expect(clippy::unwrap_used, reason = "a panic in a test's helper is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The crates whose files are looked at; `ops` starts the others as processes and stands apart.
const CRATES: [&str; 4] = ["statemachine", "rules", "ingest", "worker"];

/// One import: from a file to another of its crate, with the path as it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    from: String,
    to: String,
    path: String,
}

/// A crate's files by the path of their module: `steps::person` to `steps/person.rs`.
struct Sources {
    src: PathBuf,
    modules: BTreeMap<Vec<String>, String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Sources {
    fn of(name: &str) -> Sources {
        let src = root().join(name).join("src");
        let mut modules = BTreeMap::new();
        let mut folders = vec![src.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                // A test may import anything.
                if name == "tests" || name == "tests.rs" {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else if name.ends_with(".rs") {
                    let file = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
                    modules.insert(module_of(&file), file);
                }
            }
        }
        Sources { src, modules }
    }

    fn imports(&self) -> BTreeSet<Import> {
        let mut imports = BTreeSet::new();
        for (module, file) in &self.modules {
            let text = fs::read_to_string(self.src.join(file)).unwrap();
            let tokens: TokenStream = text.parse().unwrap_or_else(|_| panic!("{file} is not Rust"));
            let mut paths = vec![];
            read(tokens, module, &mut paths);
            for (absolute, written) in paths {
                let Some(to) = self.file_of(&absolute) else { continue };
                if to != file {
                    imports.insert(Import { from: file.clone(), to: to.to_owned(), path: written });
                }
            }
        }
        imports
    }

    /// The file of the longest part of a path that is a module.
    fn file_of(&self, path: &[String]) -> Option<&str> {
        let longest = (1..=path.len()).rev().find_map(|length| self.modules.get(&path[..length]));
        longest.map(String::as_str)
    }
}

fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    match path {
        "lib" | "main" | "mod" => vec![],
        path => path.split('/').map(str::to_owned).collect(),
    }
}

/// Every path that begins with `crate`, `super` or `self`, in code that is not a test: as absolute, and as written.
fn read(tokens: TokenStream, module: &[String], paths: &mut Vec<(Vec<String>, String)>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < trees.len() {
        match &trees[at] {
            TokenTree::Punct(punct) if punct.as_char() == '#' && is_test(trees.get(at + 1)) => {
                // The attributed item ends with its block or its semicolon.
                while at < trees.len() && !ends_item(&trees[at]) {
                    at += 1;
                }
            }
            TokenTree::Ident(ident) if ident == "mod" && is_block(trees.get(at + 2)) => {
                let inner = [module, &[trees[at + 1].to_string()]].concat();
                if let Some(TokenTree::Group(block)) = trees.get(at + 2) {
                    read(block.stream(), &inner, paths);
                }
                at += 2;
            }
            TokenTree::Ident(ident) if is_colons(&trees, at + 1) => {
                let mut base = match ident.to_string().as_str() {
                    "crate" => vec![],
                    "super" => module[..module.len().saturating_sub(1)].to_vec(),
                    "self" => module.to_vec(),
                    _ => {
                        at += 1;
                        continue;
                    }
                };
                at += 3;
                while trees.get(at).is_some_and(|tree| tree.to_string() == "super")
                    && is_colons(&trees, at + 1)
                {
                    base.pop();
                    at += 3;
                }
                at = follow(&trees, at, base, ident.to_string(), paths);
                continue;
            }
            TokenTree::Group(group) => read(group.stream(), module, paths),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
}

/// Reads on from after a `::`, through the braces of a `use`; returns where the path ends.
fn follow(
    trees: &[TokenTree],
    mut at: usize,
    mut base: Vec<String>,
    mut written: String,
    paths: &mut Vec<(Vec<String>, String)>,
) -> usize {
    loop {
        match trees.get(at) {
            Some(TokenTree::Ident(ident)) => {
                if ident != "self" {
                    base.push(ident.to_string());
                }
                written.push_str(&format!("::{ident}"));
                at += 1;
                if !is_colons(trees, at) {
                    break;
                }
                at += 2;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut next = 0;
                while next < inner.len() {
                    next = follow(&inner, next, base.clone(), written.clone(), paths);
                    while next < inner.len() && inner[next].to_string() != "," {
                        next += 1;
                    }
                    next += 1;
                }
                return at + 1;
            }
            _ => break,
        }
    }
    paths.push((base, written));
    at.max(1)
}

fn is_colons(trees: &[TokenTree], at: usize) -> bool {
    let is_colon =
        |tree: Option<&TokenTree>| matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    is_colon(trees.get(at)) && is_colon(trees.get(at + 1))
}

fn is_block(tree: Option<&TokenTree>) -> bool {
    matches!(tree, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace)
}

fn is_test(tree: Option<&TokenTree>) -> bool {
    matches!(tree, Some(TokenTree::Group(group)) if group.stream().to_string().replace(' ', "") == "cfg(test)")
}

fn ends_item(tree: &TokenTree) -> bool {
    is_block(Some(tree)) || tree.to_string() == ";"
}

/// A module and the files below it are one module in several files.
fn is_family(one: &str, other: &str) -> bool {
    let (one, other) = (module_of(one), module_of(other));
    one.starts_with(&other) || other.starts_with(&one)
}

/// The worker's folders and files in the order in which they may import, by the README.
fn order() -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let table = readme.split("| of `worker/src` |").nth(1).expect("README.md has the table of worker/src");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let names = rows.flat_map(|row| {
        let cell = row.split('|').nth(1).expect("a row has cells").to_owned();
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    });
    let names = names.map(|name| name.trim_end_matches('/').trim_end_matches(".rs").to_owned());
    // The roots of the library and the binary are no module.
    names.filter(|name| name != "lib" && name != "main").collect()
}

#[test]
fn folders_of_the_worker_import_in_one_direction() {
    let order = order();
    let sources = Sources::of("worker");
    let tops: BTreeSet<&String> = sources.modules.keys().filter_map(|module| module.first()).collect();
    let listed: BTreeSet<&String> = order.iter().collect();
    assert_eq!(tops, listed, "README.md lists each folder and file at the top of worker/src");
    let place = |file: &str| {
        let top = module_of(file).into_iter().next()?;
        order.iter().position(|name| *name == top)
    };
    let imports = sources.imports();
    assert!(imports.len() > 100, "the paths are found: {}", imports.len());
    for Import { from, to, path } in &imports {
        if let (Some(from_place), Some(to_place)) = (place(from), place(to)) {
            assert!(
                to_place <= from_place,
                "worker/src/{from} says {path}, which stands below it in README.md's table"
            );
        }
    }
}

/// Every file that can be reached from one by arrows.
fn reached<'a>(arrows: &'a BTreeMap<String, BTreeSet<String>>, from: &'a String) -> BTreeSet<&'a String> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        next.extend(arrows.get(file).into_iter().flatten().filter(|to| seen.insert(*to)));
    }
    seen
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for name in CRATES {
        let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for Import { from, to, .. } in Sources::of(name).imports() {
            if !is_family(&from, &to) {
                arrows.entry(from).or_default().insert(to);
            }
        }
        let circle: BTreeSet<&String> =
            arrows.keys().filter(|file| reached(&arrows, file).contains(file)).collect();
        let ties: Vec<String> = circle
            .iter()
            .flat_map(|from| arrows[*from].iter().map(move |to| (from, to)))
            .filter(|(_, to)| circle.contains(to))
            .map(|(from, to)| format!("{from} -> {to}"))
            .collect();
        assert!(circle.is_empty(), "{name}/src: files in a circle: {ties:#?}");
    }
}

#[test]
fn paths_are_read_wherever_they_stand() {
    let text = "use crate::{a::{self, B}, c}; use super::super::d::E as F;\n\
                fn f() { say!(\"crate::no {}\", crate::g::h()); } // crate::no\n\
                #[cfg(test)] mod tests { use crate::no; }\n\
                mod inner { use super::i; }";
    let mut paths = vec![];
    read(text.parse().unwrap(), &["x".to_owned(), "y".to_owned()], &mut paths);
    let paths: Vec<String> = paths.into_iter().map(|(path, _)| path.join("::")).collect();
    assert_eq!(paths, ["a", "a::B", "c", "d::E", "g::h", "x::y::i"]);
}
