//! What the environment says of AWS, as the program meets it: what cannot work ends `run` with its remedy, what may heal
//! is tried again and named, and every usual source of credentials is one.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

/// A home with these AWS files and a ruleset, and the program with nothing else around it.
fn program(home: &Path, aws_config: &str) -> Command {
    fs::create_dir_all(home.join(".aws")).expect("a folder");
    fs::write(home.join(".aws/config"), aws_config).expect("written");
    fs::create_dir_all(home.join("rules")).expect("a folder");
    fs::write(home.join("rules/none.rhai"), "pass();").expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.current_dir(home).env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("COUNTERSIGN_RULES__DIR", home);
    command.env("COUNTERSIGN_API__LISTEN", "127.0.0.1:0").env("COUNTERSIGN_METRICS__LISTEN", "127.0.0.1:0");
    command.stdin(Stdio::null());
    command
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIDKEYS"), ("AWS_SECRET_ACCESS_KEY", "secret")];

#[test]
fn what_cannot_heal_ends_run_at_once_with_its_remedy() {
    let home = tempfile::tempdir().unwrap();
    let region = ("AWS_REGION", "eu-central-1");
    for (variables, expected) in [
        (&[region] as &[_], "no credentials: give the machine a role, or set AWS_PROFILE"),
        (&KEYS, "no AWS region is set: set aws.region, the variable AWS_REGION"),
        (&[KEYS[0], KEYS[1], region, ("AWS_PROFILE", "typo")], "the AWS profile \"typo\" does not exist"),
        (
            &[KEYS[0], KEYS[1], region, ("AWS_ENDPOINT_URL", "localhost:4566")],
            "\"localhost:4566\" is not the URL of an endpoint",
        ),
        (
            &[KEYS[0], KEYS[1], region, ("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "streams")],
            "\"streams\" is not the URL of an endpoint",
        ),
        (&[KEYS[0], KEYS[1], ("AWS_REGION", "eu central")], "\"eu central\" is not an AWS region"),
        (
            &[KEYS[0], KEYS[1], region, ("COUNTERSIGN_AWS__ENDPOINT_URL", "localhost:4566")],
            "aws.endpoint_url = \"localhost:4566\" (COUNTERSIGN_AWS__ENDPOINT_URL)",
        ),
    ] {
        let ended = program(home.path(), "").arg("run").envs(variables.iter().copied()).output().unwrap();
        let told =
            format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert_eq!(ended.status.code(), Some(1), "{variables:?}: {told}");
        assert!(told.replace("\\\"", "\"").contains(expected), "{variables:?}: {told}");
        assert!(!told.contains("no connection"), "{told}");
    }
}

#[test]
fn an_endpoint_that_does_not_answer_is_named_and_tried_again() {
    let home = tempfile::tempdir().unwrap();
    // A port that was free a moment ago and that nobody listens on.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut worker = program(home.path(), "")
        .arg("run")
        .envs(KEYS)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ENDPOINT_URL", format!("http://{dead}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines().map(Result::unwrap);
    let expected =
        format!("PutItem on table countersign-control: no connection to {dead}: Connection refused");
    for _ in 0..2 {
        lines.find(|line| line.contains(&expected)).expect("the worker goes on, and names the endpoint");
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
}

/// A part of AWS that gives credentials for what it is asked with, and passes on the key that other calls are signed
/// with. A real socket: the sources of credentials have HTTP clients of their own.
fn aws() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (keys, signed_with) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let keys = keys.clone();
            thread::spawn(move || answer(connection.expect("a connection"), &keys));
        }
    });
    (url, signed_with)
}

fn answer(mut connection: TcpStream, keys: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(connection.try_clone().expect("a second handle"));
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).expect("text") == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("the body");
        let body = String::from_utf8_lossy(&body);
        let until = "2099-01-01T00:00:00Z";
        let text = if body.contains("AssumeRoleWithWebIdentity") {
            assert!(body.contains("the-web-token"), "{body}");
            format!(
                "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKIDWEB</AccessKeyId>\
                 <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{until}</Expiration>\
                 </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            )
        } else if head.contains("/federation/credentials") {
            assert!(head.contains("the-sso-token"), "{head}");
            "{\"roleCredentials\": {\"accessKeyId\": \"AKIDSSO\", \"secretAccessKey\": \"s\", \
             \"sessionToken\": \"t\", \"expiration\": 4070908800000}}"
                .to_owned()
        } else {
            let key = head.split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
            // Nobody listens once the test has seen the first.
            let _ = keys.send(key.unwrap_or("not signed").to_owned());
            "{}".to_owned()
        };
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        if connection.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn every_usual_source_of_credentials_is_one() {
    let home = tempfile::tempdir().unwrap();
    let script = home.path().join("keys.sh");
    fs::write(
        &script,
        "#!/bin/sh\necho '{\"Version\": 1, \"AccessKeyId\": \"AKIDPROCESS\", \"SecretAccessKey\": \"s\"}'\n",
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let token = home.path().join("web-token");
    fs::write(&token, "the-web-token").unwrap();
    // What `aws sso login` leaves: named by the SHA-1 of the session's name.
    let cache = home.path().join(".aws/sso/cache");
    fs::create_dir_all(&cache).unwrap();
    fs::write(
        cache.join("ee0bfd2552fbd840c02cc48b6e823320543c450f.json"),
        "{\"accessToken\": \"the-sso-token\", \"expiresAt\": \"2099-01-01T00:00:00Z\", \
         \"startUrl\": \"https://corp.example/start\", \"region\": \"eu-central-1\"}",
    )
    .unwrap();
    let aws_config = format!(
        "[profile process]\nregion = eu-central-1\ncredential_process = {}\n\
         [profile web]\nregion = eu-central-1\nrole_arn = arn:aws:iam::123456789012:role/r\n\
         web_identity_token_file = {}\n\
         [profile sso]\nregion = eu-central-1\nsso_session = corp\nsso_account_id = 123456789012\n\
         sso_role_name = approver\n\
         [sso-session corp]\nsso_region = eu-central-1\nsso_start_url = https://corp.example/start\n",
        script.display(),
        token.display()
    );
    let (url, signed_with) = aws();
    for (profile, key) in [("process", "AKIDPROCESS"), ("web", "AKIDWEB"), ("sso", "AKIDSSO")] {
        let ended = program(home.path(), &aws_config)
            .args(["automation", "show"])
            .env("AWS_PROFILE", profile)
            .env("AWS_ENDPOINT_URL", &url)
            .output()
            .unwrap();
        let seen: Vec<String> = signed_with.try_iter().collect();
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(!seen.is_empty() && seen.iter().all(|seen| seen == key), "{profile}: {seen:?}: {told}");
    }
}

#[test]
fn a_table_that_does_not_answer_is_not_waited_for() {
    let home = tempfile::tempdir().unwrap();
    // Takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let ended = program(home.path(), "")
        .args(["automation", "show", "--timeout", "0.5"])
        .envs(KEYS)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ENDPOINT_URL", format!("http://{}", silent.local_addr().unwrap()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{told}");
    let expected = "GetItem on table countersign-control: no answer in time; try again";
    assert!(told.contains(expected), "{told}");
}
