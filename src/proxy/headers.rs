//! Which headers pass, in both directions (RFC 9110 §7.6.1 and what MCP clients and servers do with them).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::proxy::guard;

/// Headers of one connection, not of the message (RFC 9110 §7.6.1). Lists of names are statics: a constant is made anew
/// wherever it is used, which costs more than to look into it.
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a client says that is not for the upstream: credentials that are not its own, what a browser adds about
/// pages (upstreams refuse foreign origins), what proxies before us say about themselves.
static NOT_FOR_THE_UPSTREAM: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::FORWARDED,
    header::ORIGIN,
    header::REFERER,
    HeaderName::from_static("x-real-ip"),
    guard::KEY,
];

/// What an upstream says that is not for the client: challenges that would start a sign-in against us, cookies,
/// and policies for the upstream's own origin.
static NOT_FOR_THE_CLIENT: [HeaderName; 5] = [
    header::ALT_SVC,
    HeaderName::from_static("clear-site-data"),
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::WWW_AUTHENTICATE,
];

/// What of a client's headers is for the upstream, with exactly one `Authorization`: ours. `Host` is for the connection to
/// say, where it has one.
pub(super) fn for_upstream(said: &HeaderMap, authorization: HeaderValue) -> HeaderMap {
    // With room for all that is added, for a map that grows is made anew.
    let mut headers = HeaderMap::with_capacity(said.len() + 4);
    for (name, value) in said {
        if !is_not_for_upstream(name) && name != header::HOST {
            headers.append(name.clone(), value.clone());
        }
    }
    // Before ours are added, which no client can take away. Names are looked up, for there may be many.
    for name in named_by_connection(said) {
        headers.remove(name);
    }
    headers.insert(header::AUTHORIZATION, authorization);
    if takes_trailers(said) {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    headers
}

/// True if the sender takes trailers; codings that it takes are for one connection (RFC 9110 §10.1.4).
fn takes_trailers(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TE).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Removes what a client says that is not for the upstream.
pub(super) fn remove_not_for_upstream(headers: &mut HeaderMap) {
    remove_named_by_connection(headers);
    remove_if(headers, is_not_for_upstream);
}

fn is_not_for_upstream(name: &HeaderName) -> bool {
    let text = name.as_str();
    HOP_BY_HOP.contains(name)
        || NOT_FOR_THE_UPSTREAM.contains(name)
        || text.starts_with("sec-")
        || text.starts_with("x-forwarded-")
}

/// Makes an upstream's headers fit for the client. True if the body is an event stream.
pub(super) fn for_client(headers: &mut HeaderMap) -> bool {
    remove_not_for_client(headers);
    let is_stream = is_event_stream(headers);
    if is_stream {
        let no_cache = HeaderValue::from_static("no-cache, no-transform");
        headers.entry(header::CACHE_CONTROL).or_insert(no_cache);
        headers.entry("x-accel-buffering").or_insert(HeaderValue::from_static("no"));
    }
    is_stream
}

/// Removes what an upstream says that is not for the client.
pub(super) fn remove_not_for_client(headers: &mut HeaderMap) {
    remove_named_by_connection(headers);
    remove_if(headers, |name| {
        HOP_BY_HOP.contains(name) || NOT_FOR_THE_CLIENT.contains(name) || name.as_str().starts_with("access-control-")
    });
}

/// True if the body is an event stream whose bytes can be read.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let essence = headers.get(header::CONTENT_TYPE).and_then(|value| value.as_bytes().split(|b| *b == b';').next());
    essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
        && !headers.contains_key(header::CONTENT_ENCODING)
}

/// The headers that `Connection` names. `Host` and what frames the message are never removed on a client's word.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter();
    values
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| name != header::HOST && name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE)
        .collect()
}

fn remove_named_by_connection(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
}

/// Removes the headers whose name says so. Names that are there are compared, for they are few; to look up those that
/// may be there would hash each of them.
fn remove_if(headers: &mut HeaderMap, goes: impl Fn(&HeaderName) -> bool) {
    let going: Vec<HeaderName> = headers.keys().filter(|name| goes(name)).cloned().collect();
    for name in going {
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
        let said = map(&[
            ("host", "127.0.0.1:8088"),
            ("authorization", "Bearer client"),
            ("authorization", "Basic second"),
            ("connection", "keep-alive, X-Hop, host, content-length, authorization, te"),
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
        let headers = for_upstream(&said, "Bearer ours".parse().unwrap());
        let expected = [
            "accept: application/json, text/event-stream",
            "authorization: Bearer ours",
            "connection: te",
            "content-length: 5",
            "last-event-id: 7",
            "mcp-param-city: Hangzhou",
            "mcp-session-id: S",
            "te: trailers",
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

    #[test]
    fn asking_for_trailers_is_told_from_asking_for_codings() {
        for (lines, asked) in [
            (&["trailers"][..], true),
            (&["gzip;q=0.5, Trailers"], true),
            (&["gzip", "trailers"], true),
            (&["gzip"], false),
            (&["x-trailers"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::TE, HeaderValue::from_static(line));
            }
            assert_eq!(takes_trailers(&headers), asked, "{lines:?}");
        }
    }
}
