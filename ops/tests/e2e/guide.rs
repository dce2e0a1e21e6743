//! The guide's own commands (README.md, "Deploying"), pasted into bash as a new user would, against the emulator.
//!
//! Three programs are other ones than the user's. `aws` is the SDK of Python, which the emulator brings along. `cargo ops
//! package` takes a development build, and `cargo ops deploy` answers yes. `cargo ops smoke` is only noted: it has a test of
//! its own, and the emulator starts no machines that would decide its orders.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use ops::binaries::root;
use ops::clients::ROOT_KEY;
use ops::guide;
use ops::processes::{captured, command};
use ops::world::World;

use crate::deploy::packages;
use crate::journey::patient;

const AWS: &str = r#"
import sys, botocore.session
service, operation, url, option, region = sys.argv[1:]
assert (service, operation, option) == ("s3", "mb", "--region") and url.startswith("s3://"), sys.argv
place = {"LocationConstraint": region}
client = botocore.session.get_session().create_client("s3", region_name=region)
client.create_bucket(Bucket=url[5:], CreateBucketConfiguration=place)
"#;

const CARGO: &str = r#"
[ "$1" = ops ] || exit 1
shift
echo "$*" >> "$CALLS"
case "$1" in
  package) mkdir -p target && cp -R "$PACKAGES" target/package ;;
  deploy) exec ops "$@" --yes ;;
esac
"#;

fn script(file: &Path, interpreter: &str, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, format!("#!{interpreter}\n{text}")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn the_commands_of_the_guide_deploy_as_pasted() {
    let world = World::start(patient()).await.unwrap();
    let made = packages(&world, "a worker");
    // Beside the programs, so that `ops` can be a hard link: it finds its checkout above itself.
    let checkout = tempfile::tempdir_in(root().join("target")).unwrap();
    let bin = checkout.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::hard_link(env!("CARGO_BIN_EXE_ops"), bin.join("ops")).unwrap();
    for part in ["ops", "rules"] {
        symlink(root().join(part), checkout.path().join(part)).unwrap();
    }
    let python = root().join("target/local/python/venv/bin/python");
    script(&bin.join("aws"), &python.display().to_string(), AWS);
    script(&bin.join("cargo"), "/bin/sh", CARGO);
    // It ends with 1, since no worker runs.
    let doctor =
        format!("{} \"$@\" > doctor 2>&1 || echo \"$?\" >> doctor\n", world.binaries().countersign.display());
    script(&made.path().join("tree/usr/bin/countersign"), "/bin/sh", &doctor);
    let profile = checkout.path().join("config");
    let keys = format!("aws_access_key_id = {ROOT_KEY}\naws_secret_access_key = {ROOT_KEY}\n");
    fs::write(&profile, format!("[profile my-profile]\n{keys}")).unwrap();

    let calls = checkout.path().join("calls");
    let mut bash = command("bash");
    // Unset variables are errors, and so is the first command that fails.
    bash.args(["-euc", &guide::commands()])
        .current_dir(checkout.path())
        .env("PATH", format!("{}:{}", bin.display(), std::env::var_os("PATH").unwrap().display()))
        .env("AWS_CONFIG_FILE", &profile)
        .env("AWS_ENDPOINT_URL", &world.emulator.endpoint_url)
        .env("PACKAGES", made.path())
        .env("CALLS", &calls);
    let (output, printed) = tokio::task::spawn_blocking(move || captured(&mut bash)).await.unwrap().unwrap();
    assert!(output.status.success(), "{printed}");
    for told in [
        ", eu-west-1, as arn:aws:iam::000000000000:root",
        "== creating the stack countersign, without workers",
        "  WorkerGroup UPDATE_COMPLETE",
        "target/deploy/countersign.toml`",
    ] {
        assert!(printed.contains(told), "{told}: {printed}");
    }
    let calls = fs::read_to_string(calls).unwrap();
    let calls: Vec<&str> = calls.lines().map(|call| call.split(' ').next().unwrap()).collect();
    assert_eq!(calls, ["package", "deploy", "smoke"]);

    // The command line finds the stack by the settings that the deployment wrote: all that is broken is that the
    // emulator starts no machines.
    let doctor = fs::read_to_string(checkout.path().join("doctor")).unwrap();
    let broken: Vec<&str> = doctor.lines().filter(|line| line.starts_with("BROKEN")).collect();
    assert!(broken.len() == 1 && broken[0].contains("no worker has a heartbeat"), "{doctor}");
    assert!(doctor.ends_with("\n1\n"), "{doctor}");
}
