//! Requests: methods, targets, headers and bodies as clients spell them.

use crate::exchange::Step::{Ask, Hear, HearPart, Read, Say};
use crate::script::{Case, FINE, binary, chunk, chunked, many_headers, wire, with};

pub(crate) fn methods() -> Vec<Case> {
    let mut cases = Vec::new();
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT", "get", "X-a!#$%&'*+.^_`|~9"] {
        let request = format!("{method} /mcp HTTP/1.1\nHost: localhost\n\n");
        let answer = if method == "HEAD" { FINE.trim_end_matches("{}") } else { FINE };
        cases.push(Case::of_one(format!("{method} without a body"), wire(&request), wire(answer)));
    }
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"] {
        let request = format!("{method} /mcp HTTP/1.1\nHost: localhost\nContent-Length: 4\n\nbody");
        cases.push(Case::of_one(format!("{method} with a body"), wire(&request), wire(FINE)));
    }
    cases
}

pub(crate) fn targets() -> Vec<Case> {
    let long = format!("/mcp/{}?{}", "a".repeat(16_000), "b=c&".repeat(4_000));
    let targets: [&[u8]; 28] = [
        b"/",
        b"//",
        b"//mcp//x//",
        b"/mcp/",
        b"/./mcp/../mcp/.",
        b"/mcp/%2e%2E/%2e/%252e",
        b"/mcp%2Fx%2f%5C%00%7f",
        b"/mcp;v=1/x;y,z@w:8~$&+=!*()",
        b"/mcp'quote'",
        b"/mcp|bar",
        b"/mcp\\back",
        b"/mcp^caret[1]",
        b"/mcp\"{double}\"",
        b"/mcp/%E4%BD%A0/%e4%bd%a0/%ff%fe",
        b"/mcp/\xe4\xbd\xa0",
        b"/mcp?",
        b"/mcp??",
        b"/mcp???a=?",
        b"/mcp?&&a&=b&&",
        b"/mcp?a=1&a=2&a",
        b"/mcp?u=https://x.example/?y=1&p=/../..//",
        b"/mcp?q=%20+%2B%23'|`^{}[]\\",
        b"/mcp?q=\xe4\xbd\xa0",
        b"/mcp?access_token=secret&code=secret&sig=a%2Bb%3D",
        b"/mcp.html?a;b;c",
        b"/accounts/1/custom/a/id/b/mcp?sessionId=AbC-_~",
        b"/health/x",
        long.as_bytes(),
    ];
    let case = |target: &&[u8]| {
        let name = match target.len() {
            0..=60 => format!("target {}", target.escape_ascii()),
            length => format!("target of {length} bytes"),
        };
        let request = [b"GET ".as_slice(), target, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat();
        Case::of_one(name, request, wire(FINE))
    };
    targets.iter().map(case).collect()
}

pub(crate) fn headers() -> Vec<Case> {
    let lines: [(&str, &[u8]); 27] = [
        ("none", b""),
        ("of MCP", b"MCP-Protocol-Version: 2026-07-28\nMcp-Session-Id: sEsSiOn-\x7e\nLast-Event-ID: 7\n"),
        ("of MCP for routing", b"Mcp-Method: tools/call\nMcp-Name: =?base64?5L2g?=\nMcp-Param-City: Hangzhou\n"),
        ("of traces", b"traceparent: 00-1-2-00\ntracestate: a=b\ntracestate: c=d\nbaggage: k=v\n"),
        ("of content", b"Accept: application/json, text/event-stream\nAccept-Language: zh\nUser-Agent: a (b) c/1\n"),
        ("compression asked for", b"Accept-Encoding: gzip;q=0.5, br, *;q=0\n"),
        (
            "conditions and ranges",
            b"If-None-Match: \"a\", W/\"b\"\nIf-Match: *\nRange: bytes=0-1\nCache-Control: no-cache\n",
        ),
        ("unknown ones", b"X-Unknown: 1\nPriority: u=1\nVia: 1.1 before\nMax-Forwards: 3\nX-API-Key: k\nDate: x\n"),
        ("one name many times", b"X-Twice: b\nX-Other: 1\nx-twice: a\nX-TWICE: b\nX-Twice: \nX-Twice: a, b\n"),
        ("values of other alphabets", b"X-Raw: \xe4\xbd\xa0\nX-Raw: \x80\xff\xfe\nX-Raw: a\tb\n"),
        ("empty values", b"X-Empty:\nX-Empty:   \nX-Also-Empty: \n"),
        ("blanks around values", b"X-Blank:  \t a  b \t \nX-Tight:c\n"),
        ("quotes and separators", b"X-Odd: \"a\\\"b\", (c), ;=,:@/?<>{}[]\n"),
        ("authorization", b"Authorization: Bearer the-clients-own\nAuthorization: Basic eA==\n"),
        ("cookies", b"Cookie: a=b\nCookie: c=d\n"),
        ("origin and referrer", b"Origin: http://localhost\nReferer: http://localhost/page\n"),
        ("of browsers", b"Sec-Fetch-Mode: cors\nSec-CH-UA: \"x\"\nSec-WebSocket-Key: x\n"),
        ("of proxies before", b"Forwarded: for=::1\nX-Forwarded-For: ::1\nX-Forwarded-Host: x\nX-Real-IP: ::1\n"),
        ("credentials for a proxy", b"Proxy-Authorization: Basic eA==\nProxy-Connection: keep-alive\n"),
        ("a key for this proxy", b"X-MCP-Proxy-Key: \n"),
        ("of the connection", b"Connection: keep-alive\nKeep-Alive: timeout=5\nTE: trailers\nTrailer: X-Sum\n"),
        ("named by the connection", b"Connection: X-Hop\nX-Hop: 1\nX-Stays: 2\nConnection: x-also , ,\nX-ALSO: 3\n"),
        ("an upgrade", b"Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQ\n"),
        ("names of odd characters", b"!#$%&'*+-.^_`|~9: 1\n"),
        ("expectation without a body", b"Expect: 100-continue\n"),
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
        let text = [b"GET /mcp HTTP/1.1\nHost: localhost\n", &lines[..], b"\n"].concat();
        let request = text.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        cases.push(Case::of_one(format!("request headers: {name}"), request, wire(FINE)));
    }
    let chunked = wire("POST /mcp HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n1\na\n0\n\n");
    cases.push(Case::of_one("request headers: transfer encoding", chunked, wire(FINE)));
    cases
}

pub(crate) fn bodies() -> Vec<Case> {
    let mut cases = Vec::new();
    let head = |framing: &str| format!("POST /mcp HTTP/1.1\nHost: localhost\n{framing}\n\n");
    for length in [0, 1, 64 * 1024, 5 * 1024 * 1024] {
        let body = binary(length);
        let request = with(&head(&format!("Content-Length: {length}")), &body);
        cases.push(Case::of_one(format!("upload of {length} bytes, length said"), request, wire(FINE)));
        let request = with(&head("Transfer-Encoding: chunked"), &chunked(&body, 10_000));
        cases.push(Case::of_one(format!("upload of {length} bytes, in chunks"), request, wire(FINE)));
    }
    let many = chunked(&binary(2_000), 1);
    cases.push(Case::of_one(
        "upload in chunks of one byte",
        with(&head("Transfer-Encoding: chunked"), &many),
        wire(FINE),
    ));
    let extended = b"3;name=value;x=\"y\"\r\nabc\r\n0003\r\ndef\r\nA ;z\r\n0123456789\r\n0\r\n\r\n";
    let request = with(&head("Transfer-Encoding: chunked"), extended);
    cases.push(Case::of_one("upload in chunks with extensions", request, wire(FINE)));
    let lines = "Transfer-Encoding: chunked\nTrailer: X-Sum, X-Raw";
    let request = with(&head(lines), b"2\r\nab\r\n0\r\nX-Sum: 7\r\nX-Raw: \xff\r\nX-Sum: 8\r\n\r\n");
    cases.push(Case::of_one("upload with trailers", request, wire(FINE)));
    let call = r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"你好","arguments":{"a":1e3}}}"#;
    let request =
        with(&head(&format!("Content-Type: application/json\nContent-Length: {}", call.len())), call.as_bytes());
    cases.push(Case::of_one("upload of JSON, to the letter", request, wire(FINE)));
    let batch = " [ {\"id\":1}\r\n,\t{\"id\":1} ] \n";
    let request = with(&head(&format!("Content-Length: {}", batch.len())), batch.as_bytes());
    cases.push(Case::of_one("upload of a batch, blanks and all", request, wire(FINE)));
    let zipped = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
    let request = with(&head("Content-Encoding: gzip\nContent-Type: application/json\nContent-Length: 20"), zipped);
    cases.push(Case::of_one("upload of compressed JSON", request, wire(FINE)));
    let pieces = [
        Ask(wire(&head("Content-Length: 6"))),
        HearPart(0),
        Ask(b"ab".to_vec()),
        HearPart(2),
        Ask(b"cd".to_vec()),
        HearPart(4),
        Ask(b"ef".to_vec()),
        Hear,
        Say(wire(FINE)),
        Read,
    ];
    cases.push(Case::new("upload in pieces, each heard before the next, length said", pieces));
    let pieces = [
        Ask(wire(&head("Transfer-Encoding: chunked"))),
        HearPart(0),
        Ask(chunk(b"ab")),
        HearPart(2),
        Ask(b"2\r\nc".to_vec()),
        HearPart(3),
        Ask(b"d\r\n".to_vec()),
        HearPart(4),
        Ask(b"0\r\n\r\n".to_vec()),
        Hear,
        Say(wire(FINE)),
        Read,
    ];
    cases.push(Case::new("upload in pieces, each heard before the next, in chunks", pieces));
    cases
}
