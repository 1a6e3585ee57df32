//! What a request claims about its sender, whichever scheme it uses.

use crate::sign::encoding::{self, Pairs};
use crate::sign::{roa, rpc, v3};
use crate::wire::request::Received;

/// A claim that a holder of an access key made the request.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) access_key_id: String,
    pub(crate) security_token: Option<String>,
    /// Seconds since 1970.
    pub(crate) signed_at: i64,
    pub(crate) nonce: String,
    pub(crate) scheme: Scheme,
    pub(crate) string_to_sign: String,
    /// What V3 hashes into the string to sign: refusals quote it.
    pub(crate) canonical: Option<String>,
    signature: String,
}

/// How a signature is computed from the string to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `ACS3-HMAC-SHA256`: hexadecimal, bare secret.
    V3,
    /// `HMAC-SHA1` in the query: base64, secret followed by `&`.
    Rpc,
    /// `HMAC-SHA1` in `Authorization: acs`: base64, bare secret.
    Roa,
}

/// Why a request does not even make a usable claim.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// No credential at all.
    Unsigned,
    /// A part is missing or contradicts another; the text says which.
    Incomplete(String),
    /// The date is not in the form of its scheme.
    Timestamp,
    /// The payload hash is not that of the body.
    PayloadHash,
}

/// The parts a scheme reads out of a request.
pub(crate) struct Parts {
    pub(crate) access_key_id: String,
    pub(crate) security_token: Option<String>,
    pub(crate) signed_at: i64,
    pub(crate) nonce: String,
    pub(crate) canonical: Option<String>,
    pub(crate) string_to_sign: String,
    pub(crate) signature: String,
}

impl Claim {
    /// Recognises the scheme and reads the claim.
    pub(crate) fn read(request: &Received) -> Result<Self, Malformed> {
        let query = encoding::decode_pairs(request.head.query().as_bytes());
        let mut authorizations = request.head.all("authorization");
        let first = authorizations.next();
        if authorizations.next().is_some() {
            return Err(Malformed::Incomplete("more than one Authorization header".to_owned()));
        }
        let authorization = match first.map(std::str::from_utf8) {
            Some(Ok(text)) => Some(text),
            Some(Err(_)) => return Err(Malformed::Incomplete("Authorization".to_owned())),
            None => None,
        };
        let (scheme, parts) = match authorization {
            Some(text) if text.starts_with("ACS3-HMAC-SHA256 ") => (Scheme::V3, v3::read(request, &query, text)?),
            Some(text) if text.starts_with("acs ") => (Scheme::Roa, roa::read(request, &query, text)?),
            Some(_) => return Err(Malformed::Incomplete("unknown signature scheme".to_owned())),
            None if encoding::text(&query, "Signature").is_some() => (Scheme::Rpc, rpc::read(request, query)?),
            None => return Err(Malformed::Unsigned),
        };
        Ok(Self {
            access_key_id: parts.access_key_id,
            security_token: parts.security_token,
            signed_at: parts.signed_at,
            nonce: parts.nonce,
            scheme,
            string_to_sign: parts.string_to_sign,
            canonical: parts.canonical,
            signature: parts.signature,
        })
    }

    /// Whether this secret makes the signature that the request carries.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        self.scheme.sign(secret, &self.string_to_sign) == self.signature
    }
}

impl Scheme {
    /// The signature of a string to sign.
    pub(crate) fn sign(self, secret: &str, string_to_sign: &str) -> String {
        let message = string_to_sign.as_bytes();
        match self {
            Self::V3 => encoding::hex(&encoding::hmac_sha256(secret.as_bytes(), message)),
            Self::Rpc => base64(&encoding::hmac_sha1(format!("{secret}&").as_bytes(), message)),
            Self::Roa => base64(&encoding::hmac_sha1(secret.as_bytes(), message)),
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A required header as text.
pub(crate) fn header<'a>(request: &'a Received, name: &str) -> Result<&'a str, Malformed> {
    request.head.text(name).ok_or_else(|| Malformed::Incomplete(name.to_owned()))
}

/// A required parameter as text.
pub(crate) fn parameter<'a>(pairs: &'a Pairs, name: &str) -> Result<&'a str, Malformed> {
    encoding::text(pairs, name).ok_or_else(|| Malformed::Incomplete(name.to_owned()))
}
