//! Where events of an event stream end (WHATWG HTML §9.2): so that a stream can be ended, or a comment be put,
//! between two of them.

/// Follows a stream and knows whether it is between two events. Lines end with LF, CRLF or CR.
///
/// An event ends with an empty line, which shows in the last three bytes: no others are looked at.
#[derive(Debug)]
pub(super) struct EventBoundary {
    tail: Tail,
}

type Tail = [u8; 3];

impl Default for EventBoundary {
    /// At the beginning of a stream, which is a boundary.
    fn default() -> Self {
        Self { tail: [b'\n'; 3] }
    }
}

impl EventBoundary {
    /// More of the stream passes.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        for byte in &bytes[bytes.len().saturating_sub(self.tail.len())..] {
            self.tail = pushed(self.tail, *byte);
        }
    }

    /// True between two events.
    pub(super) fn is_between(&self) -> bool {
        ends_with_empty_line(self.tail)
    }

    /// Where in `bytes`, which come next, the first event ends, if one does.
    pub(super) fn first_in(&self, bytes: &[u8]) -> Option<usize> {
        let mut tail = self.tail;
        bytes
            .iter()
            .position(|byte| {
                tail = pushed(tail, *byte);
                ends_with_empty_line(tail)
            })
            .map(|at| at + 1)
    }

    /// Up to where `bytes`, which come next, hold whole events, if any event ends in them.
    pub(super) fn last_in(&self, bytes: &[u8]) -> Option<usize> {
        let mut tail = self.tail;
        let mut last = None;
        for (at, byte) in bytes.iter().enumerate() {
            tail = pushed(tail, *byte);
            if ends_with_empty_line(tail) {
                last = Some(at + 1);
            }
        }
        last
    }
}

fn pushed([_, second, third]: Tail, byte: u8) -> Tail {
    [second, third, byte]
}

fn ends_with_empty_line(tail: Tail) -> bool {
    let before = match tail {
        [before, b'\r', b'\n'] => before,
        [_, before, b'\r' | b'\n'] => before,
        _ => return false,
    };
    matches!(before, b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_with_every_line_ending_and_every_cut() {
        for stream in
            ["data: a\n\n", "data: a\r\n\r\n", "data: a\r\r", "id: 1\ndata:\n\n", ":\n\n", "event: x\r\ndata: y\n\r\n"]
        {
            for cut in 0..stream.len() {
                let mut boundary = EventBoundary::default();
                boundary.pass(&stream.as_bytes()[..cut]);
                boundary.pass(&stream.as_bytes()[cut..]);
                assert!(boundary.is_between(), "{stream:?} cut at {cut}");
                boundary.pass(b"d");
                assert!(!boundary.is_between());
            }
        }
    }

    #[test]
    fn the_last_boundary_of_a_piece_is_found() {
        for (piece, whole) in [
            ("data: a", None),
            ("a\n\ndata: b", Some("a\n\n")),
            ("a\r\n\r\nb\r\n\r\ndata", Some("a\r\n\r\nb\r\n\r\n")),
            ("a\r\rb", Some("a\r\r")),
            ("a\n\n", Some("a\n\n")),
        ] {
            assert_eq!(EventBoundary::default().last_in(piece.as_bytes()), whole.map(str::len), "{piece:?}");
        }
        let mut boundary = EventBoundary::default();
        boundary.pass(b"data: a\r\n");
        assert_eq!(boundary.last_in(b"\r\ndata: b"), Some(2));
    }

    #[test]
    fn inside_an_event_is_no_boundary() {
        for stream in ["data: a", "data: a\n", "data: a\r", "data: a\r\n", "data: a\n\ndata: b\n"] {
            for cut in 0..stream.len() {
                let mut boundary = EventBoundary::default();
                boundary.pass(&stream.as_bytes()[..cut]);
                boundary.pass(&stream.as_bytes()[cut..]);
                assert!(!boundary.is_between(), "{stream:?} cut at {cut}");
            }
        }
    }
}
