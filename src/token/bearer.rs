//! A bearer token in the form in which it is sent (RFC 6750 §2.1).

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::model::secret::Secret;
use crate::model::time::{Mono, Now, Wall};

/// One published token. Cloning shares the bytes; they are overwritten when the last clone goes.
#[derive(Debug, Clone)]
pub struct Bearer {
    generation: u64,
    authorization: HeaderValue,
    expires: Option<(Wall, Mono)>,
}

/// The token has a character that cannot stand in a header.
#[derive(Debug, thiserror::Error)]
#[error("the access token has characters that cannot stand in an HTTP header")]
pub struct NotAHeaderValue;

impl Bearer {
    /// Makes a bearer of generation `generation`, which grows with every new token.
    ///
    /// `expires` is the end of its life on both clocks; whichever comes first counts.
    ///
    /// # Errors
    /// When the token cannot be sent in a header.
    pub fn new(generation: u64, token: &Secret, expires: Option<(Wall, Mono)>) -> Result<Self, NotAHeaderValue> {
        let line = Zeroizing::new(format!("Bearer {}", token.expose()).into_bytes());
        let mut authorization = HeaderValue::from_maybe_shared(Bytes::from_owner(line)).map_err(|_| NotAHeaderValue)?;
        authorization.set_sensitive(true);
        Ok(Self { generation, authorization, expires })
    }

    /// The number of this token: grows with every new one.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The value of the `Authorization` header; marked sensitive, so that `Debug` hides it.
    pub fn authorization(&self) -> &HeaderValue {
        &self.authorization
    }

    /// True once either clock has reached the end of its life.
    pub fn is_expired(&self, now: Now) -> bool {
        self.expires.is_some_and(|(wall, mono)| now.wall >= wall || now.mono >= mono)
    }
}
