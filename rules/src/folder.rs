//! Reading a ruleset's folder: every file in it, also those that do not count.

use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;

use crate::diagnostic::{Diagnostic, Refused, Severity};
use crate::files::{self, Files, Kind, MAX_FILES, refused};
use crate::strangers::{NOT_A_FILE, is_definitions, is_leftover};

/// How often a folder is read again while it changes, before it is refused until the next look.
const MAX_READS: usize = 8;
/// The deepest folder that is read: deep enough to name a misplaced file.
const MAX_DEPTH: usize = 8;

/// The hash of a folder's content as a ruleset, without compiling it: 64 hexadecimal digits.
///
/// Equal to the [`sha256`](crate::Ruleset::sha256) of the ruleset that the folder holds, if it holds one.
///
/// # Errors
///
/// [`Refused`] when the folder cannot be read, or holds a file that is no part of a ruleset: whoever follows the folder
/// notices when it comes and when it goes, though the hash is the same.
pub fn content_hash(dir: &Path) -> Result<String, Refused> {
    let files = read(dir)?;
    let sha256 = files::sha256(&files);
    let findings = files::sort_out(files)?.findings;
    let diagnostics: Vec<Diagnostic> =
        findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
    if diagnostics.is_empty() { Ok(sha256) } else { Err(Refused { diagnostics, sha256: Some(sha256) }) }
}

/// Reads a folder until two readings in a row agree: editors save in steps.
///
/// Files that are no part of a ruleset are there too, with their paths only: compiling names them.
///
/// # Errors
///
/// [`Refused`] when the folder cannot be read.
pub fn snapshot(dir: &Path) -> Result<Files, Refused> {
    let mut last = read(dir)?;
    for _ in 0..MAX_READS {
        let next = read(dir)?;
        if next == last {
            return Ok(next);
        }
        last = next;
    }
    Err(refused(Diagnostic::error("", "unreadable", "the folder keeps changing while it is read")))
}

fn read(dir: &Path) -> Result<Files, Refused> {
    let mut files = Files::new();
    read_folder(dir, "", 0, &mut files)?;
    files::check_size(&files)?;
    Ok(files)
}

fn read_folder(dir: &Path, folder: &str, depth: usize, files: &mut Files) -> Result<(), Refused> {
    let unreadable = |error: io::Error| cannot_read(dir, folder, &error);
    let entries = match fs::read_dir(dir.join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.is_empty() => return Ok(()),
        Err(error) => return Err(unreadable(error)),
    };
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        read_entry(dir, &entry, path, depth, files)?;
        if files.len() > MAX_FILES {
            break;
        }
    }
    Ok(())
}

fn read_entry(
    dir: &Path,
    entry: &DirEntry,
    path: String,
    depth: usize,
    files: &mut Files,
) -> Result<(), Refused> {
    // A file that vanishes between listing and reading is an edit in progress: the next reading disagrees. A link to
    // nothing is not: it stays.
    let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound && !is_link;
    let name = path.rsplit('/').next().unwrap_or(&path);
    let kind = match fs::metadata(entry.path()) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if gone(&error) => return Ok(()),
        Err(_) if Kind::of(&path).is_none() => {
            files.insert(path, Vec::new());
            return Ok(());
        }
        Err(error) => return Err(cannot_read(dir, &path, &error)),
    };
    if kind.is_dir() && !is_leftover(name) && Kind::of(&path).is_none() && depth < MAX_DEPTH {
        return read_folder(dir, &path, depth + 1, files);
    }
    if kind.is_dir() {
        files.insert(format!("{path}/"), Vec::new());
    } else if kind.is_file() && (Kind::of(&path).is_some() || is_definitions(&path)) {
        match fs::read(entry.path()) {
            Ok(content) => drop(files.insert(path, files::canonical(content))),
            Err(error) if gone(&error) => {}
            Err(error) => return Err(cannot_read(dir, &path, &error)),
        }
    } else if kind.is_file() {
        files.insert(path, Vec::new());
    } else {
        // A pipe, a socket or a device: reading it might never end.
        files.insert(format!("{path}/"), NOT_A_FILE.to_vec());
    }
    Ok(())
}

fn cannot_read(dir: &Path, path: &str, error: &io::Error) -> Refused {
    let message = format!("cannot read {}: {error}", dir.join(path).display());
    refused(Diagnostic::error(path, "unreadable", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_reads_as_its_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("rules")).unwrap();
        fs::write(dir.path().join("rules/a.rhai"), "pass();\r\n").unwrap();
        fs::write(dir.path().join("notes.md"), "x").unwrap();
        fs::create_dir(dir.path().join("rules/old.rhai")).unwrap();
        fs::create_dir(dir.path().join(".git")).unwrap();
        let entries =
            [("rules/a.rhai", "pass();\n"), ("notes.md", ""), ("rules/old.rhai/", ""), (".git/", "")];
        let expected: Files =
            entries.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).into_iter().collect();
        assert_eq!(snapshot(dir.path()).unwrap(), expected);
        let stranger = content_hash(dir.path()).unwrap_err();
        assert_eq!(
            (stranger.diagnostics[0].file.as_str(), stranger.diagnostics.len()),
            ("rules/old.rhai/", 1)
        );
        fs::remove_dir(dir.path().join("rules/old.rhai")).unwrap();
        assert_eq!(content_hash(dir.path()).unwrap(), files::sha256(&expected));
        let missing = content_hash(&dir.path().join("none")).unwrap_err();
        assert_eq!(missing.diagnostics[0].code, "unreadable");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_named_and_never_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.rhai"), "pass();\n").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("b.rhai")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("c.rhai")).unwrap();
        let told: Vec<String> =
            content_hash(dir.path()).unwrap_err().diagnostics.into_iter().map(|told| told.message).collect();
        let expected = ["b.rhai", "c.rhai"];
        assert_eq!(told, expected.map(|file| format!("'{file}' is not a regular file, so it is not read")));
    }

    #[cfg(unix)]
    #[test]
    fn a_rule_that_is_a_link_to_nothing_is_no_edit_in_progress() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.rhai"), "pass();\n").unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("b.rhai")).unwrap();
        let refused = snapshot(dir.path()).unwrap_err();
        assert_eq!((refused.diagnostics[0].file.as_str(), refused.diagnostics.len()), ("b.rhai", 1));
    }
}
