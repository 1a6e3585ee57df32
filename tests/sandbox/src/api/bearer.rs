//! A bearer in the place of a signature: a header, and a word that says so, in another place for each style of API.
//!
//! Which services of the cloud take one is not documented; here all do that take a signature.

use crate::api::error::ApiError;
use crate::cloud::Cloud;
use crate::cloud::accounts::{Caller, KEY};
use crate::sign::encoding::{Pairs, text};
use crate::wire::request::Received;

/// The bearer of a request, if it proves itself by one.
pub(crate) fn read<'r>(request: &'r Received, parameters: &Pairs) -> Result<Option<&'r str>, ApiError> {
    let head = &request.head;
    let Some(token) = head.text("x-acs-bearer-token") else { return Ok(None) };
    let style = if head.path() == "/" { text(parameters, "SignatureType") } else { head.text("x-acs-signature-type") };
    let incomplete = |what: &str| {
        let text = format!("The request signature does not conform to Aliyun standards: {what}.");
        ApiError::new(400, "IncompleteSignature", text)
    };
    if style != Some("BEARERTOKEN") {
        return Err(incomplete("the signature type is not BEARERTOKEN"));
    }
    if head.text("authorization").is_some() || text(parameters, "Signature").is_some() {
        return Err(incomplete("a signature beside a bearer"));
    }
    for needed in ["x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"] {
        if head.text(needed).is_none() {
            return Err(incomplete(needed));
        }
    }
    Ok(Some(token))
}

/// Whom the bearer stands for: the holder of the default account's key.
pub(crate) fn caller(cloud: &Cloud, token: &str) -> Result<Caller, ApiError> {
    let ends = cloud.state.proofs.lock().bearers.get(token).copied();
    match ends {
        None => Err(ApiError::new(403, "InvalidBearerToken.NotFound", "Specified bearer token is not found.")),
        Some(ends) if ends <= cloud.now() => {
            Err(ApiError::new(403, "InvalidBearerToken.Expired", "Specified bearer token is expired."))
        }
        Some(_) => {
            let key = cloud.state.accounts.lock().get(KEY).cloned();
            key.map(|key| Caller { key })
                .ok_or_else(|| ApiError::new(500, "InternalError", "There is no such account."))
        }
    }
}
