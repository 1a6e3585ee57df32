//! Client keys: what is known of each, and whose a presented one is.
//!
//! A key is 256 random bits, of which only the SHA-256 digest is kept. A slow hash, as passwords need, would add nothing:
//! there is no list of likely keys to try. Digests are compared in constant time, all of them, and which one fits is
//! chosen without a branch.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::model::client::ClientName;
use crate::model::time::Wall;

/// What every key begins with.
pub const PREFIX: &str = "mcpk_";
/// How precisely the last use of a key is noted, in seconds.
pub const PRECISION: i64 = 3600;

/// The SHA-256 digest of a key.
pub type KeyDigest = [u8; 32];

/// What is known of one key.
#[derive(Debug)]
pub struct ClientKey {
    /// The client that it was made for.
    pub client: ClientName,
    /// Its digest.
    pub digest: KeyDigest,
    /// When it was made.
    pub created: Wall,
    /// When it was used last, to the hour, as a Unix time; 0 for never.
    last_used: AtomicI64,
}

/// All keys.
#[derive(Debug, Clone, Default)]
pub struct KeyRing(Vec<Arc<ClientKey>>);

/// The digest of a key.
pub fn digest(key: &str) -> KeyDigest {
    Sha256::digest(key.as_bytes()).into()
}

impl ClientKey {
    /// A key that was made for `client`.
    pub fn new(client: ClientName, digest: KeyDigest, created: Wall, last_used: Option<Wall>) -> Self {
        let last_used = AtomicI64::new(last_used.map_or(0, Wall::unix_seconds));
        Self { client, digest, created, last_used }
    }

    /// What tells it from others when a person speaks of it. It does not help to guess the key.
    pub fn fingerprint(&self) -> String {
        self.digest.iter().take(4).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// When it was used last, to the hour.
    pub fn last_used(&self) -> Option<Wall> {
        Some(self.last_used.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Wall::from_unix_seconds)
    }

    /// Notes that it is used, as precisely as that is kept.
    pub fn used(&self, now: Wall) {
        let now = now.unix_seconds();
        let hour = now - now.rem_euclid(PRECISION);
        if self.last_used.load(Ordering::Relaxed) < hour {
            self.last_used.fetch_max(hour, Ordering::Relaxed);
        }
    }
}

impl KeyRing {
    /// A ring of these keys.
    pub fn new(keys: Vec<Arc<ClientKey>>) -> Self {
        Self(keys)
    }

    /// Its keys.
    pub fn keys(&self) -> &[Arc<ClientKey>] {
        &self.0
    }

    /// The key that was presented, if it is one of these.
    pub fn find(&self, presented: &str) -> Option<&Arc<ClientKey>> {
        let wanted = digest(presented);
        let place = self.place(|digest| digest.ct_eq(&wanted));
        self.0.get(usize::try_from(place).unwrap_or(usize::MAX))
    }

    /// The place of the last key that is equal; beyond the end if none is. Every key is looked at, and the same is done for
    /// one that fits as for one that does not.
    fn place(&self, mut is_equal: impl FnMut(&KeyDigest) -> Choice) -> u64 {
        (0_u64..)
            .zip(&self.0)
            .fold(u64::MAX, |found, (place, key)| u64::conditional_select(&found, &place, is_equal(&key.digest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client: &str, text: &str) -> Arc<ClientKey> {
        let client = ClientName::parse(client).unwrap();
        Arc::new(ClientKey::new(client, digest(text), Wall::from_unix_seconds(1), None))
    }

    #[test]
    fn a_key_is_found_whole_or_not_at_all() {
        let ring = KeyRing::new(vec![key("a", "mcpk_1"), key("b", "mcpk_2"), key("a", "mcpk_3")]);
        for (text, client) in [("mcpk_1", "a"), ("mcpk_2", "b"), ("mcpk_3", "a")] {
            assert_eq!(ring.find(text).unwrap().client.as_str(), client);
        }
        for text in ["", "mcpk_", "mcpk_1 ", "MCPK_1", "mcpk_12"] {
            assert!(ring.find(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn every_key_is_compared_once_wherever_the_right_one_is() {
        let texts: Vec<String> = (0..50).map(|number| format!("mcpk_{number}")).collect();
        let ring = KeyRing::new(texts.iter().map(|text| key("a", text)).collect());
        let stored: Vec<KeyDigest> = ring.keys().iter().map(|key| key.digest).collect();
        for (at, text) in texts.iter().map(Some).chain([None]).enumerate() {
            let wanted = digest(text.map_or("mcpk_none", String::as_str));
            let mut compared = Vec::new();
            let place = ring.place(|digest| {
                compared.push(*digest);
                digest.ct_eq(&wanted)
            });
            assert_eq!(compared, stored, "all of them, in their order");
            assert_eq!(place, if text.is_some() { at as u64 } else { u64::MAX });
            assert_eq!(ring.find(text.map_or("mcpk_none", String::as_str)).map(|key| key.digest), text.map(|_| wanted));
        }
    }

    #[test]
    fn the_last_use_is_known_to_the_hour_and_does_not_go_back() {
        let key = key("a", "mcpk_1");
        assert_eq!(key.last_used(), None);
        key.used(Wall::from_unix_seconds(7205));
        key.used(Wall::from_unix_seconds(3605));
        assert_eq!(key.last_used(), Some(Wall::from_unix_seconds(7200)));
        assert_eq!(key.fingerprint().len(), 8);
    }
}
