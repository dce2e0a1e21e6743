//! From where the API may be called: under its own names, and not by a web page of another site that a browser shows.
//! Without authentication its names are those of this machine.
//!
//! Such a page can make the browser send requests to loopback, and a host name that its owner points at 127.0.0.1 makes
//! them look same-site. The first attack shows in `Sec-Fetch-Site` and `Origin`, the second in `Host`.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::{Authority, Parts, Scheme};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::ApiState;
use super::audit::Line;
use super::error::Failure;
use super::framing::TwoLengths;
use super::server::Peer;
use crate::config::{AuthMode, Config, public_url};
use crate::metrics::Refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Under which names the API is reached.
#[derive(Debug, Clone)]
pub struct Site {
    /// `api.public_url`, as the scheme and the host of an origin.
    public: Option<(Scheme, Authority)>,
    /// Whether callers show who they are: then the API may be reached from other machines.
    has_tokens: bool,
    /// Whether it has a certificate of its own.
    has_tls: bool,
}

impl Site {
    /// As configured.
    pub fn new(config: &Config) -> Site {
        let url = config.api.public_url.as_deref().and_then(public_url);
        let origin = url.and_then(|url| url.origin().ascii_serialization().parse::<Uri>().ok());
        let public = origin.and_then(|origin| {
            let Parts { scheme, authority, .. } = origin.into_parts();
            Some((scheme?, authority?))
        });
        Site {
            public,
            has_tokens: config.auth.mode != AuthMode::None,
            has_tls: config.api.tls_cert_file.is_some(),
        }
    }

    /// The scheme by which a host is reached; none if the host is not this server. An address needs no check of the name
    /// that led to it, and anyone who reaches it needs a token.
    fn scheme(&self, host: &Authority) -> Option<&Scheme> {
        if let Some((scheme, public)) = &self.public
            && is_equal(public, host)
        {
            return Some(scheme);
        }
        let bare = host.host().trim_start_matches('[').trim_end_matches(']');
        let is_ours = is_loopback(host.host()) || self.has_tokens && bare.parse::<IpAddr>().is_ok();
        let scheme = if self.has_tls { &Scheme::HTTPS } else { &Scheme::HTTP };
        is_ours.then_some(scheme)
    }
}

/// How a browser reaches this server, which says whether a cookie is safe on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// In TLS, here or at a proxy.
    Https,
    /// From this machine.
    Loopback,
    /// In plain text over a network.
    Plain,
}

impl Site {
    /// The origin by which the sender of a request reaches this server; none in plain text over a network.
    pub(crate) fn origin(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let (host, reach) = (host(uri, headers).ok()?, self.reach(uri, headers));
        (reach != Reach::Plain).then_some(())?;
        Some(format!("{}://{host}", self.scheme(&host)?))
    }

    /// How the sender of a request reaches this server.
    pub(crate) fn reach(&self, uri: &Uri, headers: &HeaderMap) -> Reach {
        match host(uri, headers) {
            Ok(host) if self.scheme(&host) == Some(&Scheme::HTTPS) => Reach::Https,
            Ok(host) if is_loopback(host.host()) => Reach::Loopback,
            Ok(_) | Err(_) => Reach::Plain,
        }
    }
}

/// Rejects a foreign request before any handler sees it, and forbids caching and content sniffing of every answer.
pub(super) async fn guard(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let checked = match request.extensions().get::<TwoLengths>() {
        Some(lengths) if lengths.is_found() => Err(Failure::TwoLengths),
        Some(_) | None => check(&state.site, request.method(), request.uri(), request.headers()),
    };
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(failure) => {
            state.metrics.refused_request(Refusal::Foreign);
            let from = request.extensions().get::<Peer>().copied();
            let response = failure.into_response();
            Line::of(&request, from).write_refusal(Refusal::Foreign, None, response.status().as_u16());
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn check(site: &Site, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Failure> {
    let host = host(uri, headers)?;
    let Some(scheme) = site.scheme(&host) else {
        return Err(Failure::Foreign(
            "the request's host is not this server; use its address, or the name in api.public_url",
        ));
    };
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    if headers.contains_key(SEC_FETCH_SITE) {
        // `none`: the person typed the address, or the client is not a browser. Of several lines each one counts.
        let is_own = |site: &HeaderValue| site == "same-origin" || site == "none";
        return if headers.get_all(SEC_FETCH_SITE).iter().all(is_own) {
            Ok(())
        } else {
            Err(Failure::Foreign("a page of another site must not send this request"))
        };
    }
    if headers.get_all(header::ORIGIN).iter().all(|origin| is_same(origin, scheme, &host)) {
        Ok(())
    } else {
        Err(Failure::Foreign("a page of another origin must not send this request"))
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

/// Whether an origin is this server's: the scheme by which it is reached, and the same host and port.
fn is_same(origin: &HeaderValue, scheme: &Scheme, host: &Authority) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    origin.is_some_and(|origin| {
        origin.scheme() == Some(scheme)
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
        checked_of(&Site { public: None, has_tokens: false, has_tls: false }, method, target, headers)
    }

    fn checked_of(
        site: &Site,
        method: Method,
        target: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(), Failure> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect();
        check(site, &method, &target.parse().unwrap(), &headers)
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
    fn with_tokens_the_api_has_its_address_and_its_public_name() {
        let mut config = Config::load(None, &[]).unwrap();
        config.auth.mode = AuthMode::Tokens;
        config.api.public_url = Some("https://Approvals.example:443/".to_owned());
        let site = Site::new(&config);
        let https = ("origin", "https://approvals.example");
        for (host, origin, is_served) in [
            ("approvals.example", https, true),
            ("APPROVALS.example", https, true),
            ("approvals.example", ("origin", "http://approvals.example"), false),
            ("approvals.example:80", https, false),
            ("10.0.0.1:8420", ("origin", "http://10.0.0.1:8420"), true),
            ("10.0.0.1:8420", https, false),
            ("[fd00::1]:8420", ("accept", "*/*"), true),
            ("other.example", ("accept", "*/*"), false),
        ] {
            let checked = checked_of(&site, Method::POST, "/v1/tasks", &[("host", host), origin]);
            assert_eq!(checked.is_ok(), is_served, "{host} {origin:?}: {checked:?}");
        }
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
