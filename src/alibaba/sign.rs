//! The vendor's request signature, version 3: `ACS3-HMAC-SHA256`. Pure: date and nonce come with the headers.
//!
//! The steps are separate functions because each has its own name in the vendor's documentation ("V3 request
//! structure and signature"), and because the server quotes the intermediate texts when a signature does not match.

use std::borrow::Cow;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;
use zeroize::Zeroizing;

use crate::model::secret::Secret;
use crate::model::time::Wall;

/// The name of the scheme: first word of the string to sign and of the `Authorization` header.
pub const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// RFC 3986: everything but the unreserved characters is encoded, so a space is `%20` and `*` is `%2A`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Size of a block of SHA-256, and of SHA-1, in bytes.
const BLOCK: usize = 64;

/// What a signature covers, spelled as the server spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// The canonical request.
    pub request: String,
    /// Names of the signed headers: lower case, sorted, joined with `;`.
    pub signed_headers: String,
}

/// The query in canonical form, which is also good to send: sorted by raw name, names and values encoded.
pub fn canonical_query<N: AsRef<str>, V: AsRef<str>>(parameters: &[(N, V)]) -> String {
    let mut sorted: Vec<(&str, &str)> = parameters.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
    sorted.sort_unstable();
    let mut query = String::new();
    for (name, value) in sorted {
        if !query.is_empty() {
            query.push('&');
        }
        let _ = write!(query, "{}={}", encode(name), encode(value));
    }
    query
}

/// The canonical request.
///
/// `path` is the path as sent, beginning with `/`; `query` comes from [`canonical_query`]; `headers` are the
/// ones to sign, each name once. The documentation asks for `host`, `content-type` and every `x-acs-` header
/// that is present.
pub fn canonical_request(
    method: &str,
    path: &str,
    query: &str,
    headers: &[(&str, &str)],
    hashed_payload: &str,
) -> Canonical {
    let mut headers: Vec<(Cow<'_, str>, &str)> =
        headers.iter().map(|(name, value)| (lower_case(name), value.trim())).collect();
    headers.sort_unstable();
    let signed_headers = headers.iter().map(|(name, _)| name.as_ref()).collect::<Vec<_>>().join(";");
    let mut request = format!("{method}\n{path}\n{query}\n");
    for (name, value) in &headers {
        let _ = writeln!(request, "{name}:{value}");
    }
    let _ = write!(request, "\n{signed_headers}\n{hashed_payload}");
    Canonical { request, signed_headers }
}

/// The string to sign: the scheme and the hash of the canonical request.
pub fn string_to_sign(canonical: &Canonical) -> String {
    format!("{ALGORITHM}\n{}", hash(canonical.request.as_bytes()))
}

/// The signature: HMAC-SHA256 under the bare secret, in lower-case hexadecimal.
pub fn signature(secret: &Secret, string_to_sign: &str) -> String {
    let mut mac = keyed(secret.expose().as_bytes());
    mac.update(string_to_sign.as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// The value of the `Authorization` header.
pub fn authorization(access_key_id: &str, secret: &Secret, canonical: &Canonical) -> String {
    let signature = signature(secret, &string_to_sign(canonical));
    let signed_headers = &canonical.signed_headers;
    format!("{ALGORITHM} Credential={access_key_id},SignedHeaders={signed_headers},Signature={signature}")
}

/// SHA-256 in lower-case hexadecimal: the form of `x-acs-content-sha256`.
pub fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A point in time in the form of `x-acs-date`: UTC, `2026-09-30T12:00:00Z`.
pub fn timestamp(at: Wall) -> String {
    // A clock outside the calendar is as wrong as any; the server will say so and send its own date.
    let date = OffsetDateTime::from_unix_timestamp(at.unix_seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second()
    )
}

/// A point in time as HTTP writes it (RFC 9110 §5.6.7): `Wed, 30 Sep 2026 12:00:00 GMT`.
pub fn http_date(at: Wall) -> String {
    let form =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let date = OffsetDateTime::from_unix_timestamp(at.unix_seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    // The form names nothing that a date lacks.
    date.format(form).unwrap_or_default()
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn encode(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, RESERVED)
}

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// The padding of RFC 2104 by hand: a key of one whole block cannot be refused, where a slice formally can.
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new((&*padded::<Sha256>(key)).into())
}

/// A key as one block of a hash whose blocks have 64 bytes: SHA-1 and SHA-256.
pub(super) fn padded<H: Digest>(key: &[u8]) -> Zeroizing<[u8; BLOCK]> {
    let mut block = Zeroizing::new([0_u8; BLOCK]);
    if key.len() > BLOCK {
        let digest = H::digest(key);
        block[..digest.len()].copy_from_slice(&digest);
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    block
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::alibaba::testing::{OfficialRequest, official_requests};

    #[derive(serde::Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(serde::Deserialize)]
    struct Vector {
        name: String,
        method: String,
        path: String,
        query: BTreeMap<String, String>,
        headers: BTreeMap<String, String>,
        body: String,
        key_id: String,
        secret: String,
        string_to_sign: String,
        authorization: String,
    }

    #[test]
    fn every_vector_of_the_official_signers_is_reproduced() {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testdata/alibaba/v3_vectors.json"));
        let vectors: Vectors = serde_json::from_str(text).unwrap();
        assert_eq!(vectors.vectors.len(), 31);
        for vector in vectors.vectors {
            let query = canonical_query(&vector.query.iter().rev().collect::<Vec<_>>());
            // Backwards and in capitals: neither order nor case of the input may matter.
            let names: Vec<String> = vector.headers.keys().rev().map(|name| name.to_ascii_uppercase()).collect();
            let headers: Vec<(&str, &str)> =
                names.iter().zip(vector.headers.values().rev()).map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let payload = hash(vector.body.as_bytes());
            let canonical = canonical_request(&vector.method, &vector.path, &query, &headers, &payload);
            assert_eq!(string_to_sign(&canonical), vector.string_to_sign, "{}\n{}", vector.name, canonical.request);
            let secret = Secret::new(vector.secret);
            assert_eq!(authorization(&vector.key_id, &secret, &canonical), vector.authorization, "{}", vector.name);
        }
    }

    #[test]
    fn the_signatures_of_real_requests_are_reproduced() {
        for OfficialRequest { name, method, target, headers, authorization: theirs, key_id, secret } in
            official_requests()
        {
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let signed: Vec<(&str, &str)> =
                headers.iter().filter(|(n, _)| *n != "accept").map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let canonical = canonical_request(&method, path, query, &signed, &hash(b""));
            assert_eq!(authorization(&key_id, &Secret::new(secret), &canonical), theirs, "{name}");
        }
    }

    #[test]
    fn the_key_is_padded_and_hashed_as_the_standard_says() {
        // RFC 4231, cases 2 (short key) and 6 (key longer than a block).
        let mac = |key: &[u8], data: &[u8]| {
            let mut mac = keyed(key);
            mac.update(data);
            hex(&mac.finalize().into_bytes())
        };
        assert_eq!(
            mac(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            mac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn dates_are_utc_to_the_second() {
        assert_eq!(timestamp(Wall::from_unix_millis(1_790_769_600_999)), "2026-09-30T12:00:00Z");
        assert_eq!(timestamp(Wall::from_unix_seconds(0)), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(Wall::from_unix_millis(i64::MAX)), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn queries_are_sorted_by_raw_name_and_encoded_once() {
        for (parameters, query) in [
            (vec![], ""),
            (vec![("b", ""), ("a", "1")], "a=1&b="),
            (vec![("Id.2", "x"), ("Id.10", "y"), ("id.1", "z")], "Id.10=y&Id.2=x&id.1=z"),
            (vec![("k", "a b*~+/%é")], "k=a%20b%2A~%2B%2F%25%C3%A9"),
        ] {
            assert_eq!(canonical_query(&parameters), query);
        }
    }
}
