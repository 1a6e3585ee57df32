//! The beginning of an HTTP+SSE stream, where the `endpoint` event is found and may get another reference. The first
//! byte of an input is the length of the pieces, the rest is the stream.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_proxy::proxy::fuzzing::{Relayed, relayed};

/// What may be held back; a longer event can be withheld.
const LONGEST: usize = 16 * 1024;
const INSTEAD: &str = "/accounts/1/messages?session=1";

/// One event as a client sees it: its type and its data.
#[derive(Debug, PartialEq, Eq)]
struct Event(Vec<u8>, Vec<Vec<u8>>);

/// The lines of a stream, without the last one if nothing ends it (WHATWG HTML §9.2.5).
fn lines(stream: &[u8]) -> Vec<&[u8]> {
    let stream = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let (mut lines, mut begin, mut at) = (Vec::new(), 0, 0);
    while at < stream.len() {
        if matches!(stream[at], b'\r' | b'\n') {
            lines.push(&stream[begin..at]);
            at += usize::from(stream[at..].starts_with(b"\r\n"));
            begin = at + 1;
        }
        at += 1;
    }
    lines
}

/// The events that a client sees (WHATWG HTML §9.2.6).
fn events(stream: &[u8]) -> Vec<Event> {
    let (mut events, mut kind, mut data) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines(stream) {
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..])),
            None => (line, [].as_slice()),
        };
        match name {
            b"event" => kind = value.to_vec(),
            b"data" => data.push(value.to_vec()),
            b"" if line.is_empty() => {
                let (kind, data) = (std::mem::take(&mut kind), std::mem::take(&mut data));
                if !data.is_empty() {
                    events.push(Event(kind, data));
                }
            }
            _ => {}
        }
    }
    events
}

/// The same, however the stream was cut. Of an event that is withheld more may have passed in small pieces, but never
/// its end.
fn assert_same(other: &Relayed, whole: &Relayed, stream: &[u8], how: &str) {
    if whole.withheld {
        assert!(other.withheld, "{how}: nothing is withheld");
        assert!(stream.starts_with(&other.passed), "{how}: something else passed");
        assert!(events(&other.passed).is_empty(), "{how}: an event passed");
    } else {
        assert_eq!(other, whole, "{how}");
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((length, stream)) = input.split_first() else { return };
    let whole = relayed([stream], None);
    for length in [1, usize::from(*length).max(1)] {
        assert_same(&relayed(stream.chunks(length), None), &whole, stream, &format!("in pieces of {length}"));
    }
    for cut in 0..stream.len().min(64) {
        let (before, after) = stream.split_at(cut);
        assert_same(&relayed([before, after], None), &whole, stream, &format!("cut at {cut}"));
    }
    assert_same(&whole, &whole, stream, "whole");
    if whole.withheld {
        return;
    }
    let seen = events(stream);
    let first = seen.first();
    assert!(whole.passed == stream, "the stream changed, and nobody asked for it");
    if let Some(Event(kind, data)) = first.filter(|_| stream.len() < LONGEST) {
        // What begins like JSON leads nowhere but here, and passes without being looked at.
        let harmless = data.iter().find(|line| !line.is_empty()).is_some_and(|line| matches!(line[0], b'{' | b'['));
        let is_endpoint = kind == b"endpoint" && !harmless;
        assert!(is_endpoint == whole.reference.is_some() || harmless, "{first:?}: {:?}", whole.reference);
    }
    if let Some(reference) = &whole.reference {
        let Some(Event(_, data)) = first else { panic!("a reference, and no event") };
        assert_eq!(*reference, String::from_utf8_lossy(&data.join(&b'\n')));
        let changed = relayed(stream.chunks(usize::from(*length).max(1)), Some(INSTEAD));
        let now = events(&changed.passed);
        assert_eq!(now[0], Event(b"endpoint".to_vec(), vec![INSTEAD.into()]));
        assert_eq!(now[1..], seen[1..], "later events changed");
    }
});
