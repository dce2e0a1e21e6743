//! A checkout may be copied with its `target` folder: what runs there works there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

#[test]
fn a_copied_checkout_runs_its_own_world() {
    let copy = tempfile::tempdir().unwrap();
    let copy = copy.path().canonicalize().unwrap();
    for dir in ["ops", "target/debug"] {
        fs::create_dir_all(copy.join(dir)).unwrap();
    }
    fs::write(copy.join("ops/template.yaml"), "").unwrap();
    let program = copy.join("target/debug/ops");
    fs::copy(env!("CARGO_BIN_EXE_ops"), &program).unwrap();
    // Instead of cargo: says where it was started, and ends the checks.
    let cargo = copy.join("cargo");
    fs::write(&cargo, "#!/bin/sh\npwd > \"$0.started-in\"\nexit 1\n").unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();

    for by_cargo in [true, false] {
        let mut checks = Command::new(&program);
        checks.arg("test").current_dir("/").env("CARGO", &cargo).env_remove("CARGO_MANIFEST_DIR");
        if by_cargo {
            checks.env("CARGO_MANIFEST_DIR", copy.join("ops"));
        }
        let output = checks.output().unwrap();
        assert!(!output.status.success(), "the cargo of this test ends the checks");
        let started_in = fs::read_to_string(copy.join("cargo.started-in")).unwrap();
        assert_eq!(started_in.trim_end(), copy.to_str().unwrap(), "with cargo's variable: {by_cargo}");
        fs::remove_file(copy.join("cargo.started-in")).unwrap();
    }
}
