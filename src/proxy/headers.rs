//! Which headers pass, in both directions (RFC 9110 §7.6.1 and what MCP clients and servers do with them).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers of one connection, not of the message (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a client says that is not for the upstream: credentials that are not its own, what a browser adds about
/// pages (upstreams refuse foreign origins), what proxies before us say about themselves.
const NOT_FOR_THE_UPSTREAM: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::EXPECT,
    header::FORWARDED,
    header::ORIGIN,
    header::REFERER,
    HeaderName::from_static("x-real-ip"),
];

/// What an upstream says that is not for the client: challenges that would start a sign-in against us, cookies,
/// and policies for the upstream's own origin.
const NOT_FOR_THE_CLIENT: [HeaderName; 5] = [
    header::ALT_SVC,
    HeaderName::from_static("clear-site-data"),
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::WWW_AUTHENTICATE,
];

/// Makes a client's headers fit for the upstream: exactly one `Authorization`, ours, and the upstream's `Host`.
pub(super) fn for_upstream(headers: &mut HeaderMap, host: HeaderValue, authorization: HeaderValue) {
    remove_hop_by_hop(headers);
    for name in &NOT_FOR_THE_UPSTREAM {
        headers.remove(name);
    }
    remove_prefixed(headers, "sec-");
    remove_prefixed(headers, "x-forwarded-");
    headers.insert(header::HOST, host);
    headers.insert(header::AUTHORIZATION, authorization);
}

/// Makes an upstream's headers fit for the client.
pub(super) fn for_client(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    for name in &NOT_FOR_THE_CLIENT {
        headers.remove(name);
    }
    remove_prefixed(headers, "access-control-");
    if is_event_stream(headers) {
        let no_cache = HeaderValue::from_static("no-cache, no-transform");
        headers.entry(header::CACHE_CONTROL).or_insert(no_cache);
        headers.entry("x-accel-buffering").or_insert(HeaderValue::from_static("no"));
    }
}

/// True if the body is an event stream whose bytes can be read.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let essence = headers.get(header::CONTENT_TYPE).and_then(|value| value.as_bytes().split(|b| *b == b';').next());
    essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
        && !headers.contains_key(header::CONTENT_ENCODING)
}

/// Removes the headers of the connection and those that `Connection` names. `Host` and what frames the message
/// are never removed on a client's word.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .filter(|name| name != header::HOST && name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

fn remove_prefixed(headers: &mut HeaderMap, prefix: &str) {
    let named: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with(prefix)).cloned().collect();
    for name in named {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn pairs(headers: &HeaderMap) -> Vec<String> {
        let mut pairs: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        pairs.sort();
        pairs
    }

    #[test]
    fn c6_requests_keep_what_is_theirs_and_get_one_authorization() {
        let mut headers = map(&[
            ("host", "127.0.0.1:8088"),
            ("authorization", "Bearer client"),
            ("authorization", "Basic second"),
            ("connection", "keep-alive, X-Hop, host, content-length"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("cookie", "a=b"),
            ("origin", "http://localhost"),
            ("referer", "http://localhost/"),
            ("sec-fetch-mode", "cors"),
            ("x-forwarded-for", "10.0.0.1"),
            ("content-length", "5"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-session-id", "S"),
            ("mcp-param-city", "Hangzhou"),
            ("last-event-id", "7"),
            ("traceparent", "00-1"),
        ]);
        for_upstream(&mut headers, "gw.example".parse().unwrap(), "Bearer ours".parse().unwrap());
        let expected = [
            "accept: application/json, text/event-stream",
            "authorization: Bearer ours",
            "content-length: 5",
            "host: gw.example",
            "last-event-id: 7",
            "mcp-param-city: Hangzhou",
            "mcp-session-id: S",
            "traceparent: 00-1",
        ];
        assert_eq!(pairs(&headers), expected);
    }

    #[test]
    fn c14_challenges_and_cookies_do_not_reach_the_client() {
        let mut headers = map(&[
            ("www-authenticate", "Bearer resource_metadata=\"https://up/.well-known\""),
            ("set-cookie", "a=b"),
            ("strict-transport-security", "max-age=1"),
            ("alt-svc", "h3=\":443\""),
            ("access-control-allow-origin", "*"),
            ("connection", "close"),
            ("mcp-session-id", "S"),
            ("retry-after", "3"),
        ]);
        for_client(&mut headers);
        assert_eq!(pairs(&headers), ["mcp-session-id: S", "retry-after: 3"]);
    }

    #[test]
    fn event_streams_are_marked_unless_the_upstream_says_otherwise() {
        let mut headers = map(&[("content-type", "Text/Event-Stream; charset=utf-8"), ("cache-control", "no-store")]);
        for_client(&mut headers);
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-accel-buffering"], "no");
        let mut json = map(&[("content-type", "application/json")]);
        for_client(&mut json);
        assert_eq!(json.len(), 1);
    }
}
