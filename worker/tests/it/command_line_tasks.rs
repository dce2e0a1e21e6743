//! `countersign tasks` against a worker's API on a real socket: what a reviewer types and reads.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use jiff::SignedDuration;
use tokio::net::TcpListener;
use worker::config::AuthMode;
use worker::control::tokens::{Role, Secret};

use crate::office::Office;

/// A reviewer's terminal.
pub(crate) struct Terminal {
    url: String,
    home: tempfile::TempDir,
}

#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Terminal {
    async fn open(office: &Office) -> Terminal {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        office.serve(listener);
        Terminal::at(url)
    }

    /// A terminal whose commands go to this address.
    pub(crate) fn at(url: String) -> Terminal {
        Terminal { url, home: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, "", &[]).await
    }

    pub(crate) async fn run_with(&self, args: &[&str], input: &str, variables: &[(&str, &str)]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(args).env_clear().env("COUNTERSIGN_URL", &self.url).env("USER", "ada");
        command.env("HOME", self.home.path()).envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = input.to_owned();
        let run = move || {
            let mut child = command.spawn()?;
            let mut stdin = child.stdin.take().expect("it is piped");
            // A command that does not read it may have ended.
            let _ = stdin.write_all(input.as_bytes());
            drop(stdin);
            child.wait_with_output()
        };
        let ended = tokio::task::spawn_blocking(run).await.expect("it runs").expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let ended = Ended { code: ended.status.code(), out: text(ended.stdout), err: text(ended.stderr) };
        let all = format!("{}{}", ended.out, ended.err);
        assert!(!all.contains("AAAAKgAAAAIAAAAAAAAAAQ"), "the terminal shows a token: {all}");
        ended
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reviewer_lists_shows_and_decides() {
    let office = Office::open();
    let terminal = Terminal::open(&office).await;
    assert_eq!(terminal.run(&["tasks", "list"]).await.out, "no such tasks\n");

    let (started, task) = office.escalate("o-1", Some(600)).await;
    let id = task.id.as_str();
    let list = terminal.run(&["tasks", "list"]).await;
    assert!(list.out.contains(id) && list.out.contains("high-amount: above the limit"), "{list:?}");
    let show = terminal.run(&["tasks", "show", id]).await;
    assert!(show.out.contains("\"amount\": 12.50"), "{show:?}");

    let stale = terminal.run(&["tasks", "approve", id, "--if-match", "1a"]).await;
    assert_eq!(stale.code, Some(3), "{stale:?}");
    let approved = terminal.run(&["tasks", "approve", id, "--reason", "known"]).await;
    assert_eq!(approved.code, Some(0), "{approved:?}");
    assert!(approved.out.contains("the workflow has the answer"), "{approved:?}");
    assert_eq!(office.world.accepted(&started.token), 1);

    let late = terminal.run(&["tasks", "reject", id, "--reason", "no", "--by", "bob"]).await;
    assert_eq!(late.code, Some(3), "{late:?}");
    assert!(late.err.contains("was approved by ada"), "the winner is named: {late:?}");
    let json = terminal.run(&["tasks", "list", "--order", "o-1", "--format", "json"]).await;
    let page: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(page["tasks"][0]["status"], "APPROVED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_end_has_its_exit_code() {
    let office = Office::open();
    let terminal = Terminal::open(&office).await;
    let (started, task) = office.escalate("o-1", None).await;
    office.world.stop(&started.execution_arn);
    let expired = terminal.run(&["tasks", "approve", task.id.as_str()]).await;
    assert_eq!(expired.code, Some(4), "{expired:?}");
    assert!(expired.err.contains("no longer waits"), "{expired:?}");
    let nothing = terminal.run(&["tasks", "show", "00000000000000000000000000000000"]).await;
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
    assert_eq!(terminal.run(&["tasks", "show", "nonsense"]).await.code, Some(2));
    assert_eq!(
        terminal.run(&["tasks", "reject", task.id.as_str()]).await.code,
        Some(2),
        "a reason is asked for"
    );
    let nobody = terminal.run(&["tasks", "reconsider", "--code", "automation-paused"]).await;
    assert_eq!(nobody.out, "0 of 0 tasks returned to the rules\n", "{nobody:?}");
    let status = terminal.run(&["status"]).await;
    assert!(status.out.contains("automation  held"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_read_over_all_its_pages() {
    let office = Office::open();
    let terminal = Terminal::open(&office).await;
    for number in 0..205 {
        office.escalate(&format!("o-{number}"), None).await;
    }
    for more in [&["--limit", "1000"][..], &["--all"]] {
        let all = terminal.run(&[&["tasks", "list"], more].concat()).await;
        assert_eq!(all.out.lines().count(), 1 + 205, "{all:?}");
    }
    let some = terminal.run(&["tasks", "list", "--limit", "202"]).await;
    assert_eq!(some.out.lines().count(), 1 + 202 + 1);
    assert!(some.out.ends_with("there are more; raise --limit, or list --all\n"), "{some:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_task_becomes_a_test_case() {
    let office = Office::open();
    let terminal = Terminal::open(&office).await;
    let order = r#"{"amount":12.50,"card":"4711-SECRET","note":"unseen"}"#;
    let (_, task) = office.receive_order("o-1", None, |_| order.to_owned()).await;
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).unwrap();
        fs::write(path, text).unwrap();
    };
    write("schema/order.toml", "[fields]\namount = \"money\"\ncard = { type = \"text\", masked = true }\n");
    write("rules/small.rhai", "if order.amount <= 100 {\n    approve(\"small\");\n}\n");
    let path = dir.path().to_str().expect("a plain path");
    let test = ["rules", "test", path, "--from", task.id.as_str()];

    let written = terminal.run(&test).await;
    assert_eq!(written.code, Some(0), "{written:?}");
    assert!(written.out.contains("1 of 1 cases passed"), "{written:?}");
    let file = dir.path().join(format!("tests/task-{}.toml", &task.id.as_str()[..8]));
    assert!(written.err.contains(file.to_str().expect("a plain path")), "{written:?}");
    let case = fs::read_to_string(&file).unwrap();
    assert!(case.contains("12.50") && case.contains("approve") && case.contains("small"), "{case}");
    assert!(!case.contains("4711") && !case.contains("unseen"), "masked, or unknown to the schema: {case}");

    // Never over what its author may have changed.
    let again = terminal.run(&test).await;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), case);
    let nothing = terminal.run(&["rules", "test", path, "--from", "00000000000000000000000000000000"]).await;
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_kept_for_its_owner_and_says_who_decides() {
    let office = Office::open_as(|clock| clock, |config| config.auth.mode = AuthMode::Tokens);
    let terminal = Terminal::open(&office).await;
    let (_, task) = office.escalate("o-1", None).await;
    let id = task.id.as_str();
    let refused = terminal.run(&["tasks", "list"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("send a token"), "{refused:?}");

    let token = Secret::generate().expect("random numbers");
    let times = (office.now(), office.now() + SignedDuration::from_hours(24));
    let table = &office.state.control_table;
    table.store_token(&token.hash(), "grace", &[Role::Reviewer], "ada", times).await.expect("stored");
    let other = Secret::generate().expect("random numbers");
    for (input, told) in
        [("", "not a token"), ("secret", "not a token"), (other.reveal(), "unknown, expired or revoked")]
    {
        let refused = terminal.run_with(&["login"], input, &[]).await;
        assert!(refused.code == Some(1) && refused.err.contains(told), "{refused:?}");
        assert!(input.is_empty() || !refused.err.contains(input), "{refused:?}");
    }
    let login = terminal.run_with(&["login"], &format!("{}\n", token.reveal()), &[]).await;
    assert!(login.code == Some(0) && login.out.contains("you are grace (reviewer)"), "{login:?}");
    assert!(!format!("{login:?}").contains(token.reveal()));
    let file = terminal.home.path().join(".config/countersign/tokens.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let claimed = terminal.run(&["tasks", "approve", id, "--by", "the CFO"]).await;
    assert!(claimed.code == Some(1) && claimed.err.contains("the token says who you are"), "{claimed:?}");
    assert_eq!(terminal.run(&["tasks", "approve", id]).await.code, Some(0));
    let shown = terminal.run(&["tasks", "show", id]).await;
    assert!(shown.out.contains("grace"), "{shown:?}");

    // Others could read it.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let open = terminal.run(&["tasks", "list"]).await;
    assert!(open.code == Some(1) && open.err.contains("chmod 600"), "{open:?}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    // The variable wins, and the token does not cross a network in plain text.
    let unknown = terminal.run_with(&["tasks", "list"], "", &[("COUNTERSIGN_TOKEN", other.reveal())]).await;
    assert!(unknown.err.contains("unknown, expired or revoked"), "{unknown:?}");
    let variables = [("COUNTERSIGN_TOKEN", token.reveal()), ("COUNTERSIGN_URL", "http://192.0.2.1:8420")];
    let remote = terminal.run_with(&["tasks", "list"], "", &variables).await;
    assert!(remote.err.contains("plain text"), "{remote:?}");
    assert!(terminal.run(&["logout"]).await.out.contains("forgotten"));
    assert!(terminal.run(&["tasks", "list"]).await.err.contains("send a token"));
}
