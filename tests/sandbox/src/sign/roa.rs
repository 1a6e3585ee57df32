//! ROA `HMAC-SHA1`: `Authorization: acs <key id>:<signature>`.

use crate::clock::parse_http_date;
use crate::sign::claim::{Malformed, Parts, header};
use crate::sign::encoding::Pairs;
use crate::wire::request::Received;

/// Reads the claim of a ROA request.
pub(crate) fn read(request: &Received, query: &Pairs, authorization: &str) -> Result<Parts, Malformed> {
    let (access_key_id, signature) = authorization
        .strip_prefix("acs ")
        .and_then(|pair| pair.split_once(':'))
        .ok_or_else(|| Malformed::Incomplete("Authorization".to_owned()))?;
    if header(request, "x-acs-signature-method")? != "HMAC-SHA1" {
        return Err(Malformed::Incomplete("x-acs-signature-method".to_owned()));
    }
    if header(request, "x-acs-signature-version")? != "1.0" {
        return Err(Malformed::Incomplete("x-acs-signature-version".to_owned()));
    }
    Ok(Parts {
        access_key_id: access_key_id.to_owned(),
        security_token: request.head.text("x-acs-security-token").map(str::to_owned),
        signed_at: parse_http_date(header(request, "date")?).ok_or(Malformed::Timestamp)?,
        nonce: header(request, "x-acs-signature-nonce")?.to_owned(),
        canonical: None,
        string_to_sign: string_to_sign(request, query)?,
        signature: signature.to_owned(),
    })
}

fn string_to_sign(request: &Received, query: &Pairs) -> Result<String, Malformed> {
    let mut lines = vec![request.head.method.clone()];
    for name in ["accept", "content-md5", "content-type", "date"] {
        lines.push(request.head.text(name).unwrap_or_default().to_owned());
    }
    let mut own: Vec<String> = request
        .head
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| name.starts_with("x-acs-"))
        .map(|(name, value)| format!("{name}:{}", String::from_utf8_lossy(value)))
        .collect();
    own.sort_unstable();
    lines.extend(own);
    lines.push(format!("{}{}", request.head.path(), resource_query(query)?));
    Ok(lines.join("\n"))
}

/// The query in the resource is not encoded, and an empty value is a bare name.
fn resource_query(query: &Pairs) -> Result<String, Malformed> {
    if query.is_empty() {
        return Ok(String::new());
    }
    let mut sorted: Vec<_> = query.iter().collect();
    sorted.sort();
    let mut parts = Vec::new();
    for (name, value) in sorted {
        let mut part = name.clone();
        if !value.is_empty() {
            part.push(b'=');
            part.extend_from_slice(value);
        }
        let text = String::from_utf8(part).map_err(|_| Malformed::Incomplete("query".to_owned()))?;
        parts.push(text);
    }
    Ok(format!("?{}", parts.join("&")))
}
