//! The vendor's older request signature, for calls in RPC style: `HMAC-SHA1`, `SignatureVersion` 1.0. Pure.
//!
//! Everything stands in the query, the signature too. Only what is not known to take version 3 is signed with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::alibaba::sign::{canonical_query, encode, padded};
use crate::model::secret::Secret;

/// The query to send: `parameters` in canonical form, and their signature.
///
/// `parameters` are all there are: `Action`, `Version`, `Format`, `Timestamp`, `SignatureNonce`, `SignatureMethod`,
/// `SignatureVersion`, `AccessKeyId`, with temporary keys `SecurityToken`, and those of the call itself.
pub(super) fn signed_query<N: AsRef<str>, V: AsRef<str>>(
    method: &str,
    parameters: &[(N, V)],
    secret: &Secret,
) -> String {
    let query = canonical_query(parameters);
    let signature = signature(secret, &string_to_sign(method, &query));
    format!("{query}&Signature={}", encode(&signature))
}

/// The string to sign: method, path and canonical query, the latter two encoded once more.
fn string_to_sign(method: &str, canonical_query: &str) -> String {
    format!("{method}&%2F&{}", encode(canonical_query))
}

/// HMAC-SHA1 under the secret with a `&` behind it, in base64.
fn signature(secret: &Secret, string_to_sign: &str) -> String {
    let key = Secret::new(format!("{}&", secret.expose()));
    let mut mac = Hmac::<Sha1>::new((&*padded::<Sha1>(key.expose().as_bytes())).into());
    mac.update(string_to_sign.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: [(&str, &str); 8] = [
        ("Action", "GenerateAccessToken"),
        ("Format", "json"),
        ("Version", "2026-04-21"),
        ("Timestamp", "2026-09-30T12:00:00Z"),
        ("SignatureNonce", "3156853299f313e23d1673dc12e1703d"),
        ("ClientId", "4071151845732613353"),
        ("Scope", "/internal/acs/openapi"),
        ("SignatureMethod", "HMAC-SHA1"),
    ];

    fn signature_of(more: &[(&str, &str)], secret: &str) -> String {
        let parameters: Vec<_> = BASE.iter().chain(&[("SignatureVersion", "1.0")]).chain(more).copied().collect();
        let query = signed_query("POST", &parameters, &Secret::new(secret));
        query.split_once("&Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn what_the_official_sdk_signs_is_signed_alike() {
        let plain = [("AccessKeyId", "LTAI5tFakeAccessKeyId001")];
        assert_eq!(signature_of(&plain, "FakeSecretForTestsOnly0123456789"), "3oJZOQx0SRQ7%2F4Mm0KGNPSlSyFM%3D");
        let policy = r#"{"Version":"1","Statement":[{"Effect":"Deny","Action":"ram:*","Resource":"*"}]}"#;
        let temporary = [
            ("Policy", policy),
            ("SecurityToken", "CAISFakeSecurityToken+/=~ForTests"),
            ("AccessKeyId", "STS.FakeStsAccessKeyId0001"),
        ];
        assert_eq!(signature_of(&temporary, "FakeStsSecretForTestsOnly012345678"), "xIvviCfiu89%2BP5CxAa6rYuJefV0%3D");
    }

    #[test]
    fn the_example_of_the_documentation() {
        let query = "AccessKeyId=testid&Action=DescribeRegions&Format=XML&SignatureMethod=HMAC-SHA1&\
                     SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&SignatureVersion=1.0&\
                     Timestamp=2016-02-23T12%3A46%3A24Z&Version=2014-05-26";
        let signed = signature(&Secret::new("testsecret"), &string_to_sign("GET", query));
        assert_eq!(signed, "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
    }
}
