//! The handbook's examples compile, pass their own tests and leave nothing to warn of; its tables are complete.

use rules::check::{Format, check};
use rules::{Files, Ruleset, cases};

const HANDBOOK: &str = include_str!("../../README.md");

/// The example's files: each fenced block whose language is followed by a path.
fn files(section: &str) -> Files {
    let mut files = Files::new();
    let mut lines = section.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let content: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some((_, path)) = info.split_once(' ') {
            let before = files.insert(path.to_owned(), (content.join("\n") + "\n").into_bytes());
            assert!(before.is_none(), "{path} stands twice");
        }
    }
    files
}

#[test]
fn every_example_compiles_and_passes_its_tests() {
    let examples = HANDBOOK.split("## Ten worked examples").nth(1).expect("the chapter is there");
    let sections: Vec<&str> = examples.split("\n### ").skip(1).collect();
    assert_eq!(sections.len(), 10);
    for section in sections {
        let title = section.lines().next().unwrap_or_default();
        let checked = check(files(section), "2026-11-22");
        let unexpected = checked.findings.iter().any(|finding| finding.code != "untested");
        assert!(!unexpected, "{title}:\n{}", checked.render(Format::Text));
        let report = cases::run(checked.ruleset.as_ref().expect("it compiles"));
        assert!(report.is_ok() && report.cases > 0, "{title}:\n{report}");
        assert_eq!(report.coverage.percent(), 100, "{title}:\n{}", report.coverage);
    }
}

#[test]
fn every_function_is_in_the_handbook() {
    let files = [("a.rhai".to_owned(), b"pass();".to_vec())];
    let ruleset = Ruleset::from_files(files.into_iter().collect()).unwrap();
    let missing: Vec<&str> = ruleset
        .functions()
        .filter(|name| {
            let written = [format!("`{name}`"), format!("{name}("), format!("`{name} "), format!("`{name},")];
            !written.iter().any(|text| HANDBOOK.contains(text))
        })
        .collect();
    assert_eq!(missing, [""; 0]);
}

/// The rows of a chapter's tables: what stands between bars, with its code in backticks.
fn rows(chapter: &str) -> Vec<(String, String)> {
    let rows = chapter.lines().filter(|line| line.starts_with("| `"));
    let cell = |text: &str| text.replace("\\|", "|");
    rows.map(|row| {
        let (code, rest) = row.trim_start_matches("| `").split_once("` | ").expect("a cell with code");
        (cell(code), cell(rest))
    })
    .collect()
}

#[test]
fn check_says_what_the_handbook_says() {
    let chapter = HANDBOOK.split("## What check sees").nth(1).expect("the chapter is there");
    let chapter = chapter.split("\n## ").next().expect("it ends");
    let schema =
        chapter.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a schema");
    let rows = rows(chapter);
    assert!(rows.len() > 15, "{rows:?}");
    for (code, says) in rows {
        let is_line = code.ends_with([';', '}']);
        let rule =
            if is_line { format!("{code}\npass();") } else { format!("if {code} {{ approve(\"ok\"); }}") };
        let files =
            [("rules/a.rhai", rule.as_str()), ("schema/order.toml", schema), ("lists/vip.txt", "A\n")];
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let checked = check(files.collect(), "2026-11-22");
        let expected = says.strip_prefix('`').and_then(|says| says.split('`').next());
        let about = |finding: &&rules::Diagnostic| {
            !matches!(finding.code.as_str(), "untested" | "unused" | "never-answers" | "unreachable")
        };
        let said: Vec<String> = checked
            .findings
            .iter()
            .filter(about)
            .map(|finding| format!("{}[{}]", finding.severity.as_str(), finding.code))
            .collect();
        assert_eq!(said.first().map(String::as_str), expected, "{code}: {said:?}");
        assert!(said.len() <= 1, "{code}: {said:?}");
    }
}
