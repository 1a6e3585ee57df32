//! `ACS3-HMAC-SHA256`: the signature stands in the `Authorization` header.

use crate::clock::parse_iso8601;
use crate::sign::claim::{Malformed, Parts, header};
use crate::sign::encoding::{Pairs, canonical_query, hex, sha256};
use crate::wire::request::Received;

/// Reads the claim of a V3 request.
pub(crate) fn read(request: &Received, query: &Pairs, authorization: &str) -> Result<Parts, Malformed> {
    let (access_key_id, signed_headers, signature) = split(authorization)?;
    for name in ["x-acs-action", "x-acs-version"] {
        header(request, name)?;
    }
    let payload = header(request, "x-acs-content-sha256")?;
    if payload != hex(&sha256(&request.body)) {
        return Err(Malformed::PayloadHash);
    }
    let names = check_signed_names(request, signed_headers)?;
    let canonical = canonical_request(request, query, &names, signed_headers, payload)?;
    let string_to_sign = format!("ACS3-HMAC-SHA256\n{}", hex(&sha256(canonical.as_bytes())));
    let security_token = request.head.text("x-acs-security-token").map(str::to_owned);
    if let Some(named) = request.head.text("x-acs-accesskey-id")
        && named != access_key_id
    {
        return Err(Malformed::Incomplete("x-acs-accesskey-id".to_owned()));
    }
    Ok(Parts {
        access_key_id: access_key_id.to_owned(),
        security_token,
        signed_at: parse_iso8601(header(request, "x-acs-date")?).ok_or(Malformed::Timestamp)?,
        nonce: header(request, "x-acs-signature-nonce")?.to_owned(),
        canonical: Some(canonical),
        string_to_sign,
        signature: signature.to_owned(),
    })
}

/// `Credential=`, `SignedHeaders=` and `Signature=`, in this order, with bare commas.
fn split(authorization: &str) -> Result<(&str, &str, &str), Malformed> {
    let incomplete = || Malformed::Incomplete("Authorization".to_owned());
    let list = authorization.strip_prefix("ACS3-HMAC-SHA256 ").ok_or_else(incomplete)?;
    let mut parts = list.split(',');
    let mut next =
        |prefix: &str| parts.next().and_then(|part| part.strip_prefix(prefix)).filter(|value| !value.is_empty());
    let found = (next("Credential="), next("SignedHeaders="), next("Signature="));
    match found {
        (Some(id), Some(headers), Some(signature)) if parts.next().is_none() => Ok((id, headers, signature)),
        _ => Err(incomplete()),
    }
}

/// The list must be lower-case and sorted, hold `host`, and leave out no `x-acs-` header that
/// is present: what is not signed could have been added on the way.
fn check_signed_names<'a>(request: &Received, list: &'a str) -> Result<Vec<&'a str>, Malformed> {
    let names: Vec<&str> = list.split(';').collect();
    let sorted = names.windows(2).all(|pair| pair[0] < pair[1]);
    if !sorted || list.bytes().any(|byte| byte.is_ascii_uppercase()) || !names.contains(&"host") {
        return Err(Malformed::Incomplete("SignedHeaders".to_owned()));
    }
    for (name, _) in &request.head.headers {
        let name = name.to_ascii_lowercase();
        if name.starts_with("x-acs-") && !names.contains(&name.as_str()) {
            return Err(Malformed::Incomplete(format!("unsigned header {name}")));
        }
    }
    Ok(names)
}

/// The canonical request: method, path, query, signed headers, their names, payload hash.
fn canonical_request(
    request: &Received,
    query: &Pairs,
    names: &[&str],
    signed_headers: &str,
    payload: &str,
) -> Result<String, Malformed> {
    let mut headers = String::new();
    for name in names {
        let mut values: Vec<&[u8]> = request.head.all(name).collect();
        if values.is_empty() {
            return Err(Malformed::Incomplete((*name).to_owned()));
        }
        values.sort_unstable();
        let joined = values.join(&b","[..]);
        let text = String::from_utf8(joined).map_err(|_| Malformed::Incomplete((*name).to_owned()))?;
        headers.push_str(&format!("{name}:{text}\n"));
    }
    Ok([request.head.method.as_str(), request.head.path(), &canonical_query(query), &headers, signed_headers, payload]
        .join("\n"))
}
