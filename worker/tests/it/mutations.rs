//! Every mutation of the simulation still applies to the code that it breaks.

use std::fs;
use std::path::Path;

/// For each hunk of a patch: its file, the lines that it expects there, and how many lines of context it begins and ends
/// with.
fn expected(patch: &str) -> Vec<(String, Vec<String>, [usize; 2])> {
    let mut hunks = vec![];
    let mut file = String::new();
    let mut is_before_the_change = true;
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            path.clone_into(&mut file);
        } else if line.starts_with("@@ ") {
            hunks.push((file.clone(), vec![], [0, 0]));
            is_before_the_change = true;
        } else if let Some((_, lines, [leading, trailing])) = hunks.last_mut()
            && !line.starts_with("+++ b/")
        {
            if line.starts_with(' ') {
                *trailing += 1;
                *leading += usize::from(is_before_the_change);
            } else {
                (*trailing, is_before_the_change) = (0, false);
            }
            lines.extend(line.strip_prefix([' ', '-']).map(str::to_owned));
        }
    }
    hunks
}

#[test]
fn every_mutation_applies() {
    let worker = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut checked = 0;
    for entry in fs::read_dir(worker.join("tests/sim/mutations")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "patch") {
            continue;
        }
        let hunks = expected(&fs::read_to_string(&path).unwrap());
        assert!(!hunks.is_empty(), "{}: no hunk", path.display());
        for (file, expected, [leading, trailing]) in hunks {
            // GNU patch then looks for the hunk only at the end of the file.
            assert!(trailing >= leading, "{}: too little context after the change to {file}", path.display());
            let text = fs::read_to_string(worker.join("..").join(&file)).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            let is_there = lines.windows(expected.len()).any(|window| window == expected);
            assert!(is_there, "{}: no longer applies to {file}: update the patch", path.display());
        }
        checked += 1;
    }
    assert!(checked > 0, "there are mutations");
}
