//! Which headers pass. An input is a list of lines `name: value`; both directions are tried with it.

#![no_main]

use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use mcp_proxy::proxy::fuzzing::{for_client, for_upstream};

/// RFC 9110 §7.6.1, and what older software treats alike.
const OF_THE_CONNECTION: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];
const OF_THE_BROWSER: [&str; 3] = ["cookie", "origin", "referer"];
const OF_THE_UPSTREAM: [&str; 5] =
    ["alt-svc", "clear-site-data", "set-cookie", "strict-transport-security", "www-authenticate"];
/// What frames a message or says where it goes, so that no `Connection` can take it away.
const NEVER_NAMED: [&str; 3] = ["content-length", "content-type", "host"];

fn parse(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(200) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// The names that `Connection` takes away.
fn named(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all("connection").iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let names =
        values.flat_map(|value| value.split(',').map(|name| name.trim().to_ascii_lowercase()).collect::<Vec<_>>());
    names.filter(|name| !NEVER_NAMED.contains(&name.as_str())).collect()
}

/// Everything in `before` that `goes` does not name is in `after`, to the letter and in order; nothing else is, but
/// for the names in `ours`.
fn only_these_go(before: &HeaderMap, after: &HeaderMap, goes: impl Fn(&str) -> bool, ours: &[&str]) {
    for name in before.keys().filter(|name| !ours.contains(&name.as_str())) {
        let (had, has) = (before.get_all(name).iter(), after.get_all(name).iter());
        if goes(name.as_str()) {
            assert_eq!(has.count(), 0, "{name} passed");
        } else {
            assert!(had.eq(has), "{name} changed");
        }
    }
    for name in after.keys() {
        assert!(before.contains_key(name) || ours.contains(&name.as_str()), "{name} came from nowhere");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let before = parse(bytes);
    let named = named(&before);
    let hop = |name: &str| OF_THE_CONNECTION.contains(&name) || named.iter().any(|other| other == name);

    let bearer = HeaderValue::from_static("Bearer ours");
    let request = for_upstream(&before, bearer.clone());
    assert!(request.get_all(AUTHORIZATION).iter().eq([&bearer]));
    assert!(!request.contains_key(HOST));
    let goes = |name: &str| {
        hop(name)
            || OF_THE_BROWSER.contains(&name)
            || ["sec-", "x-forwarded-"].iter().any(|prefix| name.starts_with(prefix))
            || ["forwarded", "x-mcp-proxy-key", "x-real-ip"].contains(&name)
    };
    only_these_go(&before, &request, goes, &["authorization", "connection", "host", "te"]);
    // Whoever takes trailers says so on each connection anew (RFC 9110 §10.1.4).
    let codings = before.get_all("te").iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let trailers = codings.into_iter().any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    let (te, connection) = (request.get_all("te").iter(), request.get_all("connection").iter());
    assert!(te.eq(trailers.then_some("trailers")), "TE is {:?}", request.get("te"));
    assert!(connection.eq(trailers.then_some("te")), "Connection is {:?}", request.get("connection"));

    let mut answer = before.clone();
    for_client(&mut answer);
    let goes = |name: &str| hop(name) || OF_THE_UPSTREAM.contains(&name) || name.starts_with("access-control-");
    let ours = ["cache-control", "x-accel-buffering"];
    only_these_go(&before, &answer, goes, &ours);
    for name in ours {
        // What the upstream says stays; we say something only of event streams, and only where it says nothing.
        let said = before.contains_key(name) && !hop(name);
        assert!(!said || before.get_all(name).iter().eq(answer.get_all(name)), "{name} changed");
        let events = answer
            .get("content-type")
            .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream"));
        assert!(said || events || !answer.contains_key(name), "{name} came from nowhere");
    }
    let once = answer.clone();
    for_client(&mut answer);
    assert_eq!(answer, once, "twice is not once");
});
