//! The API's own TLS: who trusts its authority is answered, a renewed certificate is used, and a handshake holds nothing up.
//!
//! The certificates in `data/tls` are of an authority whose key nobody kept. They are valid for a hundred years.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;
use worker::api::tls::{Tls, TlsError};
use worker::config::{self, AuthMode, Config};
use worker::control::tokens::Role;

use crate::browser::token;
use crate::command_line_tasks::Terminal;
use crate::office::Office;
use crate::pipes::{Callers, pipes, rest};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/data/tls");

fn data(name: &str) -> String {
    format!("{DATA}/{name}")
}

/// A folder with a copy of the first certificate and its key, and settings that name them.
fn folder() -> (tempfile::TempDir, config::Api) {
    let dir = tempfile::tempdir().expect("a folder");
    put(dir.path(), "first.pem", "first.key");
    let mut api = Config::load(None, &[]).expect("the defaults").api;
    let path = |name: &str| Some(dir.path().join(name).display().to_string());
    (api.tls_cert_file, api.tls_key_file) = (path("certificate"), path("key"));
    (dir, api)
}

fn put(dir: &Path, certificate: &str, key: &str) {
    fs::copy(data(certificate), dir.join("certificate")).expect("a file");
    fs::copy(data(key), dir.join("key")).expect("a file");
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(data(name)).expect("a certificate")
}

/// An office that serves TLS over pipes, and follows its files.
fn served(api: &config::Api) -> (Office, Callers) {
    let mut office = Office::open();
    let tls = Tls::new(api).expect("the files are right").expect("they are named");
    office.state.tracker.spawn(tls.clone().follow(CancellationToken::new()));
    office.state.tls = Some(tls);
    let (callers, listener) = pipes();
    office.serve(listener);
    (office, callers)
}

/// A handshake with a server of the test's authority.
async fn agree(callers: &Callers) -> TlsStream<DuplexStream> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate("authority.pem")).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let pipe = callers.connect("").await;
    TlsConnector::from(Arc::new(config)).connect(name, pipe).await.expect("a handshake")
}

async fn shown(callers: &Callers) -> CertificateDer<'static> {
    let stream = agree(callers).await;
    let chain = stream.get_ref().1.peer_certificates().expect("the server has shown it");
    chain[0].clone().into_owned()
}

#[tokio::test(start_paused = true)]
async fn the_api_answers_in_tls_alone() {
    let (_dir, api) = folder();
    let (_office, callers) = served(&api);
    let mut stream = agree(&callers).await;
    let request = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer, and a proper end");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("live\n"), "{answer}");
    let mut plain = Vec::new();
    callers.connect(request).await.read_to_end(&mut plain).await.expect("a pipe");
    assert!(!String::from_utf8_lossy(&plain).contains("HTTP"), "plain text gets an alert: {plain:?}");
}

#[tokio::test(start_paused = true)]
async fn a_renewed_certificate_is_used_and_a_wrong_one_is_not() {
    let (dir, api) = folder();
    let (_office, callers) = served(&api);
    let long = Duration::from_secs(30);
    assert_eq!(shown(&callers).await, certificate("first.pem"));
    put(dir.path(), "second.pem", "first.key");
    sleep(long).await;
    assert_eq!(shown(&callers).await, certificate("first.pem"), "its key is not there yet");
    put(dir.path(), "second.pem", "second.key");
    sleep(long).await;
    assert_eq!(shown(&callers).await, certificate("second.pem"));
    fs::write(dir.path().join("certificate"), "nothing").expect("a file");
    sleep(long).await;
    fs::remove_file(dir.path().join("certificate")).expect("a file");
    sleep(long).await;
    assert_eq!(shown(&callers).await, certificate("second.pem"));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_given_up() {
    let (_dir, api) = folder();
    let (_office, callers) = served(&api);
    // Nothing, and the start of a ClientHello.
    for sent in ["", "\x16\x03\x01\0\x7f\x01"] {
        let opened = Instant::now();
        assert_eq!(rest(&mut callers.connect(sent).await).await, "");
        assert_eq!(opened.elapsed().as_secs(), 10, "{sent:?}");
    }
    // After a handshake the first request has what is left of the time.
    let opened = Instant::now();
    let mut silent = agree(&callers).await;
    let mut answer = Vec::new();
    // The server does not say goodbye on a connection that it gives up.
    let _ = silent.read_to_end(&mut answer).await;
    assert_eq!((answer.len(), opened.elapsed().as_secs()), (0, 10));
}

#[test]
fn files_that_cannot_be_used_are_named_and_the_key_is_not_shown() {
    let (dir, api) = folder();
    let refused = || Tls::new(&api).expect_err("it cannot be used");
    put(dir.path(), "first.pem", "second.key");
    assert!(matches!(refused(), TlsError::Unusable(..)), "{}", refused());
    put(dir.path(), "first.key", "first.key");
    assert!(refused().to_string().contains("certificate: is not a chain"), "{}", refused());
    put(dir.path(), "first.pem", "first.pem");
    assert!(refused().to_string().contains("key: is not a PEM private key"), "{}", refused());
    fs::remove_file(dir.path().join("key")).expect("a file");
    assert!(matches!(refused(), TlsError::Unreadable(..)), "{}", refused());
    put(dir.path(), "first.pem", "first.key");
    let tls = format!("{:?}", Tls::new(&api).expect("right again"));
    let key = fs::read_to_string(data("first.key")).expect("a file");
    assert!(!tls.contains(key.lines().nth(1).expect("a line of the key")));
}

/// The command line trusts who it is told to trust, and sends its token over TLS to any host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_speaks_tls() {
    let (_dir, api) = folder();
    let set = |config: &mut Config| {
        config.auth.mode = AuthMode::Tokens;
        config.api = config::Api { listen: config.api.listen, ..api.clone() };
    };
    let mut office = Office::open_as(|clock| clock, set);
    office.state.tls = Tls::new(&api).expect("the files are right");
    let (_, task) = office.escalate("o-1", None).await;
    let token = token(&office, "ada", Role::Reviewer).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    office.serve(listener);
    let terminal = Terminal::at(format!("https://localhost:{port}"));
    let authority = data("authority.pem");

    let login = terminal.run_with(&["login", "--ca-file", &authority], token.reveal(), &[]).await;
    assert!(login.code == Some(0) && login.out.contains("you are ada"), "{login:?}");
    let trusted = [("COUNTERSIGN_CA_FILE", authority.as_str())];
    let approve = ["tasks", "approve", task.id.as_str()];
    let approved = terminal.run_with(&approve, "", &trusted).await;
    assert_eq!(approved.code, Some(0), "{approved:?}");

    let other = data("second.pem");
    let strange = terminal.run(&["tasks", "list", "--ca-file", &other]).await;
    assert!(strange.code == Some(1) && strange.err.contains("certificate"), "{strange:?}");
    let none = terminal.run(&["tasks", "list", "--ca-file", &data("first.key")]).await;
    assert!(none.err.contains("no PEM certificate"), "{none:?}");
    let address = format!("https://127.0.0.1:{port}");
    let other_name = terminal.run_with(&["tasks", "list", "--url", &address], token.reveal(), &trusted).await;
    assert!(other_name.err.contains("send a token"), "another URL has no stored token: {other_name:?}");
}
