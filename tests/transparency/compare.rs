//! Holds what two exchanges brought against each other: only what is listed may differ.

use std::collections::BTreeSet;

use crate::changes::{Change, TO_CLIENT, TO_UPSTREAM, What};
use crate::exchange::Seen;
use crate::message::{Field, Framing, Message, shown};

/// The values that stand in place of others.
#[derive(Debug, Clone)]
pub(crate) struct Replaced {
    pub(crate) host: String,
    pub(crate) authorization: String,
}

/// The listed changes that were seen to happen.
pub(crate) type Used = BTreeSet<(bool, &'static str)>;

/// Compares.
///
/// # Errors
/// What differs and may not.
pub(crate) fn compare(direct: &Seen, proxied: &Seen, replaced: &Replaced, used: &mut Used) -> Result<(), String> {
    let requests: Vec<_> = direct.requests.iter().map(|request| to_upstream(request, replaced, used)).collect();
    same("the upstream", &requests, &proxied.requests.iter().map(|m| plain(m, TO_UPSTREAM)).collect::<Vec<_>>())?;
    let finals = |seen: &Seen| seen.answers.iter().filter(|answer| !answer.is_interim()).cloned().collect::<Vec<_>>();
    let (alone, through) = (finals(direct), finals(proxied));
    // Of the interim answers those pass that the client asks for.
    let asks = direct.requests.iter().any(|request| !request.values("expect").is_empty());
    let interim = |seen: &Seen| seen.answers.iter().filter(|m| m.is_interim()).map(Message::status).collect::<Vec<_>>();
    let (expected, seen) = (if asks { interim(direct) } else { Vec::new() }, interim(proxied));
    if expected != seen {
        return Err(format!("interim answers: {expected:?}, but {seen:?} through the proxy"));
    }
    let pairs = alone.iter().enumerate().map(|(at, answer)| (answer, direct.requests.get(at), through.get(at)));
    let answers: Vec<_> = pairs.map(|(answer, to, through)| to_client(answer, to, through, used)).collect();
    same("the client", &answers, &through.iter().map(|answer| plain(answer, TO_CLIENT)).collect::<Vec<_>>())
}

/// A message as it is compared: what has no meaning or is each connection's own is taken out.
#[derive(Debug, PartialEq, Eq)]
struct Plain {
    line: String,
    fields: Vec<Field>,
    framing: Framing,
    body: Vec<u8>,
    trailers: Vec<Field>,
    complete: bool,
}

fn plain(message: &Message, changes: &[Change]) -> Plain {
    let mut fields: Vec<Field> = message.fields.clone();
    for change in changes.iter().filter(|change| change.what == What::PerConnection) {
        fields.retain(|(name, _)| !fits(change, name));
    }
    let mut trailers = message.trailers.clone();
    // The sort is stable: lines of one name keep their order, for that has a meaning.
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    trailers.sort_by(|(one, _), (other, _)| one.cmp(other));
    Plain {
        line: line(&message.line),
        fields,
        framing: message.framing,
        body: message.body.clone(),
        trailers,
        complete: message.complete,
    }
}

/// The start line without the version, which is each connection's own.
fn line(line: &str) -> String {
    match line.strip_prefix("HTTP/1.1").or_else(|| line.strip_prefix("HTTP/1.0")) {
        Some(status) => status.to_owned(),
        None => line.trim_end_matches("HTTP/1.1").trim_end_matches("HTTP/1.0").to_owned(),
    }
}

/// What the upstream must get through the proxy, if it got this without.
fn to_upstream(message: &Message, replaced: &Replaced, used: &mut Used) -> Plain {
    let mut expected = changed(message, TO_UPSTREAM, true, used);
    for (name, value) in [("host", &replaced.host), ("authorization", &replaced.authorization)] {
        expected.fields.retain(|(own, _)| own != name);
        expected.fields.push((name.to_owned(), value.clone().into_bytes()));
    }
    expected.fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    expected
}

/// What the client must get through the proxy, if it got this without, for this request. `through` tells the date.
fn to_client(message: &Message, to: Option<&Message>, through: Option<&Message>, used: &mut Used) -> Plain {
    let mut expected = changed(message, TO_CLIENT, false, used);
    let mut add = |header: &'static str, value: &[u8], used: &mut Used| {
        used.insert((false, header));
        expected.fields.push((header.to_ascii_lowercase(), value.to_vec()));
    };
    if message.values("date").is_empty() {
        let date = through.and_then(|answer| answer.values("date").first().copied()).unwrap_or_default();
        assert_eq!(date.len(), "Sun, 06 Nov 1994 08:49:37 GMT".len(), "{through:?}");
        add("Date", date, used);
    }
    if is_event_stream(message) {
        for (header, value) in [("Cache-Control", "no-cache, no-transform"), ("X-Accel-Buffering", "no")] {
            if message.values(&header.to_ascii_lowercase()).is_empty() {
                add(header, value.as_bytes(), used);
            }
        }
    }
    if let Some(origin) = to.and_then(|request| request.values("origin").first().copied()) {
        add("Vary", b"origin", used);
        let exposed = b"mcp-session-id, mcp-protocol-version, retry-after";
        expected.fields.push(("access-control-allow-origin".to_owned(), origin.to_vec()));
        expected.fields.push(("access-control-expose-headers".to_owned(), exposed.to_vec()));
    }
    let is_head = to.is_some_and(|request| request.line.starts_with("HEAD "));
    if message.status() == 304 && !is_head && !message.values("content-length").is_empty() {
        used.insert((false, "Content-Length"));
        expected.fields.retain(|(name, _)| name != "content-length");
    }
    expected.fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    let is_http_1_0 = through.is_some_and(|answer| answer.line.starts_with("HTTP/1.0"));
    if expected.framing == Framing::Close && !is_http_1_0 {
        expected.framing = Framing::Chunked;
    }
    if !expected.line.is_ascii() {
        expected.line.truncate(" 200 ".len());
    }
    expected
}

/// True if the answer is an event stream that can be read as it is.
fn is_event_stream(message: &Message) -> bool {
    let essence = |value: &[u8]| value.split(|b| *b == b';').next().unwrap_or_default().to_ascii_lowercase();
    message.values("content-type").iter().any(|value| essence(value) == b"text/event-stream")
        && message.values("content-encoding").is_empty()
}

fn changed(message: &Message, changes: &'static [Change], to_upstream: bool, used: &mut Used) -> Plain {
    let mut expected = plain(message, changes);
    let connection = message.values("connection").join(&b","[..]).to_ascii_lowercase();
    let named: Vec<&[u8]> = connection.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
    expected.fields.retain(|(name, _)| !named.contains(&name.as_bytes()));
    for change in changes {
        let takes_away =
            matches!(change.what, What::PerConnection | What::Removed | What::Replaced | What::ForWebPages);
        if takes_away && message.fields.iter().any(|(name, _)| fits(change, name)) {
            used.insert((to_upstream, change.header));
        }
        if matches!(change.what, What::Removed | What::ForWebPages) {
            expected.fields.retain(|(name, _)| !fits(change, name));
        }
    }
    expected
}

/// True if the change is about headers of this name, which is in lower case.
fn fits(change: &Change, name: &str) -> bool {
    let header = change.header.to_ascii_lowercase();
    header.strip_suffix('*').map_or(name == header, |prefix| name.starts_with(prefix))
}

fn same(who: &str, expected: &[Plain], seen: &[Plain]) -> Result<(), String> {
    if expected == seen {
        return Ok(());
    }
    let (expected, seen) = (lines(expected), lines(seen));
    let missing = expected.iter().filter(|line| !seen.contains(line)).map(|line| format!("  - {line}\n"));
    let more = seen.iter().filter(|line| !expected.contains(line)).map(|line| format!("  + {line}\n"));
    let differing: String = missing.chain(more).collect();
    match differing.is_empty() {
        true => Err(format!("{who} gets the same in another order: {expected:#?} {seen:#?}")),
        false => Err(format!("{who} gets something else (- directly, + through the proxy):\n{differing}")),
    }
}

fn lines(messages: &[Plain]) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let mut line = |text: String| lines.push(format!("{number}: {text}"));
        line(message.line.clone());
        for (kind, fields) in [("header", &message.fields), ("trailer", &message.trailers)] {
            for (name, value) in fields {
                line(format!("{kind} {name}: {}", value.escape_ascii()));
            }
        }
        line(format!("framing {:?}", message.framing));
        line(format!("body {}", shown(&message.body)));
        line(format!("complete {}", message.complete));
    }
    lines
}

/// Every kind of difference is one.
#[test]
fn what_differs_is_seen() {
    let message = |line: &str| Message {
        line: line.to_owned(),
        fields: vec![("x".to_owned(), b"1".to_vec()), ("x".to_owned(), b"2".to_vec())],
        framing: Framing::Length,
        body: b"body".to_vec(),
        trailers: Vec::new(),
        complete: true,
    };
    let replaced = Replaced { host: "up".to_owned(), authorization: "Bearer t".to_owned() };
    let seen = |change: fn(&mut Message)| {
        let (mut request, mut answer) = (message("GET /x HTTP/1.1"), message("HTTP/1.1 200 OK"));
        request.fields.extend([("host", "up"), ("authorization", "Bearer t")].map(|(n, v)| (n.to_owned(), v.into())));
        answer.fields.push(("date".to_owned(), b"x".to_vec()));
        change(&mut request);
        change(&mut answer);
        Seen { requests: vec![request], answers: vec![answer] }
    };
    let changes: [fn(&mut Message); 9] = [
        |message| message.line.push('x'),
        |message| message.fields[0].1.push(b'x'),
        |message| message.fields.swap(0, 1),
        |message| drop(message.fields.remove(0)),
        |message| message.fields.push(("y".to_owned(), Vec::new())),
        |message| message.framing = Framing::Chunked,
        |message| message.body.push(b'x'),
        |message| message.trailers.push(("y".to_owned(), Vec::new())),
        |message| message.complete = false,
    ];
    let alone = seen(|_| {});
    assert_eq!(compare(&alone, &seen(|_| {}), &replaced, &mut Used::new()), Ok(()));
    for (number, change) in changes.into_iter().enumerate() {
        let through = seen(change);
        let request = Seen { requests: through.requests, answers: alone.answers.clone() };
        assert!(compare(&alone, &request, &replaced, &mut Used::new()).is_err(), "request, {number}");
        let answer = Seen { requests: alone.requests.clone(), answers: through.answers };
        assert!(compare(&alone, &answer, &replaced, &mut Used::new()).is_err(), "answer, {number}");
    }
}
