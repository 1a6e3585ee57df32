//! The events of an event stream (WHATWG HTML §9.2), as Streamable HTTP and HTTP+SSE use them.

use std::time::Duration;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// `message` if the stream did not say.
    pub(super) kind: String,
    pub(super) data: Vec<u8>,
}

/// The data of one event is longer than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// Takes a stream apart, piece by piece. What it says about the stream itself is kept.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    /// The last line ended with CR: an LF that follows belongs to it.
    after_cr: bool,
    begun: bool,
    kind: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    id: Option<Vec<u8>>,
    /// The id of the last event that was complete.
    last_id: Option<Vec<u8>>,
    retry: Option<Duration>,
}

impl Events {
    /// The rest of a stream that broke after the event `last_id`.
    pub(super) fn resumed(last_id: Option<Vec<u8>>, retry: Option<Duration>) -> Self {
        Self { last_id, retry, ..Self::default() }
    }

    /// The id to resume the stream behind.
    pub(super) fn last_id(&self) -> Option<&[u8]> {
        self.last_id.as_deref().filter(|id| !id.is_empty())
    }

    /// How long to wait before the stream is asked for again, if the server said so.
    pub(super) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// How much of an unfinished event is kept, in bytes.
    pub(super) fn held(&self) -> usize {
        self.line.len() + self.data.len()
    }

    /// More of the stream: takes from `piece` up to the end of the next event, and leaves the rest.
    ///
    /// # Errors
    /// When an event has more than `limit` bytes.
    pub(super) fn next(&mut self, piece: &mut &[u8], limit: usize) -> Result<Option<Event>, TooLong> {
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_cr) && piece[0] == b'\n' {
                *piece = &piece[1..];
                continue;
            }
            let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (start, rest) = piece.split_at(end.unwrap_or(piece.len()));
            if self.held() + start.len() > limit {
                return Err(TooLong);
            }
            self.line.extend_from_slice(start);
            let Some(ending) = rest.first() else {
                *piece = rest;
                return Ok(None);
            };
            self.after_cr = *ending == b'\r';
            *piece = &rest[1..];
            if let Some(event) = self.line_ends() {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn line_ends(&mut self) -> Option<Event> {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.begun, true) && line.starts_with(BOM) {
            line.drain(..BOM.len());
        }
        if line.is_empty() {
            return self.event_ends();
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&line[..], &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.kind = value.to_vec(),
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"id" if !value.contains(&0) => self.id = Some(value.to_vec()),
            b"retry" => {
                let millis = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                self.retry = millis.and_then(|text| text.parse().ok()).map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
        None
    }

    fn event_ends(&mut self) -> Option<Event> {
        if let Some(id) = self.id.take() {
            self.last_id = Some(id);
        }
        let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
        self.has_data = false;
        if data.is_empty() {
            return None;
        }
        let kind = String::from_utf8_lossy(&kind).into_owned();
        Some(Event { kind: if kind.is_empty() { "message".to_owned() } else { kind }, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all_bytes(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut events, mut found) = (Events::default(), Vec::new());
        for piece in pieces {
            let mut piece = *piece;
            while let Some(event) = events.next(&mut piece, 1000).unwrap() {
                found.push(event.data);
            }
        }
        found
    }

    fn all(pieces: &[&[u8]]) -> (Vec<(String, String)>, Events) {
        let (mut events, mut found) = (Events::default(), Vec::new());
        for piece in pieces {
            let mut piece = *piece;
            while let Some(event) = events.next(&mut piece, 1000).unwrap() {
                found.push((event.kind, String::from_utf8(event.data).unwrap()));
            }
            assert!(piece.is_empty());
        }
        (found, events)
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let stream = "\u{FEFF}: hi\r\nid: 7\r\nretry: 1500\r\ndata:\r\n\r\nevent: message\ndata: {\"a\":\ndata: 1}\nid: 8\n\n\
                      event:endpoint\rdata:/x?y=1\r\rdata\n\ndata: b\n\n: unfinished\nid: 9\ndata: c";
        let expected = [("message", "{\"a\":\n1}"), ("endpoint", "/x?y=1"), ("message", "b")];
        let expected: Vec<_> = expected.iter().map(|(kind, data)| (kind.to_string(), data.to_string())).collect();
        for cut in 0..=stream.len() {
            let (one, two) = stream.as_bytes().split_at(cut);
            let (found, events) = all(&[one, two]);
            assert_eq!(found, expected, "cut at {cut}");
            assert_eq!(events.last_id(), Some(&b"8"[..]), "an event that never ended has no id");
            assert_eq!(events.retry(), Some(Duration::from_millis(1500)));
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(all(&bytes).0, expected);
    }

    #[test]
    fn odd_fields_say_nothing() {
        let (found, events) = all(&[b"id: a\0b\nretry: 1s\nretry:\nfoo: bar\ndatax: 1\n\ndata: 1\n\n"]);
        assert_eq!(found, [("message".to_owned(), "1".to_owned())]);
        assert_eq!((events.last_id(), events.retry()), (None, None));
    }

    #[test]
    fn what_is_held_has_a_limit() {
        let mut events = Events::default();
        let long = [b"data: ".as_slice(), &[b'x'; 50]].concat();
        assert_eq!(events.next(&mut &long[..], 60), Ok(None));
        assert_eq!(events.next(&mut &b"yyyyy"[..], 60), Err(TooLong));
        let mut events = Events::default();
        let lines = b"data: 0123456789\n".repeat(7);
        assert_eq!(events.next(&mut &lines[..], 60), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_stream_says_the_same_however_it_is_cut(stream in "(data|event|id|retry|x|: |[0-9]|\r|\n|\r\n|\n\n|é){0,60}", cut in 0..60_usize) {
            let bytes = stream.as_bytes();
            let whole = all(&[bytes]);
            let (one, two) = bytes.split_at(cut.min(bytes.len()));
            let cut = all_bytes(&[one, two]);
            prop_assert_eq!(&whole.0.iter().map(|(_, data)| data.clone().into_bytes()).collect::<Vec<_>>(), &cut);
        }
    }
}
