//! Encryption of a saved login: XChaCha20-Poly1305 with a key that is kept elsewhere, bound to the file it is for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::model::secret::Secret;

/// The name of the cipher in the file.
const CIPHER: &str = "XChaCha20-Poly1305";
/// Bytes of a key.
const KEY_LENGTH: usize = 32;

/// A key for saved logins.
#[derive(Clone)]
pub struct SealKey {
    bytes: Zeroizing<[u8; KEY_LENGTH]>,
    id: String,
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealKey({})", self.id)
    }
}

/// The text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not a key: a key is 32 bytes in base64, as `mcp-proxy key generate` writes it")]
pub struct NotAKey;

/// A sealed text.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sealed {
    cipher: String,
    /// Which key: tells a wrong key from a damaged file. Not a secret.
    key_id: String,
    nonce: String,
    text: String,
}

/// Why a sealed text cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotOpen {
    /// There is no key.
    #[error(
        "it is encrypted with the key {0}, and no key is given. Give the key as the systemd credential token-key, or name its file in login.key_file"
    )]
    NoKey(String),
    /// There is another key.
    #[error("it is encrypted with the key {wanted}, and the key given is {given}. Give the right key")]
    OtherKey {
        /// The key that is needed.
        wanted: String,
        /// The key that there is.
        given: String,
    },
    /// The cipher is unknown.
    #[error("it is encrypted with {0:?}, which this program does not know")]
    UnknownCipher(String),
    /// The text was changed, or belongs to another file.
    #[error("it was changed, or it is the file of another login")]
    Changed,
}

impl SealKey {
    /// Reads a key from its text.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &Secret) -> Result<Self, NotAKey> {
        let decoded = Zeroizing::new(STANDARD.decode(text.expose().trim()).map_err(|_| NotAKey)?);
        let bytes: [u8; KEY_LENGTH] = decoded.as_slice().try_into().map_err(|_| NotAKey)?;
        Ok(Self::from_bytes(Zeroizing::new(bytes)))
    }

    /// Makes a new key, and its text.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<(Self, Secret), getrandom::Error> {
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        getrandom::fill(&mut *bytes)?;
        let text = Secret::new(STANDARD.encode(*bytes));
        Ok((Self::from_bytes(bytes), text))
    }

    fn from_bytes(bytes: Zeroizing<[u8; KEY_LENGTH]>) -> Self {
        let digest = Sha256::new().chain_update(b"mcp-proxy key id\0").chain_update(*bytes).finalize();
        let id = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self { bytes, id }
    }

    /// A short name of the key, by which people can tell keys apart.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals a text for `context`.
    pub(super) fn seal(&self, text: &[u8], context: &str) -> Result<Sealed, getrandom::Error> {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce)?;
        let payload = Payload { msg: text, aad: context.as_bytes() };
        // Encryption fails for texts of hundreds of gigabytes only.
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        Ok(Sealed {
            cipher: CIPHER.to_owned(),
            key_id: self.id.clone(),
            nonce: STANDARD.encode(nonce),
            text: STANDARD.encode(sealed),
        })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.bytes).into())
    }
}

impl Sealed {
    /// Opens it with `key`, if it was sealed for `context`.
    pub(super) fn open(&self, key: Option<&SealKey>, context: &str) -> Result<Zeroizing<Vec<u8>>, CannotOpen> {
        if self.cipher != CIPHER {
            return Err(CannotOpen::UnknownCipher(self.cipher.clone()));
        }
        let key = key.ok_or_else(|| CannotOpen::NoKey(self.key_id.clone()))?;
        if key.id != self.key_id {
            return Err(CannotOpen::OtherKey { wanted: self.key_id.clone(), given: key.id.clone() });
        }
        let nonce = STANDARD.decode(&self.nonce).ok().and_then(|nonce| <[u8; 24]>::try_from(nonce).ok());
        let (Some(nonce), Ok(text)) = (nonce, STANDARD.decode(&self.text)) else { return Err(CannotOpen::Changed) };
        let payload = Payload { msg: &text, aad: context.as_bytes() };
        key.cipher().decrypt(&XNonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| CannotOpen::Changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_and_context_open_it() {
        let (key, text) = SealKey::generate().unwrap();
        let sealed = key.seal(b"secret", "alibaba").unwrap();
        assert_eq!(*sealed.open(Some(&key), "alibaba").unwrap(), b"secret");
        assert_eq!(*sealed.open(Some(&SealKey::parse(&text).unwrap()), "alibaba").unwrap(), b"secret");
        assert_eq!(sealed.open(Some(&key), "other").unwrap_err(), CannotOpen::Changed);
        assert_eq!(sealed.open(None, "alibaba").unwrap_err(), CannotOpen::NoKey(key.id.clone()));
        let (other, _) = SealKey::generate().unwrap();
        assert!(matches!(sealed.open(Some(&other), "alibaba"), Err(CannotOpen::OtherKey { .. })));
    }

    #[test]
    fn every_change_is_noticed() {
        let (key, _) = SealKey::generate().unwrap();
        let sealed = key.seal(b"secret", "c").unwrap();
        let bytes = STANDARD.decode(&sealed.text).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let changed = Sealed { text: STANDARD.encode(changed), ..key.seal(b"", "c").unwrap() };
            assert!(changed.open(Some(&key), "c").is_err());
        }
    }

    #[test]
    fn texts_that_are_no_keys() {
        for text in ["", "short", "!!!!", &STANDARD.encode([0; 31])] {
            assert_eq!(SealKey::parse(&Secret::new(text)).unwrap_err(), NotAKey);
        }
        let (key, text) = SealKey::generate().unwrap();
        assert!(!format!("{key:?}").contains(text.expose()));
    }
}
