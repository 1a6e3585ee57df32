//! HTTP/1 messages read from raw bytes, with all that a library would hide: framing, trailers, interim answers, and
//! whether the end was one.

use std::collections::VecDeque;
use std::fmt::Write as _;

/// A header line: its name in lower case, for names have no case (RFC 9110 §5.1), and its value as it came.
pub(crate) type Field = (String, Vec<u8>);

/// How the end of a body is told (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By nothing: there is no body.
    None,
    /// By `Content-Length`.
    Length,
    /// By `Transfer-Encoding: chunked`.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// A request or an answer.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) line: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) framing: Framing,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<Field>,
    /// The body ended as its framing says; false while it comes, and for ever if it breaks off.
    pub(crate) complete: bool,
}

impl Message {
    /// The values of a header, in their order.
    pub(crate) fn values<'a>(&'a self, name: &str) -> Vec<&'a [u8]> {
        self.fields.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_slice()).collect()
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// True for an answer before the answer (RFC 9110 §15.2).
    pub(crate) fn is_interim(&self) -> bool {
        self.line.starts_with("HTTP/") && (100..200).contains(&self.status())
    }
}

/// What is being read.
#[derive(Debug)]
enum Reading {
    Head,
    Length(usize),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailers,
    UntilClose,
    /// What came is no HTTP; the message is never complete.
    Nonsense,
}

/// Reads the messages of one direction of one connection.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The methods of the requests whose answers are still to come; `None` where requests are read.
    methods: Option<VecDeque<String>>,
    unread: Vec<u8>,
    reading: Reading,
    pub(crate) messages: Vec<Message>,
}

impl Reader {
    pub(crate) fn of_requests() -> Self {
        Self { methods: None, unread: Vec::new(), reading: Reading::Head, messages: Vec::new() }
    }

    pub(crate) fn of_answers() -> Self {
        Self { methods: Some(VecDeque::new()), ..Self::of_requests() }
    }

    /// An answer to a request with this method will come.
    pub(crate) fn expect_answer_to(&mut self, method: &str) {
        self.methods.get_or_insert_default().push_back(method.to_owned());
    }

    /// More bytes came.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        while self.step() {}
    }

    /// No more bytes will come. `clean`: the other side ended the connection, it did not reset it.
    pub(crate) fn end(&mut self, clean: bool) {
        if clean && matches!(self.reading, Reading::UntilClose) {
            self.complete();
        }
    }

    fn step(&mut self) -> bool {
        match self.reading {
            Reading::Head => {
                let Some(head) = self.until(b"\r\n\r\n") else { return false };
                self.head(&head);
            }
            Reading::Length(left) => {
                let taken = self.body(left);
                match left - taken {
                    0 => self.complete(),
                    _ if taken == 0 => return false,
                    left => self.reading = Reading::Length(left),
                }
            }
            Reading::ChunkSize => {
                let Some(line) = self.until(b"\r\n") else { return false };
                let line = latin1(&line);
                let size = line.split(';').next().unwrap_or_default().trim();
                self.reading = match usize::from_str_radix(size, 16) {
                    Ok(0) => Reading::Trailers,
                    Ok(size) => Reading::Chunk(size),
                    Err(_) => Reading::Nonsense,
                };
            }
            Reading::Chunk(left) => {
                let taken = self.body(left);
                match left - taken {
                    0 => self.reading = Reading::ChunkEnd,
                    _ if taken == 0 => return false,
                    left => self.reading = Reading::Chunk(left),
                }
            }
            Reading::ChunkEnd => {
                let Some(nothing) = self.until(b"\r\n") else { return false };
                assert_eq!(nothing, b"", "a chunk ends with CRLF");
                self.reading = Reading::ChunkSize;
            }
            Reading::Trailers => {
                let Some(line) = self.until(b"\r\n") else { return false };
                match line.is_empty() {
                    true => self.complete(),
                    false => self.current().trailers.push(field(&line)),
                }
            }
            Reading::Nonsense => return false,
            Reading::UntilClose => return self.body(usize::MAX) > 0,
        }
        true
    }

    fn head(&mut self, head: &[u8]) {
        let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let line = latin1(lines.next().unwrap_or_default());
        let mut message = Message {
            line,
            fields: lines.filter(|line| !line.is_empty()).map(field).collect(),
            framing: Framing::None,
            body: Vec::new(),
            trailers: Vec::new(),
            complete: false,
        };
        let bodiless = match &mut self.methods {
            None => false,
            Some(_) if message.is_interim() => true,
            Some(methods) => {
                let method = methods.pop_front().expect("an answer belongs to a request");
                method == "HEAD" || matches!(message.status(), 204 | 304)
            }
        };
        let chunked = message.values("transfer-encoding").last().is_some_and(|last| last.ends_with(b"chunked"));
        let length = message.values("content-length").first().map(|length| latin1(length));
        let length: Option<usize> = length.map(|length| length.parse().expect("a length is a number"));
        (message.framing, self.reading) = match length {
            _ if bodiless => (Framing::None, Reading::Length(0)),
            _ if chunked => (Framing::Chunked, Reading::ChunkSize),
            Some(length) => (Framing::Length, Reading::Length(length)),
            None if self.methods.is_some() => (Framing::Close, Reading::UntilClose),
            None => (Framing::None, Reading::Length(0)),
        };
        self.messages.push(message);
    }

    fn complete(&mut self) {
        self.reading = Reading::Head;
        self.current().complete = true;
    }

    fn current(&mut self) -> &mut Message {
        self.messages.last_mut().expect("a body belongs to a message")
    }

    /// Moves what has come of the body, up to a limit.
    fn body(&mut self, limit: usize) -> usize {
        let length = limit.min(self.unread.len());
        let bytes: Vec<u8> = self.unread.drain(..length).collect();
        self.current().body.extend_from_slice(&bytes);
        length
    }

    /// Everything up to a mark, once the mark has come; the mark itself is dropped.
    fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        let at = self.unread.windows(mark.len()).position(|window| window == mark)?;
        let mut bytes: Vec<u8> = self.unread.drain(..at + mark.len()).collect();
        bytes.truncate(at);
        Some(bytes)
    }
}

/// A line without a colon, which some scripts have on purpose, is a name without a value.
fn field(line: &[u8]) -> Field {
    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
    let value = line.get(colon + 1..).unwrap_or_default();
    (latin1(&line[..colon]).to_ascii_lowercase(), value.trim_ascii().to_vec())
}

/// Every byte as one character.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// A body as it can be shown: short ones whole, long ones by their length and what tells them apart.
pub(crate) fn shown(body: &[u8]) -> String {
    match body.len() {
        0..=400 => format!("\"{}\"", body.escape_ascii()),
        length => {
            let sum = body.iter().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
            let mut text = format!("{length} bytes, sum {sum:016x}, beginning \"{}\"", body[..40].escape_ascii());
            let _ = write!(text, ", ending \"{}\"", body[length - 40..].escape_ascii());
            text
        }
    }
}

#[test]
fn messages_are_read_whatever_the_pieces() {
    let wire =
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\
        Transfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\nX-Sum: 1\r\n\r\nHTTP/1.1 200 OK\r\nX: \xff\r\n\r\nrest";
    for size in [1, 3, wire.len()] {
        let mut reader = Reader::of_answers();
        ["GET", "GET", "GET"].iter().for_each(|method| reader.expect_answer_to(method));
        wire.chunks(size).for_each(|piece| reader.feed(piece));
        let seen: Vec<_> = reader.messages.iter().map(|m| (m.framing, m.body.as_slice(), m.complete)).collect();
        let expected: [(Framing, &[u8], bool); 4] = [
            (Framing::None, b"", true),
            (Framing::Length, b"ab", true),
            (Framing::Chunked, b"a", true),
            (Framing::Close, b"rest", false),
        ];
        assert_eq!(seen, expected);
        assert_eq!(reader.messages[2].trailers, [("x-sum".to_owned(), b"1".to_vec())]);
        assert_eq!(reader.messages[3].values("x"), [b"\xff"]);
        reader.end(true);
        assert!(reader.messages[3].complete);
    }
}
