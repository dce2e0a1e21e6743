//! Who may call the API. There is no authentication, so only this machine may, and no web page of another site that a
//! browser on this machine shows.
//!
//! Such a page can make the browser send requests to loopback, and a host name that its owner points at 127.0.0.1 makes
//! them look same-site. The first attack shows in `Sec-Fetch-Site` and `Origin`, the second in `Host`.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::Failure;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Rejects a foreign request before any handler sees it, and forbids caching and content sniffing of every answer.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn check(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Failure> {
    let host = host(uri, headers)?;
    if !is_loopback(host.host()) {
        return Err(Failure::Foreign("the request's host is not this machine; use 127.0.0.1 or localhost"));
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        // `none`: the person typed the address, or the client is not a browser.
        return if site == "same-origin" || site == "none" {
            Ok(())
        } else {
            Err(Failure::Foreign("a page of another site must not send this request"))
        };
    }
    match headers.get(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if is_same(origin, &host) => Ok(()),
        Some(_) => Err(Failure::Foreign("a page of another origin must not send this request")),
    }
}

/// The one host that the request is addressed to. A second one, in another line or in the request's target, is an error
/// (RFC 9112, section 3.2): a proxy in front may have looked at the other.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<Authority, Failure> {
    let mut lines = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (lines.next(), lines.next()) else {
        return Err(Failure::NoHost("send one Host header, with the address of this worker"));
    };
    let host: Option<Authority> = host.to_str().ok().and_then(|host| host.parse().ok());
    let host = host.filter(|host| !host.as_str().contains('@'));
    let host = host.ok_or(Failure::NoHost("the Host header is not a host with its port"))?;
    if uri.authority().is_some_and(|target| !is_equal(target, &host)) {
        return Err(Failure::NoHost("the request's target names another host than its Host header"));
    }
    Ok(host)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether an origin is this server's: plain HTTP, which is what it speaks, and the same host and port.
fn is_same(origin: &HeaderValue, host: &Authority) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    origin.is_some_and(|origin| {
        origin.scheme() == Some(&Scheme::HTTP)
            && origin.authority().is_some_and(|authority| is_equal(authority, host))
    })
}

fn is_equal(one: &Authority, other: &Authority) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: Method, headers: &[(&'static str, &str)]) -> Result<(), Failure> {
        checked_at(method, "/v1/tasks", headers)
    }

    fn checked_at(method: Method, target: &str, headers: &[(&'static str, &str)]) -> Result<(), Failure> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect();
        check(&method, &target.parse().unwrap(), &headers)
    }

    #[test]
    fn only_names_of_this_machine_are_served() {
        for host in ["127.0.0.1:8420", "localhost", "LOCALHOST:1", "[::1]:8420", "127.9.9.9"] {
            assert_eq!(checked(Method::GET, &[("host", host)]), Ok(()), "{host}");
        }
        for host in ["evil.example:8420", "localhost.evil.example", "10.0.0.1", "0.0.0.0:8420"] {
            assert!(matches!(checked(Method::GET, &[("host", host)]), Err(Failure::Foreign(_))), "{host}");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let here = ("host", "127.0.0.1:8420");
        for (target, headers) in [
            ("/", &[][..]),
            ("/", &[("host", "")]),
            ("/", &[("host", "a b")]),
            ("/", &[("host", "evil.example@127.0.0.1:8420")]),
            ("/", &[here, here]),
            ("/", &[here, ("host", "evil.example")]),
            ("http://127.0.0.1:8420/", &[]),
            ("http://evil.example/", &[here]),
            ("http://127.0.0.1:1/", &[here]),
        ] {
            let checked = checked_at(Method::GET, target, headers);
            assert!(matches!(checked, Err(Failure::NoHost(_))), "{target} {headers:?}: {checked:?}");
        }
        assert_eq!(checked_at(Method::GET, "http://127.0.0.1:8420/v1/tasks", &[here]), Ok(()));
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
            (("origin", "https://127.0.0.1:8420"), false),
            (("origin", "127.0.0.1:8420"), false),
            (("origin", "http://127.0.0.1:8420"), true),
            (("accept", "*/*"), true),
        ] {
            assert_eq!(checked(Method::POST, &[host, header]).is_ok(), is_served, "{header:?}");
            // The browser itself prevents foreign pages from reading answers.
            assert_eq!(checked(Method::GET, &[host, header]), Ok(()), "{header:?}");
        }
    }
}
