//! Event streams, cut in every way: where events end does not depend on how the bytes arrive. The first byte of an
//! input is the length of the pieces, the rest is the stream.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_proxy::proxy::fuzzing::boundary;

/// True if an empty line ends the stream so far, or nothing came yet (WHATWG HTML §9.2.6).
fn ends_an_event(stream: &[u8]) -> bool {
    let text: Vec<u8> = String::from_utf8_lossy(stream).replace("\r\n", "\n").replace('\r', "\n").into_bytes();
    text.is_empty() || text == b"\n" || text.ends_with(b"\n\n") || text.iter().all(|byte| *byte == b'\n')
}

fuzz_target!(|input: &[u8]| {
    let Some((length, stream)) = input.split_first() else { return };
    let (whole, between) = boundary([stream]);
    assert_eq!(between, ends_an_event(stream));
    let last = (1..=stream.len()).rev().find(|end| ends_an_event(&stream[..*end]));
    assert_eq!(whole, last);
    for length in [1, usize::from(*length).max(1)] {
        assert_eq!(boundary(stream.chunks(length)), (whole, between), "in pieces of {length}");
    }
    for cut in 0..stream.len().min(64) {
        let (before, after) = stream.split_at(cut);
        assert_eq!(boundary([before, after]), (whole, between), "cut at {cut}");
    }
});
