//! RPC `HMAC-SHA1`, `SignatureVersion=1.0`: everything stands in the query.

use crate::clock::parse_iso8601;
use crate::sign::claim::{Malformed, Parts, parameter};
use crate::sign::encoding::{self, Pairs, canonical_query, encode};
use crate::wire::request::Received;

/// Reads the claim of an RPC request. The parameters of a form body are signed as well.
pub(crate) fn read(request: &Received, query: Pairs) -> Result<Parts, Malformed> {
    let mut pairs = query;
    pairs.extend(request.form());
    let signature = parameter(&pairs, "Signature")?.to_owned();
    pairs.retain(|(name, _)| name != b"Signature");
    for name in ["Action", "Version"] {
        parameter(&pairs, name)?;
    }
    if parameter(&pairs, "SignatureMethod")? != "HMAC-SHA1" {
        return Err(Malformed::Incomplete("SignatureMethod".to_owned()));
    }
    if parameter(&pairs, "SignatureVersion")? != "1.0" {
        return Err(Malformed::Incomplete("SignatureVersion".to_owned()));
    }
    let string_to_sign = string_to_sign(&request.head.method, &pairs);
    Ok(Parts {
        access_key_id: parameter(&pairs, "AccessKeyId")?.to_owned(),
        security_token: encoding::text(&pairs, "SecurityToken").map(str::to_owned),
        signed_at: parse_iso8601(parameter(&pairs, "Timestamp")?).ok_or(Malformed::Timestamp)?,
        nonce: parameter(&pairs, "SignatureNonce")?.to_owned(),
        canonical: None,
        string_to_sign,
        signature,
    })
}

/// `METHOD&%2F&` and the encoded canonical query, without `Signature`.
fn string_to_sign(method: &str, pairs: &Pairs) -> String {
    format!("{method}&%2F&{}", encode(canonical_query(pairs).as_bytes()))
}
