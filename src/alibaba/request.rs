//! One call as an HTTP request: signed with the access key, or with the bearer that stands in for one.

use bytes::Bytes;
use http::{HeaderValue, Method, Request};

use crate::alibaba::call::{Call, CallError, Scheme};
use crate::alibaba::credentials::ApiCredentials;
use crate::alibaba::{sign, sign_rpc};
use crate::model::time::Wall;

/// Says that a bearer stands in the place of a signature.
const BEARER: &str = "BEARERTOKEN";

/// The request for `call` at `host`, as `credentials` make it at the cloud's time `at`.
///
/// # Errors
/// When the system has no random bytes, or a header cannot hold its value.
pub(crate) fn build(
    call: &Call<'_>,
    host: &str,
    credentials: &ApiCredentials,
    at: Wall,
) -> Result<Request<Bytes>, CallError> {
    let unsendable = |reason: String| CallError::Unsendable { action: call.action, reason };
    let nonce = sign::hex(&random::<16>(call.action)?);
    let (date, payload) = (sign::timestamp(at), sign::hash(b""));
    let mut headers = vec![("host", host), ("x-acs-action", call.action), ("x-acs-version", call.version)];
    let (authorization, http_date);
    let query = match (call.scheme, &credentials.bearer) {
        (Scheme::None, _) => {
            http_date = sign::http_date(at);
            headers.push(("date", &http_date));
            headers.push(("x-acs-signature-nonce", &nonce));
            headers.push(("x-acs-signature-method", "HMAC-SHA1"));
            headers.push(("x-acs-signature-version", "1.0"));
            headers.push(("content-type", "application/json; charset=utf-8"));
            sign::canonical_query(&call.query)
        }
        // Where the query would be signed too: a token has no business in an address, which logs keep.
        (Scheme::V3 | Scheme::Rpc, Some(bearer)) => {
            headers.push(("x-acs-date", &date));
            headers.push(("x-acs-signature-nonce", &nonce));
            headers.push(("x-acs-content-sha256", &payload));
            headers.push((bearer.header.as_str(), bearer.token.expose()));
            let mut query: Vec<(&str, &str)> = call.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
            // The two styles of APIs are told in two places; those that are called by path are the one.
            match call.path {
                "/" => query.push(("SignatureType", BEARER)),
                _ => headers.push(("x-acs-signature-type", BEARER)),
            }
            sign::canonical_query(&query)
        }
        (Scheme::Rpc, None) => signed_query(call, credentials, &date, &nonce),
        (Scheme::V3, None) => {
            headers.push(("x-acs-date", &date));
            headers.push(("x-acs-signature-nonce", &nonce));
            headers.push(("x-acs-content-sha256", &payload));
            if let Some(token) = &credentials.security_token {
                headers.push(("x-acs-accesskey-id", &credentials.access_key_id));
                headers.push(("x-acs-security-token", token.expose()));
            }
            let query = sign::canonical_query(&call.query);
            let canonical = sign::canonical_request(call.method.as_str(), call.path, &query, &headers, &payload);
            authorization = sign::authorization(&credentials.access_key_id, &credentials.access_key_secret, &canonical);
            headers.push(("authorization", &authorization));
            query
        }
    };
    headers.push(("accept", "application/json"));
    headers.push(("user-agent", concat!("mcp-proxy/", env!("CARGO_PKG_VERSION"))));
    if call.method == Method::POST && call.body.is_empty() {
        // The HTTP library says nothing of an empty body; some load balancers then answer 411.
        headers.push(("content-length", "0"));
    }

    let separator = if query.is_empty() { "" } else { "?" };
    let url = format!("{}://{host}{}{separator}{query}", call.origin.scheme(), call.path);
    let mut request = Request::builder().method(call.method.clone()).uri(url);
    let bearer = credentials.bearer.as_ref().map(|bearer| bearer.header.as_str());
    for (name, value) in headers {
        // The library's words would quote the value, which may be a secret.
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| unsendable(format!("the header {name} would hold an illegal character")))?;
        value.set_sensitive(matches!(name, "authorization" | "x-acs-security-token") || bearer == Some(name));
        request = request.header(name, value);
    }
    request.body(call.body.clone()).map_err(|error| unsendable(error.to_string()))
}

/// The query of a call whose signature stands there.
fn signed_query(call: &Call<'_>, credentials: &ApiCredentials, date: &str, nonce: &str) -> String {
    let mut parameters: Vec<(&str, &str)> = vec![
        ("Action", call.action),
        ("Version", call.version),
        ("Format", "json"),
        ("Timestamp", date),
        ("SignatureNonce", nonce),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureVersion", "1.0"),
        ("AccessKeyId", &credentials.access_key_id),
    ];
    parameters.extend(credentials.security_token.as_ref().map(|token| ("SecurityToken", token.expose())));
    parameters.extend(call.query.iter().map(|(name, value)| (*name, value.as_str())));
    sign_rpc::signed_query(call.method.as_str(), &parameters, &credentials.access_key_secret)
}

/// Random bytes for the call `action`.
pub(crate) fn random<const N: usize>(action: &'static str) -> Result<[u8; N], CallError> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(CallError::Unsendable { action, reason: format!("the system has no random bytes: {error}") }),
    }
}
