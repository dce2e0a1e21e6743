//! Tokens that were valid a moment ago, so that not every request reads the table.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::control::tokens::{StoredToken, TokenHash};

/// How long a token is believed without a look: a revocation takes effect within this time.
const FRESH: Duration = Duration::from_secs(10);
/// The most tokens that are remembered.
const MOST: usize = 1_024;

/// The tokens of this process's callers.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<TokenHash, (Instant, Arc<StoredToken>)>>);

impl Known {
    /// A token that was read from the table just now.
    pub(super) fn fresh(&self, hash: &TokenHash) -> Option<Arc<StoredToken>> {
        let known = self.lock();
        let (read, token) = known.get(hash)?;
        (read.elapsed() < FRESH).then(|| Arc::clone(token))
    }

    /// Whether it was valid at the last look.
    pub(super) fn contains(&self, hash: &TokenHash) -> bool {
        self.lock().contains_key(hash)
    }

    /// Keeps what the table said; nothing about a token that is not valid.
    pub(super) fn learn(&self, hash: &TokenHash, token: Option<Arc<StoredToken>>) {
        let mut known = self.lock();
        match token {
            Some(token) => {
                if known.len() >= MOST {
                    known.retain(|_, (read, _)| read.elapsed() < FRESH);
                }
                known.insert(hash.clone(), (Instant::now(), token));
            }
            None => drop(known.remove(hash)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, (Instant, Arc<StoredToken>)>> {
        self.0.lock().expect("no thread panics while it holds the lock")
    }
}
