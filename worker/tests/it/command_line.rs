//! The program as a person or a pipeline starts it: what it prints, and its exit codes.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command printed, and how it ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn countersign(args: &[&str], input: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // A command that does not read ends first; that is its right.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let ended = child.wait_with_output().expect("the program ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ended { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) }
}

/// A ruleset of one rule with an approval and an escalation, and one case.
fn ruleset(dir: &Path, limit: &str) {
    fs::create_dir_all(dir.join("rules")).expect("a folder");
    fs::create_dir_all(dir.join("tests")).expect("a folder");
    let rule = format!(
        "if order.amount > {limit} {{\n    escalate(\"large\", `${{order.amount}} is large`);\n}}\napprove(\"small\");\n"
    );
    fs::write(dir.join("rules/limit.rhai"), rule).expect("written");
    let case =
        "[base.one]\namount = 1.00\n\n[[case]]\nname = \"small\"\nfrom = \"one\"\nexpect = \"approve\"\n";
    fs::write(dir.join("tests/limit.toml"), case).expect("written");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn a_ruleset_is_checked_and_tested() {
    let dir = tempfile::tempdir().unwrap();
    ruleset(dir.path(), "100");
    let good = countersign(&["rules", "check", text(dir.path())], "");
    assert_eq!(good.code, Some(0), "{good:?}");
    let tested = countersign(&["rules", "test", text(dir.path())], "");
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(tested.out.contains("1 of 1 cases passed"), "{tested:?}");
    let missed = countersign(&["rules", "test", text(dir.path()), "--min", "100"], "");
    assert_eq!(missed.code, Some(1), "{missed:?}");
    assert!(missed.out.contains("--min asks for 100%"), "{missed:?}");

    let definitions = countersign(&["rules", "definitions", text(dir.path())], "");
    assert!(definitions.out.contains("let order"), "{definitions:?}");

    fs::write(dir.path().join("rules/broken.rhai"), "approve(\"x\")\nlet;\n").unwrap();
    let broken = countersign(&["rules", "check", text(dir.path())], "");
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert!(broken.out.contains("rules/broken.rhai:2:"), "{broken:?}");
    let json = countersign(&["rules", "check", text(dir.path()), "--format", "json"], "");
    let findings: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    // The path opens from where the command runs, and GitHub finds it.
    let path = dir.path().join("rules/broken.rhai");
    assert_eq!(findings[0]["file"], text(&path));
    let github = countersign(&["rules", "check", text(dir.path()), "--format", "github"], "");
    assert!(github.out.starts_with(&format!("::error file={},line=2", text(&path))), "{github:?}");
    let tested = countersign(&["rules", "test", text(dir.path())], "");
    assert_eq!(tested.code, Some(1), "{tested:?}");
    assert!(tested.err.contains("the ruleset is refused") && tested.err.contains(text(&path)), "{tested:?}");
    let missing = countersign(&["rules", "check", text(&dir.path().join("none"))], "");
    assert!(missing.out.contains("/none\n\nrefused: 1 error"), "{missing:?}");
}

/// With `rules.strict`, what is accepted is what the lock says.
#[test]
fn a_ruleset_is_accepted_only_if_it_passes_and_what_went_away_is_told() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, lock) = (parent.path().join("rules"), parent.path().join("rules.lock"));
    ruleset(&dir, "100");
    let accept = || countersign(&["rules", "check", text(&dir), "--accept"], "");
    let accepted = accept();
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    assert!(accepted.out.ends_with(&format!("accepted: {} is written\n", text(&lock))), "{accepted:?}");
    let before = fs::read_to_string(&lock).unwrap();
    assert!(before.contains("\"test tests/limit.toml: small\""), "{before}");

    fs::write(dir.join("rules/broken.rhai"), "let;\n").unwrap();
    assert_eq!(accept().code, Some(1));
    assert_eq!(fs::read_to_string(&lock).unwrap(), before, "what is refused is not accepted");
    fs::remove_file(dir.join("rules/broken.rhai")).unwrap();
    fs::remove_dir_all(dir.join("tests")).unwrap();
    let fewer = accept();
    assert!(fewer.out.contains("removed: the test tests/limit.toml: small\n"), "{fewer:?}");
    assert_ne!(fs::read_to_string(&lock).unwrap(), before);
}

#[test]
fn tests_are_reported_as_junit_and_a_broken_never_fails_a_backtest() {
    let (dir, tasks) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    ruleset(dir.path(), "100");
    let junit = countersign(&["rules", "test", text(dir.path()), "--format", "junit"], "");
    assert_eq!(junit.code, Some(0), "{junit:?}");
    assert!(junit.out.contains("<testcase classname=\"tests/limit.toml\" name=\"small\""), "{junit:?}");
    let export = tasks.path().join("export.jsonl");
    let task = |amount: u32| {
        format!(
            "{{\"orderId\":\"o-{amount}\",\"receivedAt\":\"2026-11-22T10:00:00Z\",\"order\":{{\"amount\":{amount}}}}}\n"
        )
    };
    fs::write(&export, [task(5), task(50)].concat()).unwrap();
    let never = |most: u32| {
        let never =
            format!("[[never]]\nname = \"n\"\nwhen = \"order.amount > {most}\"\nexpect_not = \"approve\"\n");
        fs::write(dir.path().join("tests/never.toml"), never).expect("written");
        let args =
            ["rules", "backtest", text(dir.path()), "--against", text(dir.path()), "--from", text(&export)];
        countersign(&args, "")
    };
    let held = never(50);
    assert_eq!(held.code, Some(0), "{held:?}");
    let broken = never(40);
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert!(broken.out.contains("NEVER: n: broken by 1 task, first by o-50"), "{broken:?}");
}

#[test]
fn a_ruleset_without_tests_has_not_passed_them() {
    let dir = tempfile::tempdir().unwrap();
    ruleset(dir.path(), "100");
    fs::remove_dir_all(dir.path().join("tests")).unwrap();
    let tested = countersign(&["rules", "test", text(dir.path())], "");
    assert_eq!(tested.code, Some(1), "{tested:?}");
    assert!(tested.out.contains("nothing was tested"), "{tested:?}");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_folder_or_in_place_of_its_lock_is_named_and_not_read() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("rules");
    ruleset(&dir, "100");
    let pipe = |path: &Path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    pipe(&dir.with_extension("lock"));
    let accepted = countersign(&["rules", "check", text(&dir), "--accept"], "");
    assert_eq!(accepted.code, Some(1), "{accepted:?}");
    assert!(accepted.err.contains("it is not a regular file"), "{accepted:?}");
    let pipes = ["ruleset.toml", "rules/pipe.rhai", "tests/pipe.toml"];
    for path in pipes {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        pipe(&path);
    }
    for command in ["check", "test", "definitions"] {
        let refused = countersign(&["rules", command, text(&dir)], "");
        assert_eq!(refused.code, Some(1), "{command}: {refused:?}");
        let told = format!("{}{}", refused.out, refused.err);
        for path in pipes {
            assert!(told.contains(&format!("'{path}' is not a regular file")), "{command}: {told}");
        }
    }
}

/// A pipe that nobody writes to stands for a file of a network folder whose server is gone.
#[cfg(unix)]
#[test]
fn a_file_or_a_folder_that_hangs_is_given_up_with_its_name() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, pipe) = (parent.path().join("rules"), parent.path().join("pipe"));
    ruleset(&dir, "100");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (dir, pipe) = (text(&dir), text(&pipe));
    let slow = "reading it takes longer than 5 s";
    let commands: [(&[&str], &str); 14] = [
        (&["rules", "eval", pipe, "--dir", dir], slow),
        (&["rules", "eval", pipe, "--order-only", "--dir", dir], slow),
        (&["rules", "backtest", dir, "--against", dir, "--from", pipe], slow),
        (&["rules", "agreement", dir, "--from", pipe], slow),
        (&["rules", "check", pipe], "Not a directory"),
        (&["rules", "test", pipe], "Not a directory"),
        (&["rules", "definitions", pipe], "Not a directory"),
        (&["rules", "publish", pipe, "--message", "m"], "Not a directory"),
        (&["rules", "eval", "-", "--dir", pipe], "Not a directory"),
        (&["rules", "history", "--config", pipe], "not a regular file"),
        (&["rules", "publish", dir, "--message", "m", "--config", pipe], "not a regular file"),
        (&["rules", "diff", "active", dir, "--config", pipe], "not a regular file"),
        (&["run", "--config", pipe], "not a regular file"),
        (&["tasks", "list", "--url", "https://worker.example", "--ca-file", pipe], slow),
    ];
    // Together: each that waits takes as long as the limit.
    std::thread::scope(|threads| {
        for (arguments, expected) in commands {
            threads.spawn(move || {
                let ended = countersign(arguments, "");
                assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
                let told = format!("{}{}", ended.out, ended.err);
                assert!(told.contains(pipe) && told.contains(expected), "{arguments:?}: {ended:?}");
            });
        }
    });
}

#[test]
fn watched_tests_run_again_after_a_change() {
    let dir = tempfile::tempdir().unwrap();
    ruleset(dir.path(), "100");
    let mut watching = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["rules", "test", text(dir.path()), "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = watching.stdout.take().expect("it is piped");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(out)).map(|line| line.unwrap());
    assert!(lines.any(|line| line.starts_with("1 of 1 cases passed")));
    let case = fs::read_to_string(dir.path().join("tests/limit.toml")).unwrap();
    fs::write(dir.path().join("tests/limit.toml"), case.replace("\"approve\"", "\"reject\"")).unwrap();
    assert!(lines.any(|line| line.starts_with("FAILED tests/limit.toml:")));
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn a_task_is_evaluated_from_a_file_and_from_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    ruleset(dir.path(), "100");
    let eval = |args: &[&str], input: &str| {
        countersign(&[&["rules", "eval", "--dir", text(dir.path())], args].concat(), input)
    };
    let small = eval(&["-"], r#"{"order":{"amount":99.99}}"#);
    assert_eq!((small.code, small.out.as_str()), (Some(0), "approve [small] by limit: \n"), "{small:?}");
    let large = eval(&["-", "--order-only"], r#"{"amount":100.01}"#);
    assert_eq!(large.out, "escalate [large] by limit: 100.01 is large\n", "{large:?}");
    let beside = tempfile::tempdir().unwrap();
    let file = beside.path().join("task.json");
    fs::write(&file, r#"{"orderId":"o-1","order":{"amount":100.01}}"#).unwrap();
    let explained = eval(&[text(&file), "--explain"], "");
    assert!(explained.out.contains("read order.amount = 100.01"), "{explained:?}");
    let wrong = eval(&["-"], r#"{"amount":100.01}"#);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("--order-only"), "{wrong:?}");
}

#[test]
fn a_backtest_of_an_export_shows_what_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    ruleset(&old, "100");
    ruleset(&new, "200");
    let export = dir.path().join("export.jsonl");
    let lines: String = (0..1_000)
        .map(|n| format!("{{\"orderId\":\"o-{n}\",\"receivedAt\":\"2026-11-22T10:00:00Z\",\"order\":{{\"amount\":{n}}}}}\n"))
        .collect();
    fs::write(&export, lines).unwrap();
    let run = |format: &str| {
        let args = ["rules", "backtest", text(&new), "--against", text(&old), "--from", text(&export)];
        countersign(&[&args[..], &["--format", format]].concat(), "")
    };
    let shown = run("table");
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.out.contains("100 tasks change"), "{shown:?}");
    // No bar where nobody watches: one line of times.
    let times = shown.err.strip_prefix("1000 tasks in ").expect("the times");
    assert!(times.contains("reading took") && times.ends_with("beside it\n"), "{shown:?}");
    let json: serde_json::Value = serde_json::from_str(&run("json").out).expect("JSON");
    assert_eq!((json["tasks"].as_u64(), json["changed"].as_u64()), (Some(1_000), Some(100)));
    assert_eq!(json["changes"][0]["order_id"], "o-101");

    fs::write(&export, "{\"orderId\":\"o-1\",\"order\":{}}\nnot json\n").unwrap();
    let broken = run("table");
    assert_eq!(broken.code, Some(1));
    assert!(broken.err.contains("export.jsonl:2"), "a bad line is named: {broken:?}");
}

#[test]
fn a_difference_is_shown_by_file() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    ruleset(&old, "100");
    ruleset(&new, "200");
    let diff = countersign(&["rules", "diff", text(&old), text(&new)], "");
    assert!(diff.out.contains("-if order.amount > 100 {\n+if order.amount > 200 {\n"), "{diff:?}");
    assert_eq!(countersign(&["rules", "diff", text(&old), text(&old)], "").out, "no difference\n");
}

#[test]
fn a_configuration_is_printed_and_a_wrong_one_is_named() {
    let defaults = countersign(&["config", "--defaults"], "");
    assert_eq!(defaults.out, worker::config::DEFAULTS);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    fs::write(&file, "[api]\nlisten = \"127.0.0.1:9\"\n").unwrap();
    let effective = countersign(&["config", "--config", text(&file)], "");
    assert!(effective.out.contains("listen = \"127.0.0.1:9\""), "{effective:?}");
    fs::write(&file, "[api]\nlisen = \"127.0.0.1:9\"\n").unwrap();
    let wrong = countersign(&["run", "--config", text(&file)], "");
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("lisen"), "{wrong:?}");
    assert_eq!(countersign(&["nonsense"], "").code, Some(2));
}

#[test]
fn a_variable_is_a_text_where_its_key_is_one_and_is_named_as_it_is_spelt() {
    let config = |name: &str, value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output = command.arg("config").env_clear().env(name, value).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (shown, _) = config("COUNTERSIGN_WORKER__ID", "12345");
    assert!(shown.contains("id = \"12345\""), "{shown}");
    let (_, wrong) = config("COUNTERSIGN_API__LISTEN", "nowhere");
    assert_eq!(wrong.matches("COUNTERSIGN_API__LISTEN").count(), 1, "{wrong}");
    assert_eq!(wrong.lines().count(), 1, "{wrong}");
}

/// Takes connections and never answers.
fn silent() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    (listener, url)
}

#[test]
fn a_worker_that_does_not_answer_is_not_waited_for() {
    let (_listener, url) = silent();
    let shown = countersign(&["status", "--url", &url, "--timeout", "0.5"], "");
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.err.contains("no answer within 0.5 s (--timeout): try again"), "{shown:?}");
    let id = "7a7816bf8f01cfea414140de5dae2223";
    let decided =
        countersign(&["tasks", "approve", id, "--by", "ada", "--url", &url, "--timeout", "0.5"], "");
    assert!(decided.err.contains("it may still take effect: check before you repeat it"), "{decided:?}");
    let wrong = countersign(&["status", "--timeout", "0"], "");
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[test]
fn a_missing_worker_is_said_to_be_missing() {
    // A port that was free a moment ago and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    for args in [&["tasks", "list"][..], &["status"]] {
        let ended = countersign(&[args, &["--url", &url]].concat(), "");
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains("countersign run"), "{ended:?}");
        assert_eq!(ended.out, "");
    }
    let other = countersign(&["status", "--url", "ftp://127.0.0.1:1"], "");
    assert!(other.err.contains("http or https"), "{other:?}");
}
