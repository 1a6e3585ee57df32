//! Connections: several requests on one, old clients, expectations, answers before their time, and ends.

use crate::Bench;
use crate::exchange::Step::{
    self, Ask, Close, Hear, HearEnd, HearPart, Leave, Read, ReadContinue, ReadEnd, ReadPart, Say,
};
use crate::exchange::play;
use crate::script::{Case, FINE, binary, chunk, wire, with};

/// A client that asks before it sends four bytes.
const EXPECTS: &str = "POST /mcp HTTP/1.1\nHost: localhost\nExpect: 100-continue\nContent-Length: 4\n\n";

/// Requests in one write, each with a body, and their answers.
fn pipelined(count: usize) -> Vec<Step> {
    let (mut requests, mut script) = (Vec::new(), Vec::new());
    for number in 0..count {
        let request = format!("POST /mcp?{number} HTTP/1.1\nHost: localhost\nContent-Length: 2\n\n{number:02}");
        requests.extend(wire(&request));
        let answer = format!("HTTP/1.1 200 OK\nX-Answer: {number}\nContent-Length: 2\n\n{number:02}");
        script.extend([Hear, Say(wire(&answer)), Read]);
    }
    script.insert(0, Ask(requests));
    script
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("two requests in one write", pipelined(2)),
        Case::new("ten requests in one write", pipelined(10)),
    ];
    let get = |version: &str, lines: &str| Ask(wire(&format!("GET /mcp HTTP/{version}\nHost: localhost\n{lines}\n")));
    let fine = || [Hear, Say(wire(FINE)), Read];
    let again = [[get("1.1", "")].as_slice(), &fine(), &[get("1.1", "X-Second: 1\n")], &fine()].concat();
    cases.push(Case::new("two requests one after the other", again));
    let one = |ask: Step, end: &[Step]| [&[ask][..], &fine(), end].concat();
    cases.push(Case::new(
        "a client that says it is the last request",
        one(get("1.1", "Connection: close\n"), &[Close, ReadEnd]),
    ));
    cases.push(Case::new("a client of HTTP/1.0", one(get("1.0", ""), &[])));
    cases.push(Case::new("a client of HTTP/1.0 that stays", one(get("1.0", "Connection: keep-alive\n"), &[])));
    let until_close = [get("1.0", ""), Hear, Say(wire("HTTP/1.1 200 OK\n\nall")), Close, Read];
    cases.push(Case::new("a client of HTTP/1.0, an answer ended by the connection", until_close));

    let goes_on = [
        Ask(wire(EXPECTS)),
        HearPart(0),
        Say(wire("HTTP/1.1 100 Continue\n\n")),
        ReadContinue,
        Ask(b"body".to_vec()),
        Hear,
        Say(wire(FINE)),
        Read,
    ];
    cases.push(Case::new("a client that asks before it sends a body", goes_on));
    let refused = wire("HTTP/1.1 413 Content Too Large\nConnection: close\nContent-Length: 3\n\nno\n");
    let not_at_all = [Ask(wire(EXPECTS)), HearPart(0), Say(refused.clone()), Read];
    cases.push(Case::new("a client that asks before it sends a body, and may not", not_at_all));

    let both = with(EXPECTS, b"body");
    let without_waiting = [Ask(both), HearPart(0), Say(wire("HTTP/1.1 100 Continue\n\n")), Hear, Say(wire(FINE)), Read];
    cases.push(Case::new("a client that asks before it sends a body, and does not wait", without_waiting));

    for (name, interim) in [
        ("103", "HTTP/1.1 103 Early Hints\nLink: </a>; rel=preload\n\n"),
        ("102 and 103", "HTTP/1.1 102 Processing\n\nHTTP/1.1 103 Early Hints\nX: 1\n\n"),
        ("100 that nobody asked for", "HTTP/1.1 100 Continue\n\n"),
    ] {
        let script = [get("1.1", ""), Hear, Say(wire(interim)), Say(wire(FINE)), Read];
        cases.push(Case::new(format!("an answer after {name}"), script));
    }

    let upload = |length: usize| wire(&format!("POST /mcp HTTP/1.1\nHost: localhost\nContent-Length: {length}\n\n"));
    let early = [Ask(upload(4)), HearPart(0), Say(wire(FINE)), Read];
    cases.push(Case::new("an answer before the body", early.clone()));
    let goes_on = [&early[..], &[Ask(b"body".to_vec()), Hear]].concat();
    cases.push(Case::new("an answer before the body, which goes on", goes_on));
    let while_sending = [Ask(upload(1 << 20)), Ask(binary(1 << 19)), HearPart(1 << 19), Say(refused), Read, Close];
    cases.push(Case::new("an upload that is refused half-way", while_sending));
    let talking = [
        Ask(wire("POST /mcp HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n")),
        Ask(chunk(b"one")),
        HearPart(3),
        Say(wire("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n")),
        Say(chunk(b"ONE")),
        ReadPart(3),
        Ask(chunk(b"two")),
        HearPart(6),
        Say(chunk(b"TWO")),
        ReadPart(6),
        Ask(b"0\r\n\r\n".to_vec()),
        Hear,
        Say(b"0\r\n\r\n".to_vec()),
        Read,
    ];
    cases.push(Case::new("body and answer at the same time", talking));

    cases.push(Case::new(
        "a client that leaves in its body",
        [Ask(upload(4)), Ask(b"bo".to_vec()), HearPart(2), Leave, HearEnd],
    ));
    cases.push(Case::new("a client that leaves before the answer", [get("1.1", ""), Hear, Leave, HearEnd]));
    let half = with("HTTP/1.1 200 OK\nContent-Length: 9\n\n", b"half");
    cases.push(Case::new(
        "a client that leaves in the answer",
        [get("1.1", ""), Hear, Say(half), ReadPart(4), Leave, HearEnd],
    ));
    let half_closed =
        [[get("1.1", "Connection: close\n"), Step::AskNoMore].as_slice(), &fine(), &[Close, ReadEnd]].concat();
    cases.push(Case::new("a client that has ended its sending side", half_closed));
    cases
}

#[tokio::test]
async fn a_body_that_was_not_asked_for_is_kept_back_or_sent_after_a_while() {
    let mut bench = Bench::start("[limits]\nreplay_body = \"0\"\n").await;
    let (to, goes_on) = (bench.proxy.address, [ReadContinue, Ask(b"body".to_vec()), Hear, Say(wire(FINE)), Read]);
    let nothing_said = [&[Ask(wire(EXPECTS)), HearPart(0)], &goes_on[..]].concat();
    let seen = play(&mut bench.upstream, to, &nothing_said, "an upstream that says nothing of 100").await;
    assert_eq!((seen.requests[0].body.as_slice(), seen.answers.len()), (&b"body"[..], 2));
    // A body that did not leave the client can be sent with another token, whatever `limits.replay_body` is.
    let refuses = [
        Ask(wire(EXPECTS)),
        HearPart(0),
        Step::Write(bench.token_file(), "another-token"),
        Say(wire("HTTP/1.1 401 Unauthorized\nContent-Length: 0\n\n")),
        Close,
        HearPart(0),
        Say(wire("HTTP/1.1 100 Continue\n\n")),
    ];
    let script = [&refuses[..], &goes_on].concat();
    let seen = play(&mut bench.upstream, to, &script, "an upstream that refuses the token before the body").await;
    let bodies: Vec<_> = seen.requests.iter().map(|request| request.body.as_slice()).collect();
    assert_eq!(bodies, [&b""[..], b"body"]);
}
