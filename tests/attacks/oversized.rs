//! Too much of everything, and too slowly: lines, headers, their number, bodies, chunks, streams of HTTP/2. Each is bounded,
//! and so is the memory that it takes.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::wire::{Raw, Victim, ask};

#[test]
fn everything_has_a_longest() {
    let mut victim = Victim::start();
    let host = victim.address.to_string();
    let a = |count: usize| "a".repeat(count);
    let get = |target: &str, headers: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n")
    };
    let chunked = |body: &str| format!("POST /x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let many: String = (0..300).map(|number| format!("X-{number}: a\r\n")).collect();
    for (what, request, expected) in [
        ("a path", get(&format!("/{}", a(33 * 1024)), ""), &[414][..]),
        ("a query", get(&format!("/x?{}", a(33 * 1024)), ""), &[414]),
        ("a path beyond the head", get(&format!("/{}", a(70 * 1024)), ""), &[414, 431]),
        ("a header", get("/x", &format!("X: {}\r\n", a(70 * 1024))), &[431]),
        ("a name", get("/x", &format!("{}: x\r\n", a(70 * 1024))), &[400, 431]),
        ("headers without end", get("/x", &many), &[431]),
        ("a method", format!("{} /x HTTP/1.1\r\nHost: {host}\r\n\r\n", a(70 * 1024)), &[400, 431]),
        ("a line without end", a(80 * 1024), &[400, 431]),
        (
            "a body that says its length",
            format!("POST /x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1048577\r\n\r\n"),
            &[413],
        ),
        ("an extension of a chunk", chunked(&format!("2;{}\r\n{{}}\r\n0\r\n\r\n", a(100 * 1024))), &[502]),
        ("trailers", chunked(&format!("2\r\n{{}}\r\n0\r\nX: {}\r\n\r\n", a(100 * 1024))), &[502]),
        ("trailers by number", chunked(&format!("2\r\n{{}}\r\n0\r\n{}\r\n", many.repeat(20))), &[502]),
    ] {
        let answers = ask(victim.address, request.as_bytes());
        let fits = matches!(answers.statuses.as_slice(), [one] if expected.contains(one));
        assert!(fits && answers.closed, "{what}: {:?} {}", answers.statuses, answers.closed);
        assert_eq!(victim.got(), [], "{what}");
    }
    victim.is_unharmed("too much of everything");
}

#[test]
fn a_body_that_does_not_say_its_length_ends_where_the_limit_is() {
    let mut victim = Victim::start();
    let mut raw = Raw::connect(victim.address);
    raw.write(format!("POST /x HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", victim.address).as_bytes());
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    // Sixteen times the limit, if anybody took it.
    let taken = (0..256).take_while(|_| raw.write(chunk.as_bytes())).count();
    let answers = raw.answers();
    assert!(answers.statuses == [413] || answers.statuses.is_empty() && taken < 256, "{answers:?}");
    assert_eq!(victim.got(), []);
    victim.is_unharmed("a body without end");
}

/// Frames of HTTP/2, by hand.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection of HTTP/2 whose settings are said.
fn http_2(victim: &Victim) -> Raw {
    let mut raw = Raw::connect(victim.address);
    raw.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    raw.write(&frame(SETTINGS, 0, 0, &[]));
    raw
}

/// Fields without Huffman coding and without a table (RFC 7541 §6.2.2).
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.extend([0, name.len() as u8]);
        block.extend(name.as_bytes());
        block.push(value.len() as u8);
        block.extend(value.as_bytes());
    }
    block
}

/// Writes until the other side ends the connection; answers the bytes that came back and how often it was written.
fn until_closed(mut raw: Raw, mut next: impl FnMut(usize) -> Vec<u8>) -> (Vec<u8>, usize) {
    let deadline = Instant::now() + PATIENCE;
    let mut reader = raw.0.try_clone().unwrap();
    reader.set_read_timeout(Some(PATIENCE)).unwrap();
    let reading = std::thread::spawn(move || {
        let (mut read, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        while let Ok(length @ 1..) = reader.read(&mut buffer) {
            read.extend_from_slice(&buffer[..length]);
        }
        read
    });
    let mut times = 0;
    while raw.write(&next(times)) {
        times += 1;
        assert!(Instant::now() < deadline, "it takes everything");
    }
    let _ = raw.0.shutdown(std::net::Shutdown::Both);
    (reading.join().unwrap(), times)
}

fn kinds(read: &[u8]) -> Vec<u8> {
    let (mut kinds, mut rest) = (Vec::new(), read);
    while let [a, b, c, kind, ..] = rest {
        kinds.push(*kind);
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    kinds
}

#[test]
fn a_flood_of_continuations_ends_the_connection() {
    let mut victim = Victim::start();
    let mut raw = http_2(&victim);
    raw.write(&frame(HEADERS, END_STREAM, 1, &fields(&[(":method", "GET")])));
    let more = frame(CONTINUATION, 0, 1, &fields(&[("x", "a value of some length"); 400]));
    let (read, times) = until_closed(raw, |_| more.clone());
    assert!(kinds(&read).contains(&GO_AWAY), "{:?}", kinds(&read));
    assert!(times < 1000, "ten megabytes are enough: {times}");
    assert_eq!(victim.got(), []);
    victim.is_unharmed("a flood of continuations");
}

#[test]
fn a_flood_of_resets_ends_the_connection() {
    let mut victim = Victim::start();
    let authority = victim.address.to_string();
    let block = fields(&[(":method", "GET"), (":scheme", "http"), (":authority", &authority), (":path", "/reset")]);
    let raw = http_2(&victim);
    let (read, times) = until_closed(raw, |time| {
        let stream = 1 + 2 * time as u32;
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, stream, &block);
        both.extend(frame(RESET, 0, stream, &[0, 0, 0, 8]));
        both
    });
    assert!(kinds(&read).contains(&GO_AWAY), "{:?}", kinds(&read));
    assert!(times < 100_000, "{times}");
    // What got through before is not more than was under way at once, again and again.
    victim.forget();
    victim.is_unharmed("a flood of resets");
}

/// The client makes the server reset streams, again and again ("MadeYouReset"): a window that grows by nothing is an error of
/// that stream (RFC 9113 §6.9).
#[test]
fn a_flood_of_errors_ends_the_connection() {
    let mut victim = Victim::start();
    let authority = victim.address.to_string();
    let block = fields(&[(":method", "GET"), (":scheme", "http"), (":authority", &authority), (":path", "/error")]);
    let raw = http_2(&victim);
    let (read, times) = until_closed(raw, |time| {
        let stream = 1 + 2 * time as u32;
        let mut both = frame(HEADERS, END_HEADERS, stream, &block);
        both.extend(frame(WINDOW_UPDATE, 0, stream, &[0; 4]));
        both
    });
    assert!(kinds(&read).contains(&GO_AWAY), "{:?}", kinds(&read));
    assert!(times < 100_000, "{times}");
    victim.forget();
    victim.is_unharmed("a flood of errors");
}

#[test]
fn floods_of_what_must_be_answered_take_no_memory() {
    let mut victim = Victim::start();
    for (what, flood) in [("settings", frame(SETTINGS, 0, 0, &[])), ("pings", frame(PING, 0, 0, &[7; 8]))] {
        // Written, and nothing is read: answers pile up somewhere, or the connection ends.
        let mut raw = http_2(&victim);
        raw.0.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let many = flood.repeat(1000);
        let _ = (0..1000).take_while(|_| raw.write(&many)).count();
        drop(raw);
        victim.is_unharmed(what);
    }
}

#[test]
fn tricks_of_http_2_are_refused() {
    let mut victim = Victim::start();
    let authority = victim.address.to_string();
    let base = [(":method", "POST"), (":scheme", "http"), (":authority", &*authority)];
    let with = |more: &[(&str, &str)]| {
        let all: Vec<_> = base.iter().chain(more).copied().collect();
        frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields(&all))
    };
    for (what, trick) in [
        ("a line break in a value", with(&[(":path", "/x"), ("x", "a\r\nX-Evil: 1")])),
        ("a line break in a name", with(&[(":path", "/x"), ("x\r\nx-evil", "1")])),
        ("a line break in the path", with(&[(":path", "/x HTTP/1.1\r\nX-Evil: 1")])),
        ("a blank in the path", with(&[(":path", "/x /smuggled")])),
        ("NUL in a value", with(&[(":path", "/x"), ("x", "a\0b")])),
        ("capitals in a name", with(&[(":path", "/x"), ("X-Evil", "1")])),
        ("a header of the connection", with(&[(":path", "/x"), ("connection", "close")])),
        ("a transfer coding", with(&[(":path", "/x"), ("transfer-encoding", "chunked")])),
        ("two paths", with(&[(":path", "/x"), (":path", "/smuggled")])),
        ("a field for requests after others", with(&[("x", "a"), (":path", "/smuggled")])),
        ("a field that is none", with(&[(":path", "/x"), (":evil", "1")])),
        ("no path", with(&[])),
        ("an empty path", with(&[(":path", "")])),
        ("a length that is not that of the body", with(&[(":path", "/x"), ("content-length", "9")])),
        ("a foreign host beside the authority", with(&[(":path", "/x"), ("host", "evil.example"), ("host", "two")])),
        ("an answer", frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields(&[(":status", "200")]))),
        ("a stream of ours", frame(HEADERS, END_STREAM | END_HEADERS, 2, &fields(&base))),
        ("a table that is not there", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff, 0xff, 0xff, 0x7f])),
        ("a frame longer than allowed", frame(HEADERS, END_HEADERS, 1, &[0; 20_000])),
    ] {
        let mut raw = http_2(&victim);
        raw.write(&trick);
        let answers = raw.answers();
        assert!(!answers.text.contains("evil"), "{what}");
        assert_eq!(victim.got(), [], "{what}");
    }
    victim.is_unharmed("tricks of HTTP/2");
}

#[test]
fn who_is_slow_loses_its_connection_and_nobody_else_anything() {
    let mut victim = Victim::start();
    let begun = Instant::now();
    let request = format!("POST /x HTTP/1.1\r\nHost: {}\r\n", victim.address);
    let mut slow: Vec<Raw> = (0..200).map(|_| Raw::connect(victim.address)).collect();
    slow.iter_mut().for_each(|raw| assert!(raw.write(request.as_bytes())));
    // One more byte now and then does not help: the head has one limit, from its first byte to its last.
    let mut dripping = slow.pop().unwrap();
    let mut byte = [0];
    dripping.0.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    while dripping.write(b"X") && dripping.0.read(&mut byte).is_err() {
        assert!(begun.elapsed() < PATIENCE, "it drips for ever");
    }
    for raw in slow {
        let answers = raw.answers();
        assert_eq!((answers.statuses.as_slice(), answers.closed), (&[408][..], true));
    }
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(victim.got(), []);
    victim.is_unharmed("slow clients");
}
