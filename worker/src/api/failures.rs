//! How many failed attempts to authenticate each address made: beyond a limit, unknown tokens are not even looked up.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::server::Peer;

/// The time over which failures are counted.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// The most failures of one address in that time.
const MOST: u32 = 10;
/// The most addresses that are remembered.
const ADDRESSES: usize = 1_024;

/// The failures of each address: when its window began, and how many since.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Failures {
    /// Whether an address has failed too often.
    pub(super) fn are_too_many(&self, from: Option<Peer>) -> bool {
        let Some(address) = from.map(address) else { return false };
        let failures = self.0.lock().expect("no thread panics while it holds the lock");
        failures.get(&address).is_some_and(|(began, count)| began.elapsed() < WINDOW && *count >= MOST)
    }

    /// Counts a failure.
    pub(super) fn count(&self, from: Option<Peer>) {
        let Some(address) = from.map(address) else { return };
        let mut failures = self.0.lock().expect("no thread panics while it holds the lock");
        if failures.len() >= ADDRESSES && !failures.contains_key(&address) {
            failures.retain(|_, (began, _)| began.elapsed() < WINDOW);
            if failures.len() >= ADDRESSES {
                // So many addresses are an attack; a table without end would be another.
                failures.clear();
            }
        }
        let entry = failures.entry(address).or_insert((Instant::now(), 0));
        if entry.0.elapsed() >= WINDOW {
            *entry = (Instant::now(), 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}

/// The address that failures are counted for: of IPv6 the network, since one machine has all of its addresses.
fn address(Peer(peer): Peer) -> IpAddr {
    match peer.ip().to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Option<Peer> {
        Some(Peer(text.parse().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_fails_often_waits_and_others_do_not() {
        let failures = Failures::default();
        let one = from("10.0.0.1:1");
        for _ in 0..MOST {
            assert!(!failures.are_too_many(one));
            failures.count(one);
        }
        assert!(failures.are_too_many(from("10.0.0.1:2")), "another port is the same machine");
        assert!(failures.are_too_many(from("[::ffff:10.0.0.1]:2")));
        assert!(!failures.are_too_many(from("10.0.0.2:1")));
        assert!(!failures.are_too_many(None));
        tokio::time::advance(WINDOW).await;
        assert!(!failures.are_too_many(one));
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_of_ipv6_is_one_address_and_the_table_is_bounded() {
        let failures = Failures::default();
        for number in 0..MOST {
            failures.count(from(&format!("[2001:db8:1:2::{number:x}]:1")));
        }
        assert!(failures.are_too_many(from("[2001:db8:1:2:3:4:5:6]:1")));
        assert!(!failures.are_too_many(from("[2001:db8:1:3::]:1")));
        for number in 0..5_000 {
            failures.count(from(&format!("[2001:db8:{number:x}::]:1")));
        }
        assert!(failures.0.lock().unwrap().len() <= ADDRESSES);
    }
}
