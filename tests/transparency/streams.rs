//! Event streams (WHATWG HTML §9.2), as MCP servers send them: to the byte, and each byte at once.

use crate::exchange::Step::{self, Ask, Close, Hear, HearEnd, HearPart, Leave, Read, ReadEnd, ReadPart, Reset, Say};
use crate::script::{Case, FINE, chunk, wire};

const LISTEN: &str = "GET /mcp HTTP/1.1\nHost: localhost\nAccept: text/event-stream\nLast-Event-ID: 7\n\n";
const CALL: &str = "POST /mcp HTTP/1.1\nHost: localhost\nAccept: application/json, text/event-stream\n\
    Content-Type: application/json\nContent-Length: 2\n\n{}";
const STREAM: &str = "HTTP/1.1 200 OK\nContent-Type: text/event-stream\nTransfer-Encoding: chunked\n\n";
const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\nContent-Type: text/event-stream\n\n";

/// The stream as one chunk for each piece, each read before the next is sent.
fn pieces(request: &str, pieces: &[&[u8]]) -> Vec<Step> {
    let mut script = vec![Ask(wire(request)), Hear, Say(wire(STREAM)), ReadPart(0)];
    let mut length = 0;
    for piece in pieces {
        length += piece.len();
        script.extend([Say(chunk(piece)), ReadPart(length)]);
    }
    script
}

fn whole(request: &str, stream: &[&[u8]]) -> Vec<Step> {
    [pieces(request, stream), vec![Say(b"0\r\n\r\n".to_vec()), Read]].concat()
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let streams: [(&str, &[u8]); 14] = [
        ("lines that end with LF", b"event: message\nid: 1\ndata: {\"a\":1}\n\n"),
        ("lines that end with CRLF", b"event: message\r\nid: 1\r\ndata: {\"a\":1}\r\n\r\n"),
        ("lines that end with CR", b"event: message\rid: 1\rdata: {\"a\":1}\r\r"),
        ("lines that end with all of them", b"id: 1\rdata: a\r\ndata: b\n\r\ndata: c\n\n\r\r\n"),
        ("the priming event", b"id: 0_0\ndata: \n\nid:1\ndata:\n\n"),
        ("a time to come back", b"retry: 3000\n\nretry:x\n\n"),
        ("comments", b":\n\n: ping - 2026-11-22 00:00:00\r\n\r\n:\n:\n"),
        ("an id with nothing else", b"id\nid: a\0b\n\n"),
        ("unknown fields and blanks", b"field\nunknown: x\ndata:no blank\ndata:  two blanks\n: \n\n\n\n"),
        ("a byte order mark", b"\xef\xbb\xbfdata: a\n\n"),
        ("what is not UTF-8", b"data: \xff\xfe\x00\n\n"),
        ("an event that is not ended", b"data: a\n\ndata: the connection ends first"),
        ("the endpoint of HTTP+SSE", b"event: endpoint\ndata: /messages?sessionId=AbC%2F\n\n"),
        ("other alphabets", "event: message\ndata: {\"text\":\"你好, Zoë 🦀\"}\r\n\r\n".as_bytes()),
    ];
    for (name, stream) in streams {
        cases.push(Case::new(format!("event stream: {name}"), whole(LISTEN, &[stream])));
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        cases.push(Case::new(format!("event stream, byte by byte: {name}"), whole(CALL, &bytes)));
        let script =
            [Ask(wire(CALL)), Hear, Say(wire(UNTIL_CLOSE)), Say(stream.to_vec()), ReadPart(stream.len()), Close, Read];
        cases.push(Case::new(format!("event stream, ended by the connection: {name}"), script));
    }
    cases.push(Case::new("event stream: nothing", whole(LISTEN, &[])));
    let large = format!("id: 1\ndata: {}\n\n", "{\"a\":\"\u{4f60}\"}, ".repeat(250_000));
    cases
        .push(Case::new(format!("event stream: one event of {} bytes", large.len()), whole(CALL, &[large.as_bytes()])));
    let event = b"event: message\r\nid: 9\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\r\n\r\n: c\r\n\r\n";
    for cut in 1..event.len() {
        let (one, other) = event.split_at(cut);
        cases.push(Case::new(format!("event stream cut at {cut}"), whole(CALL, &[one, other])));
    }
    for (name, stream) in [("between events", "data: a\n\n"), ("in an event", "data: a\n\ndata: b")] {
        for (end, ending) in [("closed", Close), ("reset", Reset)] {
            let script = [pieces(LISTEN, &[stream.as_bytes()]), vec![ending, ReadEnd]].concat();
            cases.push(Case::new(format!("event stream {end} {name}"), script));
        }
        let script = [pieces(LISTEN, &[stream.as_bytes()]), vec![Leave, HearEnd]].concat();
        cases.push(Case::new(format!("event stream that its client leaves {name}"), script));
    }
    cases.extend(beside_other_requests());
    cases
}

/// Streams that are not all there is on their connection.
fn beside_other_requests() -> Vec<Case> {
    let events: [&[u8]; 2] = [b"data: a\n\n", b"data: b\n\n"];
    let fine = || vec![Hear, Say(wire(FINE)), Read];
    let again = || [vec![Ask(wire(CALL))], fine()].concat();
    let close = LISTEN.replace("Accept", "Connection: close\nAccept");
    let ended = [Say(chunk(events[1])), ReadPart(events.concat().len()), Say(b"0\r\n\r\n".to_vec()), Read];
    // Both requests in one write: the second one lies with what was read of the first.
    let together = [Ask(wire(&[LISTEN, CALL].concat())), Hear, Say(wire(STREAM)), ReadPart(0), Say(chunk(events[0]))];
    let uploading = [
        Ask(wire(&CALL.replace("Length: 2", "Length: 4"))),
        HearPart(2),
        Say(wire(STREAM)),
        ReadPart(0),
        Say(chunk(events[0])),
        ReadPart(events[0].len()),
        Ask(b"{}".to_vec()),
        Hear,
    ];
    let (old, length) = (LISTEN.replace("1.1", "1.0"), events.concat().len());
    let old = [Ask(wire(&old)), Hear, Say(wire(UNTIL_CLOSE)), Say(events.concat()), ReadPart(length), Close, Read];
    let case = |name: &str, parts: &[Vec<Step>]| Case::new(format!("event stream {name}"), parts.concat());
    vec![
        case("and another request", &[whole(LISTEN, &events), again(), whole(CALL, &events), again()]),
        case("and a request written together with it", &[together.to_vec(), ended.to_vec(), fine(), again()]),
        case("whose request has not come whole", &[uploading.to_vec(), ended.to_vec(), again()]),
        case("after which the connection is closed", &[whole(&close, &events), vec![Close, ReadEnd]]),
        case("for a client of HTTP/1.0", &[old.to_vec()]),
    ]
}
