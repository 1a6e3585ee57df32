//! All signature vectors of the official SDKs, and all signed requests captured from official
//! clients, put through the code that judges live requests.

use serde::Deserialize;
use std::collections::BTreeMap;

use crate::sign::claim::{Claim, Scheme};
use crate::sign::encoding;
use crate::wire::request::Received;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
    published: Vec<Published>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    algorithm: String,
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: String,
    id: String,
    secret: String,
    #[serde(default)]
    profiles: Vec<Profile>,
    string: Option<String>,
    signature: Option<String>,
    authorization: Option<String>,
}

#[derive(Deserialize)]
struct Profile {
    canonical: String,
    string: String,
    signature: String,
    authorization: String,
}

#[derive(Deserialize)]
struct Published {
    method: String,
    path: Option<String>,
    #[serde(default)]
    params: BTreeMap<String, String>,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    access_key_id: Option<String>,
    access_key_secret: String,
    hashed_canonical_request: Option<String>,
    signature: String,
}

#[derive(Deserialize)]
struct Captures {
    secrets: BTreeMap<String, String>,
    captures: Vec<Capture>,
}

#[derive(Deserialize)]
struct Capture {
    name: String,
    request: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../testdata/vectors.json")).unwrap()
}

/// The bytes a client would send, read back as the server reads them.
fn received(
    method: &str,
    path: &str,
    query: &BTreeMap<String, String>,
    headers: &[(&str, &str)],
    body: &str,
) -> Received {
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{}={}", encoding::encode(name.as_bytes()), encoding::encode(value.as_bytes())))
        .collect();
    let mut bytes = format!("{method} {path}?{} HTTP/1.1\r\n", query.join("&"));
    for (name, value) in headers {
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    bytes.push_str("\r\n");
    bytes.push_str(body);
    Received::parse(bytes.as_bytes()).unwrap()
}

fn list(headers: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn every_v3_vector_is_reproduced() {
    let mut count = 0;
    for vector in vectors().vectors.iter().filter(|vector| vector.algorithm == "ACS3-HMAC-SHA256") {
        for profile in &vector.profiles {
            let mut headers = list(&vector.headers);
            headers.push(("Authorization", &profile.authorization));
            let request = received(&vector.method, &vector.path, &vector.query, &headers, &vector.body);
            let claim = Claim::read(&request).unwrap_or_else(|why| panic!("{}: {why:?}", vector.name));
            assert_eq!(claim.canonical.as_ref(), Some(&profile.canonical), "{}", vector.name);
            assert_eq!(claim.string_to_sign, profile.string, "{}", vector.name);
            assert_eq!(claim.scheme.sign(&vector.secret, &claim.string_to_sign), profile.signature);
            assert_eq!(claim.access_key_id, vector.id);
            assert!(claim.is_signed_with(&vector.secret), "{}", vector.name);
            assert!(!claim.is_signed_with("another secret"), "{}", vector.name);
            count += 1;
        }
    }
    assert_eq!(count, 30);
}

#[test]
fn every_rpc_and_roa_vector_is_reproduced() {
    let mut count = 0;
    for vector in vectors().vectors.iter().filter(|vector| vector.algorithm != "ACS3-HMAC-SHA256") {
        let mut query = vector.query.clone();
        let mut headers = list(&vector.headers);
        match &vector.authorization {
            Some(authorization) => headers.push(("Authorization", authorization)),
            None => {
                query.insert("Signature".to_owned(), vector.signature.clone().unwrap());
            }
        }
        let request = received(&vector.method, &vector.path, &query, &headers, &vector.body);
        let claim = Claim::read(&request).unwrap_or_else(|why| panic!("{}: {why:?}", vector.name));
        assert_eq!(Some(&claim.string_to_sign), vector.string.as_ref(), "{}", vector.name);
        assert!(claim.is_signed_with(&vector.secret), "{}", vector.name);
        assert!(!claim.is_signed_with("another secret"), "{}", vector.name);
        count += 1;
    }
    assert_eq!(count, 14);
}

#[test]
fn the_published_examples_are_reproduced() {
    let published = vectors().published;
    assert_eq!(published.len(), 2);
    for vector in published {
        if vector.params.is_empty() {
            let names: Vec<&str> = vector.headers.keys().map(String::as_str).collect();
            let authorization = format!(
                "ACS3-HMAC-SHA256 Credential={},SignedHeaders={},Signature={}",
                vector.access_key_id.as_deref().unwrap(),
                names.join(";"),
                vector.signature
            );
            let mut headers = list(&vector.headers);
            headers.push(("Authorization", &authorization));
            let path = vector.path.as_deref().unwrap();
            let request = received(&vector.method, path, &vector.query, &headers, "");
            let claim = Claim::read(&request).unwrap();
            assert!(claim.string_to_sign.ends_with(vector.hashed_canonical_request.as_deref().unwrap()));
            assert!(claim.is_signed_with(&vector.access_key_secret));
        } else {
            let mut query = vector.params.clone();
            query.insert("Signature".to_owned(), vector.signature.clone());
            let request = received(&vector.method, "/", &query, &[], "");
            let claim = Claim::read(&request).unwrap();
            assert_eq!(claim.scheme, Scheme::Rpc);
            assert!(claim.is_signed_with(&vector.access_key_secret));
        }
    }
}

#[test]
fn every_signed_capture_verifies() {
    let data: Captures = serde_json::from_str(include_str!("../../testdata/captures.json")).unwrap();
    assert_eq!(data.captures.len(), 59);
    for capture in &data.captures {
        let request = Received::parse(capture.request.as_bytes()).unwrap();
        let claim = Claim::read(&request).unwrap_or_else(|why| panic!("{}: {why:?}", capture.name));
        let secret = &data.secrets[&claim.access_key_id];
        assert!(claim.is_signed_with(secret), "{}", capture.name);
        assert!(!claim.is_signed_with("another secret"), "{}", capture.name);
    }
}
