//! Lists of tools in an event stream (WHATWG HTML §9.2): each event is looked at when it is over. Of one with a list the
//! data is cut, and every other line stays; other events pass as they are.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use crate::proxy::sse::EventBoundary;
use crate::proxy::tools::{Cutter, LONGEST_LIST, NotCut};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// An event stream on its way.
#[derive(Debug)]
pub(in crate::proxy) struct EventCutter {
    cutter: Cutter,
    boundary: EventBoundary,
    /// The beginning of an event that is not over.
    held: BytesMut,
    /// The next line is the first one of the stream, which may begin with a byte order mark.
    first: bool,
}

/// What passes.
#[derive(Debug)]
pub(in crate::proxy) struct Cut {
    /// The events that are over.
    pub(in crate::proxy) over: Vec<Bytes>,
    /// Why the next one must not pass.
    pub(in crate::proxy) trouble: Option<NotCut>,
}

/// One line of an event.
struct Line<'a> {
    content: &'a [u8],
    /// The content and what ends the line.
    whole: &'a [u8],
}

impl EventCutter {
    /// At the beginning of a stream.
    pub(in crate::proxy) fn new(cutter: Cutter) -> Self {
        Self { cutter, boundary: EventBoundary::default(), held: BytesMut::new(), first: true }
    }

    /// More of the stream comes. Nothing may come after a trouble.
    pub(in crate::proxy) fn pass(&mut self, bytes: &Bytes) -> Cut {
        let (mut over, mut bytes) = (Vec::new(), bytes.clone());
        while let Some(end) = self.boundary.first_in(&bytes) {
            let mut event = bytes.split_to(end);
            self.boundary.pass(&event);
            if !self.held.is_empty() {
                self.held.extend_from_slice(&event);
                event = self.held.split().freeze();
            }
            match self.event(event) {
                Ok(event) => over.push(event),
                Err(why) => return Cut { over, trouble: Some(why) },
            }
        }
        self.boundary.pass(&bytes);
        self.held.extend_from_slice(&bytes);
        let trouble = (self.held.len() > LONGEST_LIST).then_some(NotCut::TooLong);
        Cut { over, trouble }
    }

    /// The stream is over: what there is of the last event. Some clients take it for a whole one.
    ///
    /// # Errors
    /// When it must not pass.
    pub(in crate::proxy) fn rest(&mut self) -> Result<Bytes, NotCut> {
        let rest = self.held.split().freeze();
        self.event(rest)
    }

    /// How many bytes are held back.
    pub(in crate::proxy) fn held(&self) -> usize {
        self.held.len()
    }

    fn event(&mut self, event: Bytes) -> Result<Bytes, NotCut> {
        if event.len() > LONGEST_LIST {
            return Err(NotCut::TooLong);
        }
        let (mark, fields) = match event.strip_prefix(BOM) {
            Some(fields) if self.first => (BOM, fields),
            _ => (&[][..], &event[..]),
        };
        self.first &= event.is_empty();
        let data = data(fields);
        // Without the word there is no list; an escape may stand for any part of it.
        let may_be_list = matches!(data.trim_ascii_start().first(), Some(b'{' | b'['))
            && (contains(&data, b"tools") || contains(&data, b"\\u"));
        if !may_be_list {
            return Ok(event);
        }
        // Clients replace what is no UTF-8, and read on.
        let text = String::from_utf8_lossy(&data);
        match self.cutter.cut(&text).map_err(|_| NotCut::Unreadable)? {
            None => Ok(event),
            Some(cut) => Ok([mark, &with_data(fields, &cut)].concat().into()),
        }
    }
}

/// The data of an event: its `data` lines, joined.
fn data(fields: &[u8]) -> Cow<'_, [u8]> {
    let values: Vec<&[u8]> = lines(fields).filter_map(|line| data_of(line.content)).collect();
    match values.as_slice() {
        [] => Cow::Borrowed(&[]),
        [one] => Cow::Borrowed(one),
        several => Cow::Owned(several.join(&b'\n')),
    }
}

/// The event with other data, which stands where the first line of it was.
fn with_data(fields: &[u8], data: &str) -> Vec<u8> {
    let (mut event, mut data) = (Vec::with_capacity(fields.len()), Some(data));
    for line in lines(fields) {
        if data_of(line.content).is_none() {
            event.extend_from_slice(line.whole);
            continue;
        }
        let end = &line.whole[line.content.len()..];
        for value in data.take().into_iter().flat_map(|data| data.split('\n')) {
            event.extend_from_slice(b"data: ");
            event.extend_from_slice(value.as_bytes());
            event.extend_from_slice(if end.is_empty() { b"\n" } else { end });
        }
    }
    event
}

/// The value of a `data` line.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(b"data")?;
    match value.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None => value.is_empty().then_some(value),
    }
}

/// The lines, which end with LF, CRLF or CR; the last one may have no end.
fn lines(mut text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let length = text.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(text.len());
        let end = match &text[length..] {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        let (whole, rest) = text.split_at(length + end);
        text = rest;
        Some(Line { content: &whole[..length], whole })
    })
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::model::client::ClientName;
    use crate::policy::client::{Client, Criteria};
    use crate::policy::grant::Grant;
    use crate::policy::pattern::{Pattern, Patterns};
    use crate::proxy::tools::Known;

    /// For a client that may not call `b`.
    fn cutter() -> Cutter {
        let tools = Patterns { allowed: vec![], blocked: vec![Pattern::parse("b").unwrap()] };
        let (name, grant) = (ClientName::parse("c").unwrap(), Grant { tools, ..Grant::default() });
        Cutter::new(Arc::new(Client { name, criteria: Criteria::default(), grant }), Arc::default(), "/mcp".to_owned())
    }

    /// What passes of a stream that comes in pieces, and whether it was broken off.
    fn passed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, bool) {
        let (mut events, mut passed) = (EventCutter::new(cutter()), Vec::new());
        for piece in pieces {
            let cut = events.pass(&Bytes::copy_from_slice(piece));
            passed.extend(cut.over.concat());
            if cut.trouble.is_some() {
                return (passed, true);
            }
        }
        match events.rest() {
            Ok(rest) => ([passed, rest.to_vec()].concat(), false),
            Err(_) => (passed, true),
        }
    }

    fn whole(stream: &str) -> String {
        let (passed, broken) = passed([stream.as_bytes()]);
        assert!(!broken, "{stream:?}");
        String::from_utf8(passed).unwrap()
    }

    const LIST: &str = r#"{"id":1,"result":{"tools":[{"name":"a"},{"name":"b"}],"nextCursor":"n"}}"#;
    const CUT: &str = r#"{"id":1,"result":{"tools":[{"name":"a"}],"nextCursor":"n"}}"#;

    #[test]
    fn lists_are_cut_and_the_other_lines_of_their_events_stay() {
        for (before, after) in [
            ("", "\n\n"),
            ("id: 7\nevent:message\n", "\nretry: 5\n: c\n\n"),
            ("\u{feff}", "\r\r"),
            (": hi\r\n", "\r\n\r\n"),
        ] {
            for field in ["data: ", "data:"] {
                let expected = format!("{before}data: {CUT}{after}");
                assert_eq!(whole(&format!("{before}{field}{LIST}{after}")), expected, "{before:?} {after:?}");
            }
        }
        let spread = LIST.replace(',', ",\ndata:");
        assert_eq!(
            whole(&format!("data: {spread}\nid: 1\n\n")),
            "data: {\"id\":1,\ndata: \"result\":{\"tools\":[{\"name\":\"a\"}],\ndata: \"nextCursor\":\"n\"}}\nid: 1\n\n"
        );
        assert_eq!(whole(&format!("data: {LIST}")), format!("data: {CUT}\n"), "some clients take it for an event");
        let escaped = LIST.replace("tools", "t\\u006fols");
        assert_eq!(
            whole(&format!("data: {escaped}\n\n")),
            format!("data: {}\n\n", CUT.replace("tools", "t\\u006fols"))
        );
    }

    #[test]
    fn other_events_keep_every_byte() {
        for stream in [
            "data: {\"id\":1,\"result\":{\"tools\":[{\"name\":\"a\"} ]}}\n\n",
            "event: endpoint\ndata: /messages?tools=1\n\n",
            "data: {broken\n\ndata:\ndata\n: tools\n\n",
            ":\n\n\n\r\rid: 1\n\ndata: [1,\"tools\"]\n\n",
            "",
        ] {
            assert_eq!(whole(stream), stream);
        }
        let bytes = b"data: \xff tools\n\n";
        assert_eq!(passed([&bytes[..]]), (bytes.to_vec(), false));
    }

    #[test]
    fn events_pass_as_soon_as_they_are_over() {
        let mut events = EventCutter::new(cutter());
        let mut pass = |text: &'static str| {
            let over = events.pass(&Bytes::from_static(text.as_bytes())).over.concat();
            (String::from_utf8(over).unwrap(), events.held())
        };
        assert_eq!(pass("data: 1\n"), (String::new(), 8));
        assert_eq!(pass("\n:\n\nid"), ("data: 1\n\n:\n\n".to_owned(), 2));
        assert_eq!(pass(": 1\n\n"), ("id: 1\n\n".to_owned(), 0));
    }

    #[test]
    fn what_cannot_be_cut_breaks_the_stream() {
        let twice = format!("data: 1\n\ndata: {{\"result\":{{\"tools\":[]}},{}\n\ndata: 2\n\n", &LIST[1..]);
        assert_eq!(passed([twice.as_bytes()]), (b"data: 1\n\n".to_vec(), true));
        assert_eq!(passed([&b"data: {\"tools\""[..]]), (vec![], true), "not even its beginning");
        let long = "x".repeat(LONGEST_LIST);
        assert_eq!(passed([b"data: ".as_slice(), long.as_bytes()]), (vec![], true));
        assert_eq!(passed([format!("data: {long}\n\n").as_bytes()]), (vec![], true));
        // To clients bytes that are no UTF-8 are other characters, and the list is one all the same.
        let odd = [b"data: {\"result\":{\"tools\":[{\"name\":\"b\"}],\"x\":\"\xff\"}}\n\n".as_slice()];
        assert_eq!(
            passed(odd),
            ("data: {\"result\":{\"tools\":[],\"x\":\"\u{fffd}\"}}\n\n".as_bytes().to_vec(), false)
        );
    }

    #[test]
    fn what_passes_is_learnt() {
        let known = Arc::new(Known::default());
        let mut events = EventCutter::new(Cutter { known: known.clone(), ..cutter() });
        let list = LIST.replace(r#""name":"b""#, r#""name":"b","annotations":{"readOnlyHint":true}"#);
        events.pass(&Bytes::from(format!("data: {list}\n\n")));
        let of = |name| known.is_read_only("/mcp", name);
        assert_eq!((of("a"), of("b"), of("c")), (Some(false), Some(true), None));
    }

    /// Whether a client that reads the stream by the book finds the tool that it must not see.
    fn shows_b(stream: &[u8]) -> bool {
        let text = String::from_utf8_lossy(stream).replace("\r\n", "\n").replace('\r', "\n");
        text.split("\n\n").any(|event| {
            let values = event.lines().filter_map(|line| line.strip_prefix("data:"));
            let data: Vec<_> = values.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect();
            let message = serde_json::from_str::<serde_json::Value>(&data.join("\n")).unwrap_or_default();
            message["result"]["tools"].as_array().is_some_and(|tools| tools.iter().any(|tool| tool["name"] == "b"))
        })
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_the_same_passes(
            parts in prop::collection::vec(prop::sample::select(vec![
                "data: ", LIST, "\n", "\n\n", "\r\n", "\r", "{\"tools\":1}", "event: x\n", ": c\n", "data", "id: 1\n\n",
            ]), 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let stream = parts.concat();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([stream.len()]);
            let pieces = std::iter::once(0).chain(cuts.iter().copied()).zip(ends).map(|(from, to)| &stream.as_bytes()[from..to]);
            let (all, pieces) = (passed([stream.as_bytes()]), passed(pieces));
            prop_assert!(!shows_b(&all.0), "{:?}", String::from_utf8_lossy(&all.0));
            prop_assert_eq!(all, pieces);
        }
    }
}
