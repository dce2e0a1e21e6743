//! The table of hostile requests.

/// What a request is about, and the request.
pub(super) type Case = (&'static str, String);

pub(super) const HOST: &str = "Host: 127.0.0.1:8420";
const JSON: &str = "Content-Type: application/json";

/// Stands for the task's path.
const TASK: &str = "/v1/tasks/TASK";
const APPROVE: &str = r#"{"outcome":"approved"}"#;

/// A request of a reviewer with a host and these lines.
fn of(first: &str, lines: &[&str], body: &str) -> String {
    raw(first, &[&[HOST, "Authorization: Bearer REVIEWER"], lines].concat(), body)
}

/// A POST of a reviewer with a body of JSON and its length.
fn post(path: &str, lines: &[&str], body: &str) -> String {
    let length = format!("Content-Length: {}", body.len());
    of(&format!("POST {path}"), &[&[JSON, &length], lines].concat(), body)
}

/// A decision of a reviewer.
fn decide(lines: &[&str], body: &str) -> String {
    post(&format!("{TASK}/decision"), lines, body)
}

/// A decision whose framing is these lines; its body would not decide either.
fn framed(lines: &[&str], body: &str) -> String {
    of(&format!("POST {TASK}/decision"), &[&[JSON], lines].concat(), body)
}

/// A GET of a reviewer.
fn get(target: &str) -> String {
    of(&format!("GET {target}"), &[], "")
}

/// A request with these lines alone.
pub(super) fn raw(first: &str, lines: &[&str], body: &str) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{first} HTTP/1.1\r\n{lines}\r\n{body}")
}

/// A decision with other credentials.
fn with(credentials: &[&str]) -> String {
    let length = format!("Content-Length: {}", APPROVE.len());
    raw(&format!("POST {TASK}/decision"), &[&[HOST, JSON, &length], credentials].concat(), APPROVE)
}

/// Where one request ends and the next begins.
fn framing() -> Vec<Case> {
    let chunked = "Transfer-Encoding: chunked";
    let next = "GET /v1/me HTTP/1.1\r\nHost: 127.0.0.1:8420\r\nConnection: close\r\n\r\n";
    vec![
        ("length and chunks", framed(&["Content-Length: 4", chunked], "0\r\n\r\n")),
        ("chunks and length", framed(&[chunked, "Content-Length: 4"], "0\r\n\r\n")),
        ("other letters", framed(&["CONTENT-LENGTH: 4", "transfer-encoding: CHUNKED"], "0\r\n\r\n")),
        (
            "length and chunks after another request",
            get("/v1/me") + &*framed(&["Content-Length: 4", chunked], "0\r\n\r\n"),
        ),
        (
            "length and chunks after a body",
            framed(&["Content-Length: 2"], "{}") + &*framed(&[chunked, "Content-Length: 4"], "0\r\n\r\n"),
        ),
        ("another request after chunks", framed(&[chunked], "2\r\n{}\r\n0\r\n\r\n") + next),
        ("two lengths", framed(&["Content-Length: 2", "Content-Length: 3"], "{} ")),
        ("a list of lengths", framed(&["Content-Length: 2, 3"], "{} ")),
        ("a length with a sign", framed(&["Content-Length: +2"], "{}")),
        ("a negative length", framed(&["Content-Length: -2"], "{}")),
        ("a hexadecimal length", framed(&["Content-Length: 0x2"], "{}")),
        ("an endless length", framed(&["Content-Length: 99999999999999999999"], "{}")),
        ("a large length", framed(&["Content-Length: 99999999"], "{}")),
        ("a length that never comes", framed(&["Content-Length: 3"], "{}")),
        ("an unknown coding", framed(&["Transfer-Encoding: xchunked"], "0\r\n\r\n")),
        ("chunked is not last", framed(&["Transfer-Encoding: chunked, identity"], "0\r\n\r\n")),
        ("a coding that hides", framed(&["Transfer-Encoding: \x0bchunked"], "0\r\n\r\n")),
        ("a space before the colon", framed(&["Transfer-Encoding : chunked"], "0\r\n\r\n")),
        ("a chunk of no size", framed(&[chunked], "zz\r\n{}\r\n0\r\n\r\n")),
        ("a chunk of a huge size", framed(&[chunked], "fffffffffffffffff\r\n")),
        ("a folded line", framed(&["X-A: 1\r\n Content-Length: 2", chunked], "0\r\n\r\n")),
        ("a line without a colon", framed(&["Content-Length"], "")),
        ("a zero byte in a line", framed(&["X-A: a\0b", "Content-Length: 2"], "{}")),
        ("a carriage return in a line", framed(&["X-A: a\rContent-Length: 2"], "")),
        ("another request in the body", framed(&["Content-Length: 2"], &format!("{{}}{next}"))),
        ("a trailer with a token", framed(&[chunked], "2\r\n{}\r\n0\r\nAuthorization: Bearer X\r\n\r\n")),
        ("HTTP/0.9", "GET /v1/tasks\r\n\r\n".to_owned()),
        ("HTTP/1.0 without a host", "GET /v1/tasks HTTP/1.0\r\n\r\n".to_owned()),
        ("HTTP/2.0", "GET /v1/tasks HTTP/2.0\r\n\r\n".to_owned()),
        ("TLS to a plain port", "\x16\x03\x01\0\x05\x01\0\0\x01\x03\r\n\r\n".to_owned()),
        ("a long head", of("GET /v1/tasks", &[&format!("X-A: {}", "x".repeat(20_000))], "")),
        ("many lines", of("GET /v1/tasks", &["X-A: 1"; 200], "")),
        ("a long target", get(&format!("/v1/tasks?code={}", "x".repeat(20_000)))),
    ]
}

/// To whom a request is addressed, and who sends it.
fn places() -> Vec<Case> {
    let me = "GET /v1/me";
    let bearer = "Authorization: Bearer REVIEWER";
    let from = |lines: &[&str]| decide(lines, APPROVE);
    vec![
        ("no host", raw(me, &[bearer], "")),
        ("two hosts", raw(me, &[HOST, HOST, bearer], "")),
        ("two other hosts", raw(me, &[HOST, "Host: evil.example", bearer], "")),
        ("another host", raw(me, &["Host: evil.example", bearer], "")),
        ("a host that begins like ours", raw(me, &["Host: 127.0.0.1.evil.example", bearer], "")),
        ("a host with a user", raw(me, &["Host: 127.0.0.1@evil.example", bearer], "")),
        ("a host with a path", raw(me, &["Host: 127.0.0.1:8420/x", bearer], "")),
        ("a target of another host", of("GET http://evil.example/v1/me", &[], "")),
        ("a forwarded host", of(me, &["X-Forwarded-Host: evil.example", "Forwarded: host=evil.example"], "")),
        ("a forwarded path", of(me, &["X-Original-URL: /v1/automation/pause", "X-Rewrite-URL: /x"], "")),
        ("the origin's scheme", from(&["Origin: https://127.0.0.1:8420"])),
        ("the origin's port", from(&["Origin: http://127.0.0.1:9"])),
        ("an origin that is null", from(&["Origin: null"])),
        ("an empty origin", from(&["Origin:"])),
        ("another origin", from(&["Origin: http://evil.example"])),
        ("another site", from(&["Sec-Fetch-Site: cross-site"])),
        ("a sibling site", from(&["Sec-Fetch-Site: same-site"])),
        ("an unknown site", from(&["Sec-Fetch-Site: SAME-ORIGIN"])),
        ("two origins", from(&["Origin: http://127.0.0.1:8420", "Origin: http://evil.example"])),
        ("two sites", from(&["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"])),
    ]
}

/// Methods and paths by which something could be changed, or reached, that should not.
fn targets() -> Vec<Case> {
    let decision = format!("{TASK}/decision");
    let length = format!("Content-Length: {}", APPROVE.len());
    vec![
        ("a decision by GET", get(&decision)),
        ("a decision by HEAD", of(&format!("HEAD {decision}"), &[], "")),
        ("a pause by GET", get("/v1/automation/pause")),
        ("a pause by HEAD", of("HEAD /v1/automation/pause", &[], "")),
        (
            "a method of a header",
            of(&format!("GET {decision}"), &["X-HTTP-Method-Override: POST", JSON, &length], APPROVE),
        ),
        ("a method of a query", get(&format!("{decision}?_method=POST"))),
        ("a body of GET", of(&format!("GET {TASK}"), &[JSON, &length], APPROVE)),
        ("PUT", of(&format!("PUT {decision}"), &[JSON, &length], APPROVE)),
        ("PATCH", of(&format!("PATCH {TASK}"), &[JSON, &length], APPROVE)),
        ("DELETE", of(&format!("DELETE {TASK}"), &[], "")),
        (
            "a preflight",
            of(
                &format!("OPTIONS {decision}"),
                &["Origin: http://evil.example", "Access-Control-Request-Method: POST"],
                "",
            ),
        ),
        ("TRACE", of("TRACE /v1/me", &[], "")),
        ("CONNECT", of("CONNECT 127.0.0.1:22", &[], "")),
        ("an invented method", of(&format!("APPROVE {TASK}"), &[], "")),
        ("a method in small letters", of(&format!("post {decision}"), &[JSON, &length], APPROVE)),
        ("every resource", of("OPTIONS *", &[], "")),
        ("dots", get("/v1/../v1/tasks")),
        ("dots that are encoded", post("/v1/tasks/%2e%2e/automation/pause", &[], r#"{"reason":"x"}"#)),
        ("a slash that is encoded", post(&format!("{TASK}%2fdecision"), &[], APPROVE)),
        ("two slashes", get("//v1/tasks")),
        ("a slash at the end", post(&format!("{decision}/"), &[], APPROVE)),
        ("capitals", get("/V1/TASKS")),
        ("a parameter of the path", get("/v1/tasks;admin=1")),
        ("a zero byte", get(&format!("{TASK}%00"))),
        ("a task in capitals", get("/v1/tasks/7A7816BF8F01CFEA414140DE5DAE2223")),
        ("not UTF-8", get("/v1/tasks/%ff%fe")),
        ("a ruleset by a path", get("/v1/rulesets/..%2f..%2fetc%2fpasswd")),
        ("a fragment", get("/v1/me#x")),
    ]
}

/// Parameters of lists, and cursors that no list gave.
fn parameters() -> Vec<Case> {
    let forged = |json: &str| aws_smithy_types::base64::encode(json).replace('=', "").replace('+', "-");
    let elsewhere = forged(r#"{"Lists":[["PENDING#00",0,"7a7816bf8f01cfea414140de5dae2223"]]}"#);
    let other_order = forged(
        r#"{"Order":{"order_id":"o-2","start_time":"t","task_id":"7a7816bf8f01cfea414140de5dae2223"}}"#,
    );
    let list = |query: &str| get(&format!("/v1/tasks?{query}"));
    vec![
        ("a cursor that is none", list("cursor=%22%27--")),
        ("a cursor of JSON", list("cursor=e30")),
        ("a cursor of another list", list(&format!("status=ESCALATED&cursor={elsewhere}"))),
        ("a cursor of another order", list(&format!("order_id=o-1&cursor={other_order}"))),
        ("a long cursor", list(&format!("cursor={}", "A".repeat(10_000)))),
        ("a parameter twice", list("status=DUE&status=PENDING")),
        ("an unknown parameter", list("admin=true")),
        ("a limit that does not fit", list("limit=18446744073709551617")),
    ]
}

/// Bodies and conditions.
fn contents() -> Vec<Case> {
    let etag = |lines: &[&str]| decide(lines, APPROVE);
    let typed = |kind: &str| {
        let length = format!("Content-Length: {}", APPROVE.len());
        of(&format!("POST {TASK}/decision"), &[kind, &length], APPROVE)
    };
    let large = format!(r#"{{"outcome":"approved","reason":"{}"}}"#, "x".repeat(70_000));
    vec![
        ("not JSON", decide(&[], "approved")),
        ("half of JSON", decide(&[], r#"{"outcome":"appr"#)),
        ("a field twice", decide(&[], r#"{"outcome":"rejected","outcome":"approved"}"#)),
        ("an unknown field", decide(&[], r#"{"outcome":"approved","status":"APPROVED"}"#)),
        ("another one's name", decide(&[], r#"{"outcome":"approved","by":"the CFO"}"#)),
        ("null", decide(&[], "null")),
        ("a list", decide(&[], r#"["approved"]"#)),
        ("deep lists", decide(&[], &"[".repeat(30_000))),
        ("a byte order mark", decide(&[], "\u{feff}{\"outcome\":\"approved\"}")),
        ("two values", decide(&[], r#"{"outcome":"approved"}{"outcome":"rejected"}"#)),
        ("a large body", decide(&[], &large)),
        ("a form", typed("Content-Type: application/x-www-form-urlencoded")),
        ("plain text", typed("Content-Type: text/plain")),
        ("no type", typed("X-A: 1")),
        ("a type that only looks like JSON", typed("Content-Type: application/jsonp")),
        ("a compressed body", decide(&["Content-Encoding: gzip"], "\u{1f}")),
        ("If-Match without quotes", etag(&["If-Match: 0"])),
        ("a weak If-Match", etag(&["If-Match: W/\"0\""])),
        ("a list in If-Match", etag(&["If-Match: \"0\", *"])),
        ("two If-Match", etag(&["If-Match: \"0\"", "If-Match: *"])),
        ("an empty If-Match", etag(&["If-Match:"])),
        ("a stale If-Match", etag(&["If-Match: \"0123456789abcdef\""])),
        (
            "a batch without ETags",
            post(
                "/v1/tasks:batch",
                &[],
                r#"{"decisions":[{"taskId":"7a7816bf8f01cfea414140de5dae2223","outcome":"approved"}]}"#,
            ),
        ),
        ("a batch of nothing", post("/v1/tasks:batch", &[], r#"{"decisions":[]}"#)),
    ]
}

/// Who says that they may.
fn credentials() -> Vec<Case> {
    let pause = |role: &str| {
        let bearer = format!("Authorization: Bearer {role}");
        let body = r#"{"reason":"x"}"#;
        let length = format!("Content-Length: {}", body.len());
        raw("POST /v1/automation/pause", &[HOST, JSON, &length, &bearer], body)
    };
    vec![
        ("no token", with(&[])),
        ("an empty token", with(&["Authorization: Bearer "])),
        ("a token that nobody made", with(&["Authorization: Bearer STRANGER"])),
        ("half a token", with(&["Authorization: Bearer csgn_"])),
        ("a token and more", with(&["Authorization: Bearer REVIEWER x"])),
        ("two tokens", with(&["Authorization: Bearer STRANGER", "Authorization: Bearer REVIEWER"])),
        ("a list of tokens", with(&["Authorization: Bearer REVIEWER, Bearer STRANGER"])),
        ("a password", with(&["Authorization: Basic YWRtaW46YWRtaW4="])),
        (
            "a token without a signature",
            with(&["Authorization: Bearer eyJhbGciOiJub25lIn0.eyJyb2xlcyI6WyJyZXZpZXdlciJdfQ."]),
        ),
        ("a token in a cookie", with(&["Cookie: token=REVIEWER"])),
        ("a token in the query", raw("GET /v1/me?access_token=REVIEWER", &[HOST], "")),
        ("a name of a header", with(&["X-Forwarded-User: ada", "X-Amzn-Oidc-Identity: ada"])),
        ("a viewer decides", with(&["Authorization: Bearer VIEWER"])),
        ("a viewer pauses", pause("VIEWER")),
        ("a reviewer pauses", pause("REVIEWER")),
    ]
}

/// Every case.
pub(super) fn all() -> Vec<Case> {
    [framing(), places(), targets(), parameters(), contents(), credentials()].concat()
}
