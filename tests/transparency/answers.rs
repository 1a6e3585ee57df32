//! Answers: statuses, headers and bodies as upstreams give them.

use crate::exchange::Step::{Ask, Close, Hear, Read, ReadEnd, ReadPart, Reset, Say};
use crate::script::{Case, binary, chunk, chunked, many_headers, wire, with};

const GET: &str = "GET /mcp HTTP/1.1\nHost: localhost\n\n";
const HEAD: &str = "HEAD /mcp HTTP/1.1\nHost: localhost\n\n";
const POST: &str = "POST /mcp HTTP/1.1\nHost: localhost\nContent-Length: 2\n\n{}";

pub(crate) fn statuses() -> Vec<Case> {
    let mut cases = Vec::new();
    // 401 is not among them: it means the proxy's own token, and is told by tests/token_life.rs.
    for status in [
        200, 201, 202, 203, 205, 206, 207, 226, 299, 300, 303, 305, 307, 400, 402, 403, 404, 405, 406, 407, 408, 409,
        410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 425, 426, 428, 429, 431, 444, 451, 499, 500, 501,
        502, 503, 504, 505, 511, 599, 600, 999,
    ] {
        let body =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":null,\r\n \"error\":{{\"code\":-32020,\"message\":\"{status}\"}}}}");
        let head =
            format!("HTTP/1.1 {status} A Reason\nContent-Type: application/json\nContent-Length: {}\n\n", body.len());
        cases.push(Case::of_one(format!("status {status}"), wire(POST), with(&head, body.as_bytes())));
        let empty = format!("HTTP/1.1 {status} A Reason\nContent-Length: 0\n\n");
        cases.push(Case::of_one(format!("status {status} with an empty body"), wire(POST), wire(&empty)));
    }
    for (name, line) in [
        ("the usual reason", "404 Not Found"),
        ("another reason", "404 Session terminated (see docs)"),
        ("an empty reason", "200 "),
        ("a reason of other letters", "200 \u{4f60}\u{597d}"),
    ] {
        let answer = format!("HTTP/1.1 {line}\nContent-Length: 0\n\n");
        cases.push(Case::of_one(format!("status line with {name}"), wire(GET), wire(&answer)));
    }
    for (request, answer) in [
        (HEAD, "200 OK\nContent-Length: 1000\n\n"),
        (HEAD, "200 OK\nContent-Length: 0\n\n"),
        (HEAD, "200 OK\n\n"),
        (HEAD, "200 OK\nTransfer-Encoding: chunked\n\n"),
        (HEAD, "404 Not Found\nContent-Length: 7\nContent-Type: text/plain\n\n"),
        (HEAD, "204 No Content\n\n"),
        (GET, "204 No Content\n\n"),
        (POST, "204 No Content\n\n"),
        (GET, "304 Not Modified\nETag: \"x\"\n\n"),
        (GET, "304 Not Modified\nETag: \"x\"\nContent-Length: 1000\n\n"),
        (HEAD, "304 Not Modified\nETag: \"x\"\nContent-Length: 1000\n\n"),
        (POST, "202 Accepted\nContent-Length: 0\n\n"),
        (POST, "202 Accepted\nTransfer-Encoding: chunked\n\n0\n\n"),
    ] {
        let method = request.split(' ').next().unwrap();
        let name = format!("{method}: {}", answer.trim_end().replace('\n', ", "));
        cases.push(Case::of_one(name, wire(request), wire(&format!("HTTP/1.1 {answer}"))));
    }
    cases
}

pub(crate) fn headers() -> Vec<Case> {
    let lines: [(&str, &[u8]); 22] = [
        ("none", b""),
        ("of MCP", b"Mcp-Session-Id: sEsSiOn\nMCP-Protocol-Version: 2025-11-25\n"),
        ("of content", b"Content-Type: application/json; charset=utf-8\nContent-Language: zh\nContent-Location: /x\n"),
        (
            "of caches",
            b"Cache-Control: private, max-age=0\nETag: W/\"a\"\nLast-Modified: x\nExpires: 0\nAge: 3\nVary: a\n",
        ),
        ("when to come back", b"Retry-After: 3\nX-RateLimit-Remaining: 0\nRateLimit: \"d\";r=0\n"),
        ("a date", b"Date: Sun, 06 Nov 1994 08:49:37 GMT\n"),
        ("a date that is none", b"Date: yesterday\n"),
        ("unknown ones", b"Server: x/1\nVia: 1.1 before\nX-Powered-By: y\nLink: </a>; rel=next\nAllow: GET, POST\n"),
        ("a location without a redirect", b"Location: https://elsewhere.example/x\n"),
        ("one name many times", b"X-Twice: b\nX-Other: 1\nx-twice: a\nX-TWICE: b\nX-Twice: \nX-Twice: a, b\n"),
        ("values of other alphabets", b"X-Raw: \xe4\xbd\xa0\nX-Raw: \x80\xff\xfe\nX-Raw: a\tb\n"),
        ("empty values and blanks", b"X-Empty:\nX-Blank:  \t a  b \t \nX-Tight:c\n"),
        ("cookies", b"Set-Cookie: a=b; Path=/\nSet-Cookie: c=d\n"),
        ("challenges", b"WWW-Authenticate: Bearer resource_metadata=\"https://x/\"\nProxy-Authenticate: Basic\n"),
        ("policies", b"Strict-Transport-Security: max-age=1\nAlt-Svc: h3=\":443\"\nClear-Site-Data: \"*\"\n"),
        ("for web pages", b"Access-Control-Allow-Origin: *\nAccess-Control-Expose-Headers: x\nVary: origin\n"),
        ("security of pages", b"Content-Security-Policy: x\nX-Content-Type-Options: nosniff\nX-Frame-Options: DENY\n"),
        ("of the connection", b"Connection: close\nKeep-Alive: timeout=5\nTrailer: X-Sum\nUpgrade: h2c\n"),
        ("named by the connection", b"Connection: X-Hop\nX-Hop: 1\nX-Stays: 2\nConnection: x-also , ,\nX-ALSO: 3\n"),
        ("an event stream's", b"Content-Type: Text/Event-Stream\nCache-Control: no-store\nX-Accel-Buffering: yes\n"),
        ("250 of them", b""),
        ("one of 60 KiB", b""),
    ];
    let mut cases = Vec::new();
    for (name, lines) in lines {
        let mut lines: Vec<u8> = lines.to_vec();
        match name {
            "250 of them" => lines = many_headers(250).into_bytes(),
            "one of 60 KiB" => lines = format!("X-Long: {}\n", "ab".repeat(30 * 1024)).into_bytes(),
            _ => {}
        }
        let text = [b"HTTP/1.1 200 OK\n", &lines[..], b"Content-Length: 0\n\n"].concat();
        let answer = text.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        cases.push(Case::of_one(format!("answer headers: {name}"), wire(POST), answer));
    }
    let bare = "HTTP/1.1 200 OK\nContent-Type: text/event-stream\nTransfer-Encoding: chunked\n\n0\n\n";
    cases.push(Case::of_one("answer headers: a bare event stream's", wire(POST), wire(bare)));
    let kept = "HTTP/1.1 200 OK\nSet-Cookie: a=b\nContent-Type: text/event-streams\nContent-Length: 0\n\n";
    let not_modified = "HTTP/1.1 304 Not Modified\nContent-Length: 1000\n\n";
    cases.push(Case::of_one("answer headers: a length without a body", wire(GET), wire(not_modified)));
    cases.push(Case::of_one("answer headers: what only looks like an event stream's", wire(POST), wire(kept)));
    cases
}

pub(crate) fn bodies() -> Vec<Case> {
    let mut cases = Vec::new();
    let head = |lines: &str| format!("HTTP/1.1 200 OK\n{lines}\n\n");
    let until_close = |answer: Vec<u8>| [Ask(wire(GET)), Hear, Say(answer), Close, Read];
    for length in [0, 1, 64 * 1024, 5 * 1024 * 1024] {
        let body = binary(length);
        let answer = with(&head(&format!("Content-Length: {length}")), &body);
        cases.push(Case::of_one(format!("answer of {length} bytes, length said"), wire(GET), answer));
        let answer = with(&head("Transfer-Encoding: chunked"), &chunked(&body, 10_000));
        cases.push(Case::of_one(format!("answer of {length} bytes, in chunks"), wire(GET), answer));
        let answer = with(&head("Connection: close"), &body);
        cases.push(Case::new(format!("answer of {length} bytes, ended by the connection"), until_close(answer)));
        let answer = with("HTTP/1.0 200 OK\nContent-Type: text/plain\n\n", &body);
        cases.push(Case::new(format!("answer of {length} bytes, of HTTP/1.0"), until_close(answer)));
    }
    let many = with(&head("Transfer-Encoding: chunked"), &chunked(&binary(2_000), 1));
    cases.push(Case::of_one("answer in chunks of one byte", wire(GET), many));
    let extended = b"3;name=value;x=\"y\"\r\nabc\r\n0003\r\ndef\r\nA ;z\r\n0123456789\r\n0\r\n\r\n";
    let answer = with(&head("Transfer-Encoding: chunked"), extended);
    cases.push(Case::of_one("answer in chunks with extensions", wire(GET), answer));
    let takes_trailers = wire("GET /mcp HTTP/1.1\nHost: localhost\nTE: trailers\nConnection: TE\n\n");
    for kind in ["application/json", "text/event-stream"] {
        let lines = format!("Content-Type: {kind}\nTransfer-Encoding: chunked\nTrailer: X-Sum, X-Raw");
        let answer = with(&head(&lines), b"2\r\n\n\n\r\n0\r\nX-Sum: 7\r\nX-Raw: \xff\r\nX-Sum: 8\r\n\r\n");
        cases.push(Case::of_one(format!("{kind} with trailers"), takes_trailers.clone(), answer));
    }
    let zipped = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
    for kind in ["application/json", "text/event-stream"] {
        let lines = format!("Content-Type: {kind}\nContent-Encoding: gzip\n");
        let answer = with(&head(&format!("{lines}Content-Length: 20")), zipped);
        cases.push(Case::of_one(format!("compressed {kind}, length said"), wire(POST), answer));
        let answer = with(&head(&format!("{lines}Transfer-Encoding: chunked")), &chunked(zipped, 7));
        cases.push(Case::of_one(format!("compressed {kind}, in chunks"), wire(POST), answer));
    }
    let length = Say(wire(&head("Content-Length: 6")));
    let pieces = [Say(b"ab".to_vec()), ReadPart(2), Say(b"cd".to_vec()), ReadPart(4), Say(b"ef".to_vec()), Read];
    let script = [[Ask(wire(GET)), Hear, length.clone(), ReadPart(0)].as_slice(), &pieces].concat();
    cases.push(Case::new("answer in pieces, each read before the next, length said", script));
    let chunks = Say(wire(&head("Transfer-Encoding: chunked")));
    let pieces = [
        Say(chunk(b"ab")),
        ReadPart(2),
        Say(b"2\r\nc".to_vec()),
        ReadPart(3),
        Say(b"d\r\n".to_vec()),
        ReadPart(4),
        Say(b"0\r\n\r\n".to_vec()),
        Read,
    ];
    let script = [[Ask(wire(GET)), Hear, chunks.clone(), ReadPart(0)].as_slice(), &pieces].concat();
    cases.push(Case::new("answer in pieces, each read before the next, in chunks", script));
    for (end, ending) in [("closed", Close), ("reset", Reset)] {
        for (name, head, piece) in [
            ("before its length", &length, b"ab".to_vec()),
            ("before the last chunk", &chunks, chunk(b"ab")),
            ("within a chunk", &chunks, b"8\r\nab".to_vec()),
        ] {
            let script = [Ask(wire(GET)), Hear, head.clone(), Say(piece), ReadPart(2), ending.clone(), ReadEnd];
            cases.push(Case::new(format!("answer {end} {name}"), script));
        }
    }
    let script =
        [Ask(wire(GET)), Hear, Say(wire(&head("Connection: close"))), Say(b"ab".to_vec()), ReadPart(2), Reset, ReadEnd];
    cases.push(Case::new("answer reset that would end with the connection", script));
    cases
}
