//! What is not passed on at all, and how that is said.

use crate::exchange::Step::{Ask, Read};
use crate::exchange::play;
use crate::script::{many_headers, wire};
use crate::{Bench, TOKEN};

/// Each is answered here with this status, and nothing reaches the upstream.
#[tokio::test]
async fn what_is_no_request_for_an_upstream_is_not_passed_on() {
    let mut bench = Bench::start("[limits]\nrequest_body = \"999\"\n").await;
    let with_lines = |lines: &str| wire(&format!("POST /mcp HTTP/1.1\nHost: localhost\n{lines}\n"));
    let get = |target: &[u8]| [b"GET ", target, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat();
    for (name, request, status) in [
        ("TRACE, whose answer would hold the token", wire("TRACE /mcp HTTP/1.1\nHost: localhost\n\n"), 501),
        ("a tunnel", wire("CONNECT localhost:80 HTTP/1.1\nHost: localhost\n\n"), 501),
        ("the server as a whole", wire("OPTIONS * HTTP/1.1\nHost: localhost\n\n"), 501),
        ("another host", get(b"http://elsewhere.example/mcp"), 403),
        ("no host", wire("GET /mcp HTTP/1.1\n\n"), 400),
        ("two hosts", wire("GET /mcp HTTP/1.1\nHost: localhost\nHost: localhost\n\n"), 400),
        ("a target that is neither ASCII nor UTF-8", get(b"/mcp?q=\xff"), 400),
        ("a target with a blank", get(b"/m cp"), 400),
        ("a target with a control character", get(b"/mcp\x01"), 400),
        ("a header line that is folded", wire("GET /mcp HTTP/1.1\nHost: localhost\nX: a\n b\n\n"), 400),
        ("a header name with a blank", wire("GET /mcp HTTP/1.1\nHost: localhost\nX : a\n\n"), 400),
        ("a header value with a NUL", wire("GET /mcp HTTP/1.1\nHost: localhost\nX: a\0b\n\n"), 400),
        ("two lengths", wire("POST /mcp HTTP/1.1\nHost: localhost\nContent-Length: 1\nContent-Length: 2\n\nab"), 400),
        ("a target beyond 32 KiB", get(format!("/mcp?{}", "a".repeat(32 * 1024)).as_bytes()), 414),
        ("a head beyond 64 KiB", with_lines(&format!("X-Long: {}\n", "a".repeat(64 * 1024))), 431),
        ("more than 256 header lines", with_lines(&many_headers(256)), 431),
        ("a body beyond the limit, its length said", with_lines("Content-Length: 1000\n"), 413),
        ("chunks in HTTP/1.0", wire("POST /mcp HTTP/1.0\nTransfer-Encoding: chunked\n\n0\n\n"), 400),
    ] {
        let to = bench.proxy.address;
        let seen = play(&mut bench.upstream, to, &[Ask(request), Read], name).await;
        let answer = &seen.answers[0];
        assert_eq!((answer.status(), seen.requests.len()), (status, 0), "{name}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(TOKEN));
        println!("{status}: {name}");
    }
}
