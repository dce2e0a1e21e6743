//! The release as `cargo ops package` writes it, here of the development build, which is too large to be packed for a
//! test: what is packed only starts it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use ops::binaries::{Binaries, root};
use ops::release::processor::Processor;
use ops::release::{Packages, Release, archive};

/// Small programs in the place of large ones: any program as the function, and one that starts the worker's.
fn binaries(dir: &Path) -> Binaries {
    let (ingest, countersign) = (dir.join("ingest"), dir.join("countersign"));
    fs::copy("/bin/true", &ingest).unwrap();
    let program = Binaries::build().unwrap().countersign;
    fs::write(&countersign, format!("#!/bin/sh\nexec {} \"$@\"\n", program.display())).unwrap();
    fs::set_permissions(&countersign, fs::Permissions::from_mode(0o755)).unwrap();
    Binaries { ingest, countersign }
}

const HERE: Processor = Processor::of_this_machine();

fn bytes(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = archive::files(dir).unwrap().into_iter();
    files.map(|file| (file.display().to_string(), fs::read(dir.join(&file)).unwrap())).collect()
}

#[test]
fn a_release_is_complete_and_the_same_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let binaries = binaries(dir.path());
    let out = dir.path().join("release");
    let write = || {
        let release = Release::begin(&out, HERE).unwrap();
        release.write(&binaries, &binaries.countersign).unwrap();
        release.finish().unwrap();
        release
    };
    write();
    let first = bytes(&out);
    // What an earlier release left is gone.
    fs::write(out.join("tree/etc/countersign/rules/rules/old.rhai"), "approve(\"all\")").unwrap();
    let release = write();
    assert!(first == bytes(&out), "the same inputs give the same bytes");

    let tree = bytes(&release.tree());
    for file in [
        "etc/countersign/config.toml",
        "etc/countersign/rules.lock",
        "etc/countersign/rules/ruleset.toml",
        "usr/bin/countersign",
        "usr/lib/systemd/system/countersign.service",
        "usr/share/bash-completion/completions/countersign",
        "usr/share/doc/countersign/LICENSE",
        "usr/share/doc/countersign/config.default.toml",
        "usr/share/fish/vendor_completions.d/countersign.fish",
        "usr/share/man/man1/countersign-tasks-approve.1.gz",
        "usr/share/man/man1/countersign.1.gz",
        "usr/share/zsh/site-functions/_countersign",
    ] {
        assert!(tree.contains_key(file), "{file}: {:?}", tree.keys());
    }
    let rules = bytes(&root().join("rules/scripts"));
    let packed = tree.keys().filter(|file| file.starts_with("etc/countersign/rules/"));
    assert_eq!(packed.count(), rules.len(), "the sample ruleset, whole");

    let listed =
        Command::new("tar").arg("-tvzf").arg(release.file("countersign", "tar.gz")).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.lines().count(), tree.len(), "{listed}");
    for line in listed.lines() {
        // The machines unpack it over `/`.
        let mode = if line.ends_with(" usr/bin/countersign") { "-rwxr-xr-x 0/0 " } else { "-rw-r--r-- 0/0 " };
        assert!(line.starts_with(mode), "{line}");
    }
    let sums = Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(&out).output().unwrap();
    assert!(sums.status.success(), "{}", String::from_utf8_lossy(&sums.stdout));

    let packages = Packages::find(&out).unwrap();
    assert_eq!(packages.ingest, release.file("countersign-ingest", "zip"));
    assert_eq!(packages.worker, release.file("countersign", "tar.gz"));
    assert_eq!(fs::read_to_string(&packages.template).unwrap(), ops::stack::TEMPLATE);

    let mut zip =
        zip::ZipArchive::new(fs::File::open(release.file("countersign-ingest", "zip")).unwrap()).unwrap();
    assert_eq!(zip.len(), 1);
    let bootstrap = zip.by_name("bootstrap").unwrap();
    assert_eq!(bootstrap.unix_mode().unwrap() & 0o777, 0o755);
}

/// Lambda and the machines would take a package for the wrong processor, and fail at their start.
#[test]
fn a_package_for_another_processor_than_its_name_says_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let other = if HERE == Processor::Arm64 { Processor::X86_64 } else { Processor::Arm64 };
    let binaries = binaries(dir.path());
    let out = dir.path().join("release");
    let release = Release::begin(&out, other).unwrap();
    release.write(&binaries, &binaries.countersign).unwrap();
    let refused = format!("{:#}", Packages::find(&out).unwrap_err());
    assert!(refused.contains(&format!("is named for {other}, and its program is for {HERE}")), "{refused}");
    fs::write(release.file("countersign-ingest", "zip"), "no zip").unwrap();
    assert!(Packages::find(&out).is_err());
}

#[test]
fn nothing_but_an_earlier_release_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "mine").unwrap();
    let error = Release::begin(dir.path(), HERE).unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
    assert!(dir.path().join("thesis.txt").exists());
}

/// The unit starts the program and reads the files where the package has them.
#[test]
fn the_unit_names_what_the_package_has() {
    let unit = fs::read_to_string(root().join("ops/systemd/countersign.service")).unwrap();
    assert!(unit.contains("\nExecStart=/usr/bin/countersign run --config /etc/countersign/config.toml\n"));
    assert!(unit.contains("\nEnvironment=COUNTERSIGN_RULES__DIR=/etc/countersign/rules\n"));
    let binaries = Binaries::build().unwrap();
    let config = root().join("ops/package/config.toml");
    let shown =
        Command::new(&binaries.countersign).arg("config").arg("--config").arg(&config).output().unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    // Its example is one that works, once its marks of a comment are gone.
    let text = fs::read_to_string(&config).unwrap();
    let example =
        text.lines().skip_while(|line| *line != "# [aws]").map(|line| line.trim_start_matches("# "));
    let example = example.collect::<Vec<_>>().join("\n");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("example.toml");
    fs::write(&file, &example).unwrap();
    let shown =
        Command::new(&binaries.countersign).arg("config").arg("--config").arg(&file).output().unwrap();
    let shown =
        format!("{}{}", String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
    assert!(shown.contains("countersign-ControlTable-2DEF"), "{shown}");
}
