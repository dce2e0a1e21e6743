//! Just enough HTTP/1.1 for the SDK: one request after the other on a connection, each with its length.

use anyhow::{Context as _, Result, anyhow};
use reqwest::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;

/// A call of the SDK.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// The name of the API's operation.
    pub(super) fn operation(&self) -> &str {
        let target = self.headers.iter().find(|(name, _)| name == "x-amz-target");
        target.and_then(|(_, target)| target.split('.').nth(1)).unwrap_or_default()
    }
}

/// AWS's answer to a call that fails.
pub(super) fn error(name: &str) -> Vec<u8> {
    let body = json!({"__type": name, "message": "broken by the proxy"}).to_string();
    let head = format!(
        "HTTP/1.1 400\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head, body].concat().into_bytes()
}

/// The next request of a connection; `None` when it was closed between two.
pub(super) async fn read(stream: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().context("a method")?.to_owned();
    let path = words.next().context("a path")?.to_owned();
    let mut headers = vec![];
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == CONTENT_LENGTH.as_str());
    let length: usize = length.map_or(Ok(0), |(_, digits)| digits.parse())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request { method, path, headers, body }))
}

/// Forwards a request; tells whether it was granted, and gives the answer's bytes, without records if it is emptied.
pub(super) async fn forward(
    http: &reqwest::Client,
    upstream: &str,
    request: Request,
    is_emptied: bool,
) -> Result<(bool, Vec<u8>)> {
    let url = format!("{}{}", upstream, request.path);
    let mut forwarded = http.request(request.method.parse()?, url).body(request.body);
    for (name, value) in request.headers {
        // The host stays the proxy's: the signature covers it.
        if ![CONTENT_LENGTH.as_str(), CONNECTION.as_str()].contains(&name.as_str()) {
            forwarded = forwarded.header(name, value);
        }
    }
    let answer = forwarded.send().await.map_err(|error| anyhow!("the emulator: {error}"))?;
    let is_success = answer.status().is_success();
    let mut bytes = format!("HTTP/1.1 {}\r\n", answer.status().as_u16()).into_bytes();
    for (name, value) in answer.headers() {
        if ![CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING].contains(name) {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
    }
    let mut body = answer.bytes().await?.to_vec();
    if is_emptied && is_success {
        let mut page: Value = serde_json::from_slice(&body)?;
        page["Records"] = json!([]);
        body = page.to_string().into_bytes();
    }
    bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend(&body);
    Ok((is_success, bytes))
}
