//! A whole worker on real sockets, while somebody asks for a thousand lists and opens connections without a request.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use model::{Failure, Fault, Matcher, Rule, World};
use rules::Ruleset;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use worker::config::Config;
use worker::run::Process;

use crate::office::{self, Office};

/// The longest wait for something that a busy machine does in seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many tasks arrive meanwhile, which the rules leave to people.
const STORM: usize = 300;

/// A worker over an office's world.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    run: JoinHandle<anyhow::Result<()>>,
    _rules: tempfile::TempDir,
}

impl Running {
    async fn start(office: &Office) -> Running {
        let rules = tempfile::tempdir().expect("a folder");
        fs::write(rules.path().join("none.rhai"), "pass();\n").expect("a file");
        let mut config = Config::load(None, &[]).expect("the defaults");
        (config.tables.tasks, config.tables.control) = (office::TABLE.to_owned(), office::CONTROL.to_owned());
        config.rules.dir = rules.path().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let process = Process {
            clients: office::clients(&office.world),
            clock: office::clock(&office.world),
            ruleset: Ruleset::load(rules.path()).expect("a ruleset"),
            listener,
            scrapes: TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
            traces: None,
        };
        let (stop, asked) = oneshot::channel::<()>();
        let run = async move { process.run(config, async { drop(asked.await) }).await };
        #[expect(clippy::disallowed_methods, reason = "the test waits for its end")]
        let run = tokio::spawn(run);
        Running { address, stop, run, _rules: rules }
    }

    async fn send(&self, request: &str) -> String {
        send(self.address, request).await
    }
}

/// A request's answer; empty if the connection was closed instead.
async fn send(address: SocketAddr, request: &str) -> String {
    let answered = async {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!("{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    timeout(PATIENCE, answered).await.expect("each request ends").unwrap_or_default()
}

/// The leases that are held, each with its owner and epoch, and the number of the last heartbeat.
fn leases(world: &World) -> (Vec<String>, u64) {
    let (mut leases, mut heartbeat) = (Vec::new(), 0);
    for item in world.items(office::CONTROL) {
        if item.contains_key("owner") {
            leases.push(format!("{:?} {:?} {:?}", item["sk"], item["owner"], item["epoch"]));
        }
        if item["pk"].as_text() == Some("worker") {
            heartbeat = format!("{:?}", item["counter"])
                .chars()
                .filter(char::is_ascii_digit)
                .collect::<String>()
                .parse()
                .expect("a number");
        }
    }
    leases.sort();
    (leases, heartbeat)
}

/// Waits until something holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("{what}"));
}

/// Both ends of 1,200 connections are this process's.
fn allow_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < 4_096) {
        let wanted = maximum.map_or(4_096, |maximum| maximum.min(4_096));
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).expect("a soft limit");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_lists_and_half_open_connections_hold_nothing_up() {
    allow_open_files();
    let office = Office::open();
    let (started, task) = office.escalate("o-1", None).await;
    let running = Running::start(&office).await;
    until("it has its leases", || leases(&office.world).0.len() > 16).await;
    let (held, heartbeat) = leases(&office.world);

    // No list is answered. The sweeper reads another index.
    let lists = Matcher::operation("Query").when(|call| call.body["IndexName"] == "by-order");
    let rule = office.world.inject(Rule::new(lists, Fault::Lost(Failure::Silence)));
    let mut half_open = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(running.address).await.expect("it listens");
        let sent: &[u8] = if number % 2 == 0 { b"" } else { b"GET /v1/ta" };
        stream.write_all(sent).await.expect("open");
        half_open.push(stream);
    }
    let mut asked = JoinSet::new();
    for _ in 0..1_000 {
        asked.spawn(send(running.address, "GET /v1/tasks?order_id=o-1"));
    }
    until("as many lists are in hand as may be", || office.world.hits(rule) >= 8).await;
    for number in 0..STORM {
        office.receive(&format!("storm-{number}"), None).await;
    }

    let mut waits = Vec::new();
    for _ in 0..51 {
        let asked = Instant::now();
        assert!(running.send("GET /livez").await.ends_with("live\n"));
        waits.push(asked.elapsed());
    }
    waits.sort();
    // Printed, not asserted: it depends on the machine.
    println!("/livez meanwhile: median {:?}, longest {:?}", waits[25], waits[50]);
    assert!(running.send("GET /readyz").await.ends_with("ready\n"));
    let body = r#"{"outcome":"approved","by":"ada"}"#;
    let decision = format!("POST /v1/tasks/{}/decision", task.id);
    let decided = decide(running.address, &decision, body).await;
    assert!(decided.starts_with("HTTP/1.1 200 "), "{decided}");
    assert_eq!(office.world.accepted(&started.token), 1);

    let answers: Vec<String> = asked.join_all().await;
    let is_shed = |answer: &&String| answer.contains("urn:countersign:problem:busy");
    assert!(answers.iter().filter(is_shed).count() > 100, "they are turned away at once");
    for answer in answers.iter().filter(|answer| !answer.is_empty()) {
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 2\r\n"), "{answer}");
    }
    let escalated = || {
        let tasks = office.world.items(office::TABLE);
        tasks.iter().filter(|item| item["status"].as_text() == Some("ESCALATED")).count()
    };
    until("the storm is left to people", || escalated() == STORM).await;
    until("heartbeats go on", || leases(&office.world).1 > heartbeat + 1).await;
    assert_eq!(leases(&office.world).0, held, "no lease was lost");

    office.world.calm();
    let list = running.send("GET /v1/tasks?order_id=o-1").await;
    assert!(list.starts_with("HTTP/1.1 200 ") && list.contains("APPROVED"), "{list}");
    running.stop.send(()).expect("it runs");
    running.run.await.expect("no panic").expect("it drains");
}

async fn decide(address: SocketAddr, decision: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let length = body.len();
    let request = format!(
        "{decision} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}
