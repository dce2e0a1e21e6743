//! Who may call the API. There is no authentication, so only this machine may, and no web page of another site that a
//! browser on this machine shows.
//!
//! Such a page can make the browser send requests to loopback, and a host name that its owner points at 127.0.0.1 makes
//! them look same-site. The first attack shows in `Sec-Fetch-Site` and `Origin`, the second in `Host`.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::Failure;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Rejects a foreign request before any handler sees it, and forbids caching and content sniffing of every answer.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => Failure::Foreign(why).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn check(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
    let host = authority(uri, headers).ok_or("the request has no host; send a Host header")?;
    if !is_loopback(host.host()) {
        return Err("the request's host is not this machine; use 127.0.0.1 or localhost");
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        // `none`: the person typed the address, or the client is not a browser.
        return if site == "same-origin" || site == "none" {
            Ok(())
        } else {
            Err("a page of another site must not send this request")
        };
    }
    match headers.get(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if is_same(origin, &host) => Ok(()),
        Some(_) => Err("a page of another origin must not send this request"),
    }
}

/// The host that the request is addressed to, from either place where HTTP puts it.
fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    match uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => headers.get(header::HOST)?.to_str().ok()?.parse().ok(),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_same(origin: &HeaderValue, host: &Authority) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    origin.is_some_and(|origin| {
        origin.authority().is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(host.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: Method, headers: &[(&'static str, &str)]) -> Result<(), &'static str> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect();
        check(&method, &Uri::from_static("/v1/tasks"), &headers)
    }

    #[test]
    fn only_names_of_this_machine_are_served() {
        for host in ["127.0.0.1:8420", "localhost", "LOCALHOST:1", "[::1]:8420", "127.9.9.9"] {
            assert_eq!(checked(Method::GET, &[("host", host)]), Ok(()), "{host}");
        }
        for host in ["evil.example:8420", "localhost.evil.example", "10.0.0.1", "0.0.0.0:8420", "", "a b"] {
            assert!(checked(Method::GET, &[("host", host)]).is_err(), "{host}");
        }
        assert!(checked(Method::GET, &[]).is_err());
    }

    #[test]
    fn a_foreign_page_changes_nothing() {
        let host = ("host", "127.0.0.1:8420");
        for (header, is_served) in [
            (("sec-fetch-site", "cross-site"), false),
            (("sec-fetch-site", "same-site"), false),
            (("sec-fetch-site", "same-origin"), true),
            (("sec-fetch-site", "none"), true),
            (("origin", "https://evil.example"), false),
            (("origin", "http://127.0.0.1:9999"), false),
            (("origin", "null"), false),
            (("origin", "http://127.0.0.1:8420"), true),
            (("accept", "*/*"), true),
        ] {
            assert_eq!(checked(Method::POST, &[host, header]).is_ok(), is_served, "{header:?}");
            // The browser itself prevents foreign pages from reading answers.
            assert_eq!(checked(Method::GET, &[host, header]), Ok(()), "{header:?}");
        }
    }
}
