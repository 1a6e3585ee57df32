//! Short words for scripts.

use std::fmt::Write as _;

use crate::exchange::Step;

/// A script with the name under which it is printed.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) script: Vec<Step>,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, script: impl Into<Vec<Step>>) -> Self {
        Self { name: name.into(), script: script.into() }
    }

    /// One request and its answer, both whole.
    pub(crate) fn of_one(name: impl Into<String>, request: impl Into<Vec<u8>>, answer: impl Into<Vec<u8>>) -> Self {
        Self::new(name, [Step::Ask(request.into()), Step::Hear, Step::Say(answer.into()), Step::Read])
    }
}

/// An answer with a short body; what it is does not matter to the case.
pub(crate) const FINE: &str = "HTTP/1.1 200 OK\nDate: Sun, 22 Nov 2026 00:00:00 GMT\nContent-Length: 2\n\n{}";

/// Text in which `\n` stands for CRLF. For heads: a body may mean what it says.
pub(crate) fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// A head as [`wire`] has it, and a body.
pub(crate) fn with(head: &str, body: &[u8]) -> Vec<u8> {
    [&wire(head), body].concat()
}

/// A body in chunks of this size, with the last one.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in body.chunks(size) {
        wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

/// One chunk, which is not the last.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// So many bytes, every value among them, in no order that repeats soon.
pub(crate) fn binary(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31) ^ (at >> 8)) as u8).collect()
}

/// So many header lines.
pub(crate) fn many_headers(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "X-Many-{number}: {number}");
        text
    })
}
