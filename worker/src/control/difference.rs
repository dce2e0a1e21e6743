//! What differs between two rulesets, file by file.

use std::collections::BTreeSet;

use rules::Files;
use similar::TextDiff;

/// How many unchanged lines are shown around a change.
const CONTEXT: usize = 3;

/// The differences as unified diffs; empty if there are none.
pub(crate) fn differences(old: &Files, new: &Files) -> String {
    let empty = Vec::new();
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut text = String::new();
    for path in paths {
        let (before, after) = (old.get(path).unwrap_or(&empty), new.get(path).unwrap_or(&empty));
        if before == after {
            continue;
        }
        let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
        let diff = TextDiff::from_lines(before.as_ref(), after.as_ref());
        let (old_name, new_name) = (named(old, path), named(new, path));
        text.push_str(&diff.unified_diff().context_radius(CONTEXT).header(&old_name, &new_name).to_string());
    }
    text
}

fn named(files: &Files, path: &str) -> String {
    if files.contains_key(path) { path.to_owned() } else { "/dev/null".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_changed_file_is_shown() {
        let files = |pairs: &[(&str, &str)]| -> Files {
            pairs.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
        };
        let old = files(&[("a", "1\n2\n"), ("gone", "x\n"), ("same", "s\n")]);
        let new = files(&[("a", "1\n3\n"), ("new", "y\n"), ("same", "s\n")]);
        let expected = "--- a\n+++ a\n@@ -1,2 +1,2 @@\n 1\n-2\n+3\n--- gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
                        --- /dev/null\n+++ new\n@@ -0,0 +1 @@\n+y\n";
        assert_eq!(differences(&old, &new), expected);
        assert_eq!(differences(&old, &old), "");
    }
}
