//! What a web page of an allowed origin needs to hear (Fetch §3.2); nobody else hears any of it.

use http::header::{self, HeaderMap, HeaderValue};

/// Lets the page read the answer, and the headers that MCP clients read.
pub(super) fn allow(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let exposed = HeaderValue::from_static("mcp-session-id, mcp-protocol-version, retry-after");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
}

/// Lets the page send the request that it asked about. `requested` are the headers it wants to send.
pub(super) fn allow_request(headers: &mut HeaderMap, requested: Option<&HeaderValue>) {
    let methods = HeaderValue::from_static("GET, POST, DELETE");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(requested) = requested {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
}
