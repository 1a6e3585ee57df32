//! Finds the `endpoint` event with which an HTTP+SSE stream begins (MCP 2024-11-05, basic/transports).
//!
//! The stream passes through here until its first event is over, and no longer. What can still turn out to be the
//! data of an `endpoint` event is held back; everything else passes at once. Lines and fields are those of WHATWG
//! HTML §9.2: LF, CRLF or CR, a BOM at the beginning, the last `event` line of an event counts, and what has no data
//! is no event.

use bytes::{Bytes, BytesMut};

/// The most that is held back. A URI is shorter.
const LONGEST_HELD: usize = 16 * 1024;
/// How much of a line is remembered: `event: endpoint`, and one byte that would make it another type.
const LONGEST_START: usize = 16;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The beginning of a stream, up to the end of its first event.
#[derive(Debug, Default)]
pub(in crate::proxy) struct FirstEvent {
    /// What was not passed on yet.
    held: BytesMut,
    line: Line,
    after_cr: bool,
    bom: Bom,
    kind: Kind,
    data: Data,
}

/// What the stream turned out to be.
#[derive(Debug)]
pub(in crate::proxy) enum Found {
    /// Nothing yet: these bytes pass, others may be held.
    Nothing(Bytes),
    /// No `endpoint` event: these bytes pass, and all later ones.
    Other(Bytes),
    /// An `endpoint` event, whole, and what passes before and after it.
    Endpoint(EndpointEvent),
    /// An `endpoint` event that is too long, or names its type after its data was passed on.
    Unreadable,
}

/// An `endpoint` event with what stands before and after it.
#[derive(Debug)]
pub(in crate::proxy) struct EndpointEvent {
    bytes: Bytes,
    /// Where its data begins.
    begin: usize,
    /// Where the event ends.
    end: usize,
}

/// The beginning of the current line.
#[derive(Debug, Default)]
struct Line {
    start: [u8; LONGEST_START],
    length: usize,
}

/// A byte order mark at the beginning, which belongs to no line.
#[derive(Debug)]
enum Bom {
    /// This many bytes of it have passed.
    Possible(usize),
    Over,
}

/// The type of the event, as far as it was told.
#[derive(Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Untold,
    Endpoint,
    Other,
}

/// What has become of the data of the event.
#[derive(Debug, Default, PartialEq, Eq)]
enum Data {
    #[default]
    None,
    Held,
    Passed,
}

/// What a line is about.
#[derive(Debug, PartialEq, Eq)]
enum Field<'a> {
    Event(&'a [u8]),
    Data(&'a [u8]),
    /// The beginning of `data`.
    MayBeData,
    Else,
}

impl Default for Bom {
    fn default() -> Self {
        Self::Possible(0)
    }
}

impl Line {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.start.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// No more of it is remembered, and what it is about is known.
    fn is_full(&self) -> bool {
        self.length == LONGEST_START
    }

    fn field(&self) -> Field<'_> {
        let start = &self.start[..self.length];
        let (name, value) = match start.iter().position(|byte| *byte == b':') {
            Some(colon) => (&start[..colon], start.get(colon + 1..).unwrap_or_default()),
            None if b"data".starts_with(start) => return Field::MayBeData,
            None => (start, [].as_slice()),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => Field::Event(value),
            b"data" => Field::Data(value),
            _ => Field::Else,
        }
    }
}

impl FirstEvent {
    /// More of the stream comes.
    pub(in crate::proxy) fn pass(&mut self, more: Bytes) -> Found {
        let seen = self.held.len();
        let bytes = if seen == 0 {
            more
        } else {
            self.held.extend_from_slice(&more);
            self.held.split().freeze()
        };
        // From where on bytes are held back.
        let mut hold = (seen > 0).then_some(0);
        for (at, byte) in bytes.iter().enumerate().skip(seen) {
            if std::mem::take(&mut self.after_cr) && *byte == b'\n' {
                continue;
            }
            match byte {
                b'\r' | b'\n' => {
                    self.after_cr = *byte == b'\r';
                    if let Some(verdict) = self.line_ends(&mut hold) {
                        return match (verdict, hold) {
                            (Verdict::Endpoint, Some(begin)) if at - begin <= LONGEST_HELD => {
                                Found::Endpoint(EndpointEvent { bytes, begin, end: at + 1 })
                            }
                            (Verdict::Other, _) => Found::Other(bytes),
                            _ => Found::Unreadable,
                        };
                    }
                }
                _ => {
                    if self.grows(*byte, at, &mut hold) {
                        return Found::Other(bytes);
                    }
                }
            }
        }
        let Some(begin) = hold else { return Found::Nothing(bytes) };
        if bytes.len() - begin <= LONGEST_HELD {
            self.held.extend_from_slice(&bytes[begin..]);
            return Found::Nothing(bytes.slice(..begin));
        }
        if self.kind == Kind::Endpoint {
            return Found::Unreadable;
        }
        self.data = Data::Passed;
        Found::Nothing(bytes)
    }

    /// The stream is over: what is held passes as it is.
    pub(in crate::proxy) fn rest(&mut self) -> Bytes {
        self.held.split().freeze()
    }

    /// False if the first event cannot become a readable `endpoint` event any more.
    pub(in crate::proxy) fn may_be_endpoint(&self) -> bool {
        self.data != Data::Passed
    }

    /// How many bytes are held back.
    pub(in crate::proxy) fn held(&self) -> usize {
        self.held.len()
    }

    /// The current line gets longer. True if this event cannot lead anywhere else, whatever its type.
    fn grows(&mut self, byte: u8, at: usize, hold: &mut Option<usize>) -> bool {
        if let Bom::Possible(length) = self.bom {
            if BOM.get(length) == Some(&byte) {
                self.bom = Bom::Possible(length + 1);
                return false;
            }
            self.bom = Bom::Over;
            // The beginning of a BOM alone is the beginning of some line.
            BOM[..length % BOM.len()].iter().for_each(|byte| self.line.push(*byte));
        }
        if self.line.is_full() {
            return false;
        }
        let begins = self.line.is_empty();
        self.line.push(byte);
        if self.kind == Kind::Other || self.data == Data::Passed {
            return false;
        }
        match self.line.field() {
            Field::MayBeData if begins => {
                hold.get_or_insert(at);
            }
            // A reference that begins so is a relative one, however it goes on: it leads nowhere but here.
            Field::Data([b'{' | b'[', ..]) if self.data == Data::None => return true,
            Field::Data(value) if !value.is_empty() => self.data = Data::Held,
            Field::MayBeData | Field::Data(_) => {}
            Field::Event(_) | Field::Else if self.data == Data::None => *hold = None,
            Field::Event(_) | Field::Else => {}
        }
        false
    }

    fn line_ends(&mut self, hold: &mut Option<usize>) -> Option<Verdict> {
        self.bom = Bom::Over;
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.event_ends();
        }
        match line.field() {
            Field::Event(b"endpoint") => {
                self.kind = Kind::Endpoint;
                // Only the end of this event would make it one, and that does not pass.
                return (self.data == Data::Passed).then_some(Verdict::Unreadable);
            }
            Field::Event(_) => {
                self.kind = Kind::Other;
                *hold = None;
                if self.data == Data::Held {
                    self.data = Data::Passed;
                }
            }
            // A line may be a field's name alone.
            Field::Data(_) | Field::MayBeData if is_data(&line) && self.data != Data::Passed => {
                self.data = if self.kind == Kind::Other { Data::Passed } else { Data::Held };
            }
            _ if self.data != Data::Held => *hold = None,
            _ => {}
        }
        None
    }

    fn event_ends(&mut self) -> Option<Verdict> {
        match (&self.data, &self.kind) {
            (Data::None, _) => {
                self.kind = Kind::Untold;
                None
            }
            (Data::Held, Kind::Endpoint) => Some(Verdict::Endpoint),
            (Data::Passed, Kind::Endpoint) => Some(Verdict::Unreadable),
            _ => Some(Verdict::Other),
        }
    }
}

enum Verdict {
    Other,
    Endpoint,
    Unreadable,
}

fn is_data(line: &Line) -> bool {
    match line.field() {
        Field::Data(_) => true,
        Field::MayBeData => line.length == "data".len(),
        Field::Event(_) | Field::Else => false,
    }
}

impl EndpointEvent {
    /// Its data: the URI reference, as a client reads it.
    pub(in crate::proxy) fn reference(&self) -> String {
        let values: Vec<_> = self.lines().filter_map(|line| data(line.text)).map(String::from_utf8_lossy).collect();
        values.join("\n")
    }

    /// The bytes as they came.
    pub(in crate::proxy) fn unchanged(self) -> Bytes {
        self.bytes
    }

    /// The bytes with another reference: it stands where the data began, and nothing but data is left out.
    pub(in crate::proxy) fn with(&self, reference: &str) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.bytes.len() + reference.len());
        bytes.extend_from_slice(&self.bytes[..self.begin]);
        let mut written = false;
        for line in self.lines() {
            match data(line.text) {
                // With the data before it left out, this LF would belong to the CR before that, and end no line.
                None if line.text.is_empty() && line.ending == b"\n" && bytes.ends_with(b"\r") => {
                    bytes.extend_from_slice(b"\r");
                }
                None => bytes.extend_from_slice(line.text),
                Some(_) if written => continue,
                Some(_) => {
                    bytes.extend_from_slice(b"data: ");
                    bytes.extend_from_slice(reference.as_bytes());
                    written = true;
                }
            }
            bytes.extend_from_slice(line.ending);
        }
        bytes.extend_from_slice(&self.bytes[self.end..]);
        bytes.freeze()
    }

    fn lines(&self) -> impl Iterator<Item = WholeLine<'_>> {
        let mut rest = &self.bytes[self.begin..self.end];
        std::iter::from_fn(move || {
            let length = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
            let ending = if rest[length..].starts_with(b"\r\n") { 2 } else { 1 };
            let line = WholeLine { text: &rest[..length], ending: &rest[length..length + ending] };
            rest = &rest[length + ending..];
            Some(line)
        })
    }
}

struct WholeLine<'a> {
    text: &'a [u8],
    ending: &'a [u8],
}

/// The value of a line whose field is `data`.
fn data(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"data")?;
    if rest.is_empty() {
        return Some(rest);
    }
    let value = rest.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What passes on the way, and what it was found to be.
    #[derive(Debug, PartialEq, Eq)]
    struct Seen {
        passed: Vec<u8>,
        reference: Option<String>,
        unreadable: bool,
    }

    /// Passes a stream in pieces that end at `cuts`; an endpoint event passes as `instead`, or as it is.
    fn seen(stream: &[u8], cuts: &[usize], instead: Option<&str>) -> Seen {
        let mut first = Some(FirstEvent::default());
        let mut seen = Seen { passed: Vec::new(), reference: None, unreadable: false };
        let mut begin = 0;
        for end in cuts.iter().copied().chain([stream.len()]) {
            let piece = Bytes::copy_from_slice(&stream[begin..end]);
            begin = end;
            let Some(mut looking) = first.take() else {
                seen.passed.extend_from_slice(&piece);
                continue;
            };
            match looking.pass(piece) {
                Found::Nothing(bytes) => {
                    seen.passed.extend_from_slice(&bytes);
                    assert!(looking.held() <= LONGEST_HELD);
                    first = Some(looking);
                }
                Found::Other(bytes) => seen.passed.extend_from_slice(&bytes),
                Found::Endpoint(event) => {
                    seen.reference = Some(event.reference());
                    let bytes = instead.map_or_else(|| event.bytes.clone(), |instead| event.with(instead));
                    seen.passed.extend_from_slice(&bytes);
                }
                Found::Unreadable => {
                    seen.unreadable = true;
                    return seen;
                }
            }
        }
        if let Some(mut first) = first {
            seen.passed.extend_from_slice(&first.rest());
        }
        seen
    }

    fn instead(stream: &str) -> String {
        let rewritten: Vec<_> = (0..=stream.len()).map(|cut| seen(stream.as_bytes(), &[cut], Some("/m"))).collect();
        assert!(rewritten.windows(2).all(|two| two[0] == two[1]), "{stream:?}: {rewritten:?}");
        String::from_utf8(seen(stream.as_bytes(), &[], Some("/m")).passed).unwrap()
    }

    #[test]
    fn leaving_out_data_leaves_no_line_without_its_end() {
        let stream = b"event: endpoint\ndata\nid: 0\rdata:/a\n\ndata: b\n\n";
        for length in [1, 3, stream.len()] {
            let cuts: Vec<usize> = (length..stream.len()).step_by(length).collect();
            let passed = seen(stream, &cuts, Some("/x")).passed;
            assert_eq!(passed, b"event: endpoint\ndata: /x\nid: 0\r\r\ndata: b\n\n", "{length}");
        }
    }

    #[test]
    fn c4_an_endpoint_event_is_found_and_nothing_but_its_data_is_changed() {
        for (stream, expected) in [
            ("event: endpoint\ndata: http://x/\n\ndata: 1\n\n", "event: endpoint\ndata: /m\n\ndata: 1\n\n"),
            ("event:endpoint\r\ndata:http://x/\r\n\r\n: c\r\n", "event:endpoint\r\ndata: /m\r\n\r\n: c\r\n"),
            ("event: endpoint\rdata: x\r\rdata: 1\r\r", "event: endpoint\rdata: /m\r\rdata: 1\r\r"),
            ("data: x\nid: 7\nevent: endpoint\n\n", "data: /m\nid: 7\nevent: endpoint\n\n"),
            ("event: endpoint\r\ndata: ht\r\n: c\r\ndata: tp\r\n\r\n", "event: endpoint\r\ndata: /m\r\n: c\r\n\r\n"),
            (
                ": hello\n\nretry: 5\n\nevent: endpoint\ndata: x\n\n",
                ": hello\n\nretry: 5\n\nevent: endpoint\ndata: /m\n\n",
            ),
            ("event: other\nevent: endpoint\ndata: x\n\n", "event: other\nevent: endpoint\ndata: /m\n\n"),
            ("\u{feff}data: x\nevent: endpoint\n\n", "\u{feff}data: /m\nevent: endpoint\n\n"),
            ("\u{feff}event: endpoint\ndata: x\n\n", "\u{feff}event: endpoint\ndata: /m\n\n"),
            ("event: endpoint\ndata\n\n", "event: endpoint\ndata: /m\n\n"),
            ("event: endpoint\n\ndata: x\n\n", "event: endpoint\n\ndata: x\n\n"),
        ] {
            assert_eq!(instead(stream), expected, "{stream:?}");
        }
    }

    #[test]
    fn c4_what_is_no_endpoint_event_passes() {
        for stream in [
            "data: 1\n\nevent: endpoint\ndata: http://x/\n\n",
            "event: message\ndata: {}\n\n",
            "event: endpoints\ndata: http://x/\n\n",
            "event: Endpoint\ndata: http://x/\n\n",
            "event: endpoint \ndata: http://x/\n\n",
            "event: endpoint\ndata : http://x/\n\n",
            "event: endpoint\nevent: message\ndata: http://x/\n\n",
            "data: http://x/\nevent: endpoint\nevent:\n\n",
            "\u{feff}\u{feff}event: endpoint\ndata: http://x/\n\n",
            "event: endpoint\ndata: http://x/\n",
            "event: endpoint\ndata: http://x/",
            "event: endpoint\nda",
            "date\nd\ndata2: x\n: endless",
            "id: 1\ndata:\n\n",
            "",
        ] {
            assert_eq!(instead(stream), stream);
        }
    }

    #[test]
    fn references_are_read_as_clients_read_them() {
        for (stream, reference) in [
            ("event: endpoint\ndata: /m?s=1\n\n", "/m?s=1"),
            ("event: endpoint\ndata:  /m\n\n", " /m"),
            ("event: endpoint\ndata: ht\ndata:tp:\ndata\ndata: //x\n\n", "ht\ntp:\n\n//x"),
        ] {
            assert_eq!(seen(stream.as_bytes(), &[], None).reference.as_deref(), Some(reference));
        }
    }

    #[test]
    fn nothing_is_held_that_cannot_be_an_endpoint() {
        for (stream, held) in [
            ("event: endpoint\nid: 1\n: data: x\nretry", 0),
            ("event: endpoint\ndata: {\"jsonrpc\"", 0),
            ("event: endpoint\ndata: [", 0),
            ("event: message\ndata: http", 0),
            ("id: 1\ndata: http\nevent: message\n", 0),
            ("d", 1),
            ("date", 0),
            ("event: endpoint\ndata: http", 10),
            ("data: x\nid: 1\n", 14),
            ("data: x\n\n", 0),
        ] {
            let mut first = FirstEvent::default();
            first.pass(Bytes::from(stream));
            assert_eq!(first.held(), held, "{stream:?}");
        }
    }

    #[test]
    fn what_is_held_is_bounded() {
        let long = "x".repeat(LONGEST_HELD);
        assert_eq!(instead_of_pieces(&format!("data: {long}\n\n")), (false, true));
        assert_eq!(instead_of_pieces(&format!("data: {long}\nevent: endpoint\n\n")), (true, false));
        assert_eq!(instead_of_pieces(&format!("event: endpoint\ndata: {long}\n\n")), (true, false));
        assert_eq!(instead_of_pieces(&format!("event: a\ndata: x\nevent: endpoint\n\n{long}")), (true, false));
    }

    /// Whether it was unreadable, and whether it passed as it is, however it was cut.
    fn instead_of_pieces(stream: &str) -> (bool, bool) {
        let every = |step: usize| (step..stream.len()).step_by(step).collect::<Vec<_>>();
        let results: Vec<_> = [1000, 4097, 1 << 20]
            .into_iter()
            .map(|step| {
                let seen = seen(stream.as_bytes(), &every(step), None);
                (seen.unreadable, seen.passed == stream.as_bytes())
            })
            .collect();
        assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
        results[0]
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_it_is_read_alike_and_nothing_is_lost(
            lines in prop::collection::vec(
                prop::sample::select(vec![
                    "", "", "data", "data:", "data: x", "data:{", "event: endpoint", "event:endpoint", "event: other",
                    "event", ": c", "id: 1", "d", "dat", "datum", "\u{feff}", "retry: 1",
                ]),
                0..8,
            ),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r", "\r\n", ""]), 8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let stream: String = lines.iter().zip(&ends).flat_map(|(line, end)| [*line, *end]).collect();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.sort_unstable();
            let (whole, pieces) = (seen(stream.as_bytes(), &[], None), seen(stream.as_bytes(), &cuts, None));
            prop_assert_eq!((&whole.reference, whole.unreadable), (&pieces.reference, pieces.unreadable));
            if !whole.unreadable {
                prop_assert_eq!(&pieces.passed, stream.as_bytes());
            }
        }
    }
}
