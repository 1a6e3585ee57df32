//! Two requests in one: lengths that can be read in two ways, lines that end in two ways, chunks that are none.

use crate::wire::{Attack, Victim};

/// RFC 9112 §6.3: of both, chunked counts and the connection ends; of several lengths only equal ones are one.
#[test]
fn two_lengths_are_one_or_none() {
    Victim::start().withstands(&[
        Attack(
            "both, length first",
            "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n@I",
            &[200],
            true,
        ),
        Attack(
            "both, coding first",
            "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\nContent-Length: 40\r\n\r\n0\r\n\r\n@I",
            &[200],
            true,
        ),
        Attack(
            "two that differ",
            "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length: 0\r\nContent-Length: @N\r\n\r\n@I",
            &[400],
            false,
        ),
        Attack(
            "two that are equal",
            "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
            &[200],
            true,
        ),
        Attack("a list", "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length: 0, @N\r\n\r\n@I", &[400], false),
        Attack("a list of equal ones", "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length: 2, 2\r\n\r\n{}", &[400], false),
        Attack("with a plus", "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length: +2\r\n\r\n{}", &[400], false),
        Attack("negative", "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length: -2\r\n\r\n{}", &[400], false),
        Attack("hexadecimal", "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length: 0x2\r\n\r\n{}", &[400], false),
        Attack("with a blank", "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length: 2 2\r\n\r\n{}", &[400], false),
        Attack("empty", "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length: \r\n\r\n{}", &[400], false),
        Attack(
            "beyond 64 bits",
            "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length: 18446744073709551618\r\n\r\n{}",
            &[400],
            false,
        ),
        Attack(
            "beyond the limit",
            "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length: 99999999999\r\n\r\n{}",
            &[413],
            false,
        ),
        Attack(
            "a blank before the colon",
            "POST @T HTTP/1.1\r\nHost: @H\r\nContent-Length : 2\r\n\r\n{}",
            &[400],
            false,
        ),
    ]);
}

/// RFC 9112 §6.1: what is not understood is not passed on either.
#[test]
fn a_coding_is_chunked_or_refused() {
    Victim::start().withstands(&[
        Attack("another name", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n@I", &[400], false),
        Attack("identity", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: identity\r\n\r\n@I", &[400], false),
        Attack("chunked is not last", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n@I", &[400], false),
        Attack("identity before it", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n@I", &[501], false),
        Attack("gzip before it", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n@I", &[501], false),
        Attack("twice", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n@I", &[501], false),
        Attack("twice in a line", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n@I", &[501], false),
        Attack("another one after it", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n@I", &[400], false),
        Attack("a vertical tab", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n@I", &[400], false),
        Attack("quoted", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n@I", &[400], false),
        Attack("empty", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: \r\n\r\n@I", &[400], false),
        Attack("a blank before the colon", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n@I", &[400], false),
        Attack("folded", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n@I", &[400], false),
        Attack("in HTTP/1.0", "POST @T HTTP/1.0\r\nHost: @H\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n@I", &[400], false),
        Attack("in capitals, which is chunked", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n@I", &[200, 403], true),
        Attack("after a tab, which is chunked", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n@I", &[200, 403], true),
    ]);
}

/// RFC 9112 §2.2 and §5.2. A line that ends with LF alone is a line, and what the upstream gets has none of them.
#[test]
fn a_line_ends_in_one_way() {
    Victim::start().withstands(&[
        Attack(
            "a folded line",
            "POST @T HTTP/1.1\r\nHost: @H\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}",
            &[400],
            false,
        ),
        Attack(
            "a folded line that hides a length",
            "POST @T HTTP/1.1\r\nHost: @H\r\nX-A: b\r\n Content-Length: @N\r\n\r\n@I",
            &[400],
            false,
        ),
        Attack(
            "a blank before the first header",
            "POST @T HTTP/1.1\r\n Host: @H\r\nContent-Length: 2\r\n\r\n{}",
            &[400],
            false,
        ),
        Attack(
            "CR alone in a value",
            "POST @T HTTP/1.1\r\nHost: @H\r\nX: a\rContent-Length: @N\r\n\r\n@I",
            &[400],
            false,
        ),
        Attack(
            "CR alone in a name",
            "POST @T HTTP/1.1\r\nHost: @H\r\nX\r: a\r\nContent-Length: 2\r\n\r\n{}",
            &[400],
            false,
        ),
        Attack("CR alone in the target", "GET @T\r/smuggled HTTP/1.1\r\nHost: @H\r\n\r\n", &[400], false),
        Attack(
            "LF alone everywhere",
            "POST @T HTTP/1.1\nHost: @H\nConnection: close\nContent-Length: 2\n\n{}",
            &[200],
            true,
        ),
        Attack(
            "LF alone before a length",
            "POST @T HTTP/1.1\r\nHost: @H\r\nX: a\nContent-Length: @N\r\nConnection: close\r\n\r\n@I",
            &[200],
            true,
        ),
        Attack(
            "LF alone before the body",
            "POST @T HTTP/1.1\r\nHost: @H\r\nConnection: close\r\nContent-Length: @N\r\n\n@I",
            &[200],
            true,
        ),
    ]);
}

/// RFC 9110 §5.1 and §5.5.
#[test]
fn what_is_no_header_is_no_request() {
    Victim::start().withstands(&[
        Attack(
            "NUL in a value",
            "POST @T HTTP/1.1\r\nHost: @H\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}",
            &[400],
            false,
        ),
        Attack("NUL in a name", "POST @T HTTP/1.1\r\nHost: @H\r\nX\0: a\r\nContent-Length: 2\r\n\r\n{}", &[400], false),
        Attack("no name", "POST @T HTTP/1.1\r\nHost: @H\r\n: a\r\nContent-Length: 2\r\n\r\n{}", &[400], false),
        Attack("no colon", "POST @T HTTP/1.1\r\nHost: @H\r\nnonsense\r\nContent-Length: 2\r\n\r\n{}", &[400], false),
        Attack(
            "a blank in a name",
            "POST @T HTTP/1.1\r\nHost: @H\r\nX Y: a\r\nContent-Length: 2\r\n\r\n{}",
            &[400],
            false,
        ),
        Attack(
            "a letter that is not ASCII",
            "POST @T HTTP/1.1\r\nHost: @H\r\nX\u{e9}: a\r\nContent-Length: 2\r\n\r\n{}",
            &[400],
            false,
        ),
        Attack(
            "DEL in a value",
            "POST @T HTTP/1.1\r\nHost: @H\r\nX: a\x7fb\r\nContent-Length: 2\r\n\r\n{}",
            &[400],
            false,
        ),
        Attack(
            "ESC in a value",
            "POST @T HTTP/1.1\r\nHost: @H\r\nX: a\x1b[2Jb\r\nContent-Length: 2\r\n\r\n{}",
            &[400],
            false,
        ),
    ]);
}

/// RFC 9112 §7.1. What had come before may have been passed on, but the upstream never gets the end of it.
#[test]
fn what_is_no_chunk_ends_the_connection() {
    Victim::start().withstands(&[
        Attack("LF in an extension", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\n\r\n2;\nxx\r\n{}\r\n0\r\n\r\n", &[502], false),
        Attack("a size beyond 64 bits", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n", &[502], false),
        Attack("a size with 0x", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", &[502], false),
        Attack("a negative size", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", &[502], false),
        Attack("a blank before the size", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\n{}\r\n0\r\n\r\n", &[502], false),
        Attack("no size", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n", &[502], false),
        Attack("LF alone after the size", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n", &[502], false),
        Attack("CR alone after the size", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\n\r\n2\r{}\r\n0\r\n\r\n", &[502], false),
        Attack("LF alone after the data", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n", &[502], false),
        Attack("more data than said", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n", &[502], false),
        Attack("an extension, which goes no further", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n", &[200], true),
        Attack("a length as a trailer, which goes no further", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nTrailer: content-length\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: @N\r\n\r\n", &[200], true),
        Attack("a credential as a trailer, which goes no further", "POST @T HTTP/1.1\r\nHost: @H\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nTrailer: authorization\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: Bearer evil\r\n\r\n", &[200], true),
    ]);
}

/// RFC 9112 §3.
#[test]
fn what_is_no_request_line_is_refused() {
    Victim::start().withstands(&[
        Attack("no version", "GET /smuggled\r\n\r\n", &[400], false),
        Attack("HTTP/0.9", "GET @T HTTP/0.9\r\nHost: @H\r\n\r\n", &[400], false),
        Attack("HTTP/1.2", "GET @T HTTP/1.2\r\nHost: @H\r\n\r\n", &[400], false),
        Attack("HTTP/2.0", "GET @T HTTP/2.0\r\nHost: @H\r\n\r\n", &[400], false),
        Attack("two blanks", "GET  @T HTTP/1.1\r\nHost: @H\r\n\r\n", &[400], false),
        Attack("tabs", "GET\t@T\tHTTP/1.1\r\nHost: @H\r\n\r\n", &[400], false),
        Attack("a blank in the target", "GET @T y HTTP/1.1\r\nHost: @H\r\n\r\n", &[400], false),
        Attack("no method", " @T HTTP/1.1\r\nHost: @H\r\n\r\n", &[400], false),
        Attack("a method that is none", "GE(T @T HTTP/1.1\r\nHost: @H\r\n\r\n", &[400], false),
        Attack("NUL first", "\0\0GET @T HTTP/1.1\r\nHost: @H\r\n\r\n", &[400], false),
        Attack("a TLS hello", "\x16\x03\x01\x02\0\x01\0\x01\u{7f}\x03\x03\r\n\r\n", &[400], false),
        Attack("a SOCKS greeting", "\x05\x01\0\r\n\r\n", &[400], false),
        Attack("the preface of HTTP/2, broken off", "PRI * HTTP/2.0\r\nHost: @H\r\n\r\n", &[400], false),
        Attack(
            "the preface of HTTP/2, then HTTP/1.1",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: @H\r\n\r\n",
            &[],
            false,
        ),
        Attack(
            "empty lines first, which are passed over",
            "\r\n\r\nGET @T HTTP/1.1\r\nHost: @H\r\nConnection: close\r\n\r\n",
            &[200],
            true,
        ),
    ]);
}

/// Upgrades, tunnels and expectations: what follows is another request, judged like any other.
#[test]
fn no_connection_is_handed_over() {
    Victim::start().withstands(&[
        Attack("to h2c", "GET @T HTTP/1.1\r\nHost: @H\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n@I", &[200, 403], true),
        Attack("to a WebSocket", "GET @T HTTP/1.1\r\nHost: @H\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n@I", &[200, 403], true),
        Attack("an expectation", "POST @T HTTP/1.1\r\nHost: @H\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n@I", &[200, 403], true),
        Attack("a tunnel", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n@I", &[501, 403], false),
        Attack("a tunnel to ourselves", "CONNECT @H HTTP/1.1\r\nHost: @H\r\n\r\n", &[501], false),
        Attack("TRACE", "TRACE @T HTTP/1.1\r\nHost: @H\r\nConnection: close\r\n\r\n", &[501], false),
        Attack("OPTIONS of the server", "OPTIONS * HTTP/1.1\r\nHost: @H\r\nConnection: close\r\n\r\n", &[501], false),
        Attack("a body of GET, which is its body", "GET @T HTTP/1.1\r\nHost: @H\r\nConnection: close\r\nContent-Length: @N\r\n\r\n@I", &[200], true),
    ]);
}
