//! Where events of an event stream end (WHATWG HTML §9.2): so that a stream can be ended between two of them.

/// Follows a stream and knows whether it is between two events. Lines end with LF, CRLF or CR.
#[derive(Debug)]
pub(super) struct EventBoundary {
    /// Bytes of the current line, as far as it matters: is it empty?
    line_is_empty: bool,
    after_cr: bool,
    between: bool,
}

impl EventBoundary {
    /// At the beginning of a stream, which is a boundary.
    pub(super) fn new() -> Self {
        Self { line_is_empty: true, after_cr: false, between: true }
    }

    /// More of the stream passes. Answers up to where `bytes` hold whole events, if any event ends in them.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut whole = None;
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' | b'\r' => {
                    self.after_cr = *byte == b'\r';
                    self.between = self.line_is_empty;
                    self.line_is_empty = true;
                }
                _ => {
                    self.after_cr = false;
                    self.line_is_empty = false;
                    self.between = false;
                }
            }
            if self.between {
                whole = Some(at + 1);
            }
        }
        whole
    }

    /// True between two events.
    pub(super) fn is_between(&self) -> bool {
        self.between
    }
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
                let mut boundary = EventBoundary::new();
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
            assert_eq!(EventBoundary::new().pass(piece.as_bytes()), whole.map(str::len), "{piece:?}");
        }
    }

    #[test]
    fn inside_an_event_is_no_boundary() {
        for stream in ["data: a", "data: a\n", "data: a\r\n", "data: a\n\ndata: b\n"] {
            let mut boundary = EventBoundary::new();
            boundary.pass(stream.as_bytes());
            assert!(!boundary.is_between(), "{stream:?}");
        }
    }
}
