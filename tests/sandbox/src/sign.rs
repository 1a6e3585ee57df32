//! Request signatures of the cloud's API, verified from the received bytes.
//!
//! Three schemes are in use: V3 (`ACS3-HMAC-SHA256`, headers), RPC (`HMAC-SHA1`, query) and
//! ROA (`HMAC-SHA1`, headers). [`claim::Claim::read`] recognises the scheme, and says what the
//! request claims and what must have been signed; `account` decides whether it is true.

pub(crate) mod claim;
pub(crate) mod encoding;
mod roa;
mod rpc;
mod v3;

#[cfg(test)]
mod vectors;
