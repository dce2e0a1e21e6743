//! Requests with two lengths, `Content-Length` and `Transfer-Encoding`, are refused: a proxy in front may believe the other
//! one, and see the next request at another place (RFC 9112, section 6.3).
//!
//! The server believes the chunks and removes the other line before a handler could see it. So what a connection receives is
//! read here too, head by head, with the same parser. A connection ends after its first request with chunks, so that only
//! `Content-Length` says where the next head begins.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::header;
use httparse::{EMPTY_HEADER, Header, Request, Status};

/// The longest head of a request: line and headers.
pub(super) const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The most headers of a request, as for the server.
const MAX_HEADERS: usize = 100;

/// Whether a request of this connection had two lengths. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct TwoLengths(Arc<AtomicBool>);

/// Follows what a connection receives.
#[derive(Debug, Default)]
pub(super) struct Heads {
    place: Place,
    found: TwoLengths,
}

/// Where in the requests of a connection the next byte is.
#[derive(Debug)]
enum Place {
    /// In a head that begins so.
    Head(Vec<u8>),
    /// In a body of which so much is still to come.
    Body(u64),
    /// After the last request that the connection can have.
    Over,
}

impl Default for Place {
    fn default() -> Place {
        Place::Head(Vec::new())
    }
}

impl TwoLengths {
    /// Whether there was one.
    pub(super) fn is_found(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Heads {
    /// What is found, now and later.
    pub(super) fn found(&self) -> TwoLengths {
        self.found.clone()
    }

    /// Reads on. It is called before the server sees the same bytes.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match mem::replace(&mut self.place, Place::Over) {
                Place::Body(left) => {
                    let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    bytes = &bytes[here..];
                    self.place = body(left - here as u64);
                }
                Place::Head(mut head) => {
                    let before = head.len();
                    head.extend_from_slice(bytes);
                    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
                    let mut request = Request::new(&mut headers);
                    match request.parse(&head) {
                        Ok(Status::Complete(end)) => {
                            bytes = &bytes[end.saturating_sub(before)..];
                            self.place = self.after(request.headers);
                        }
                        Ok(Status::Partial) => {
                            if head.len() <= MAX_HEAD_BYTES {
                                self.place = Place::Head(head);
                            }
                            return;
                        }
                        // The server refuses it as well.
                        Err(_) => return,
                    }
                }
                Place::Over => return,
            }
        }
    }

    /// What follows a head.
    fn after(&self, headers: &[Header<'_>]) -> Place {
        let of = |name: header::HeaderName| {
            headers.iter().find(|header| header.name.eq_ignore_ascii_case(name.as_str()))
        };
        match (of(header::CONTENT_LENGTH), of(header::TRANSFER_ENCODING)) {
            (Some(_), Some(_)) => {
                self.found.0.store(true, Ordering::Relaxed);
                Place::Over
            }
            (None, Some(_)) => Place::Over,
            (Some(length), None) => {
                let length = str::from_utf8(length.value).ok().and_then(|text| text.parse().ok());
                // The server refuses other lengths.
                length.map_or(Place::Over, body)
            }
            (None, None) => body(0),
        }
    }
}

fn body(left: u64) -> Place {
    if left == 0 { Place::default() } else { Place::Body(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "POST / HTTP/1.1\r\ncontent-LENGTH: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

    /// Whether two lengths are found, if the bytes come in pieces of this size.
    fn found(requests: &str, piece: usize) -> bool {
        let mut heads = Heads::default();
        for bytes in requests.as_bytes().chunks(piece) {
            heads.read(bytes);
        }
        heads.found().is_found()
    }

    #[test]
    fn two_lengths_are_found_wherever_they_come() {
        let turned = "POST / HTTP/1.1\r\nTransfer-Encoding: x\r\nA: b\r\nContent-Length: 4\r\n\r\n";
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let post = "POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\nGET / HTTP/";
        let line_feeds = "\r\n\nGET / HTTP/1.1\nHost: a\n\n";
        for piece in [1, 2, 7, 1_000] {
            for before in ["", get, post, line_feeds, &[post, get, post].concat()] {
                assert!(found(&format!("{before}{BOTH}"), piece), "{before:?} {piece}");
                assert!(found(&format!("{before}{turned}"), piece), "{before:?} {piece}");
                assert!(!found(before, piece), "{before:?} {piece}");
            }
        }
    }

    #[test]
    fn what_only_looks_like_two_lengths_is_none() {
        let inside = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BOTH}", BOTH.len());
        let chunks = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let broken = format!("no request at all\r\n\r\n{BOTH}");
        let endless = format!("GET / HTTP/1.1\r\nA: {}\r\n", "b".repeat(MAX_HEAD_BYTES));
        for requests in [inside.as_str(), chunks, &broken, &endless] {
            for piece in [1, 3, 1_000] {
                assert!(!found(requests, piece), "{requests} {piece}");
            }
        }
    }
}
