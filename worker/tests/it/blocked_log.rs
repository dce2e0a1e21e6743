//! A worker whose log is read by nobody: it works, says so in a metric, and ends when it is told to.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// What a pipe holds on Linux until its reader takes something out.
const PIPE_BYTES: usize = 65_536;

fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address)?;
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The address of the listener for metrics, once the worker has written it.
fn address(worker: &mut Child, file: &Path) -> String {
    for _ in 0..1_200 {
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => assert!(worker.try_wait().expect("a child").is_none(), "the worker ended"),
        }
        thread::park_timeout(Duration::from_millis(50));
    }
    worker.kill().expect("a child");
    panic!("the worker does not start while its log is not read");
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("rules")).unwrap();
    fs::write(home.path().join("rules/none.rhai"), "pass();").unwrap();
    let address_file = home.path().join("address");
    // Full before the worker starts: its first line would wait for ever.
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&vec![b'x'; PIPE_BYTES]).unwrap();
    let mut worker = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .arg("run")
        .current_dir(home.path())
        .env_clear()
        .envs([("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_REGION", "eu-central-1")])
        .envs([("HOME", home.path()), ("COUNTERSIGN_RULES__DIR", home.path())])
        // Nobody listens there: the worker tries again, and logs each time.
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .envs([("COUNTERSIGN_API__LISTEN", "127.0.0.1:0"), ("COUNTERSIGN_METRICS__LISTEN", "127.0.0.1:0")])
        .env("COUNTERSIGN_METRICS__ADDRESS_FILE", &address_file)
        .stdin(Stdio::null())
        .stdout(writer)
        .spawn()
        .unwrap();
    let address = address(&mut worker, &address_file);
    assert!(get(&address, "/livez").unwrap().starts_with("HTTP/1.1 200"), "it answers");
    let metrics = get(&address, "/metrics").unwrap();
    assert!(
        metrics.contains("\ncountersign_log_lines_dropped_total 0\n"),
        "the buffer holds them still: {metrics}"
    );

    assert!(Command::new("kill").arg(worker.id().to_string()).status().unwrap().success());
    assert!(worker.wait().unwrap().success(), "it drains and ends");
    // What the reader would have seen: the pipe's own bytes. The rest was given up after a second.
    let mut log = Vec::new();
    reader.read_to_end(&mut log).unwrap();
    assert_eq!(log.len(), PIPE_BYTES);
}
