//! The head of a request exactly as received: names in their own case, values as bytes, in order.
//!
//! hyper lower-cases names and groups repeated ones; what a proxy did to a header can only be
//! judged from the bytes. [`HeadReader`] follows the framing of a connection just far enough to
//! find the next head.

/// A request head as the client spelled it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// Reads a head that ends with its empty line (or without one, at the end of the bytes).
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = std::str::from_utf8(lines.next()?).ok()?;
        let mut words = first.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || !version.starts_with("HTTP/") {
            return None;
        }
        let mut headers = Vec::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            headers.push((name.to_owned(), line[colon + 1..].trim_ascii().to_vec()));
        }
        Some(Self { method: method.to_owned(), target: target.to_owned(), headers })
    }

    /// The values of all headers of this name, in order.
    pub(crate) fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.headers.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    /// The first header of this name, when it is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The path part of the target, as spelled.
    pub(crate) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The query part of the target, as spelled; empty when there is none.
    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    fn framing(&self) -> Framing {
        let chunked = self.all("transfer-encoding").any(|value| value.to_ascii_lowercase().ends_with(b"chunked"));
        if chunked {
            return Framing::ChunkSize(Vec::new());
        }
        match self.text("content-length").and_then(|length| length.parse().ok()) {
            Some(length) if length > 0 => Framing::Body(length),
            _ => Framing::Head(Vec::new()),
        }
    }
}

/// A head larger than this is not kept: hyper refuses it anyway.
const LIMIT: usize = 1 << 20;

#[derive(Debug)]
enum Framing {
    Head(Vec<u8>),
    Body(u64),
    ChunkSize(Vec<u8>),
    Chunk(u64),
    Trailer(Vec<u8>),
    /// The framing was lost; hyper answers 400 and closes.
    Lost,
}

/// Finds request heads in the bytes of one connection.
#[derive(Debug)]
pub(crate) struct HeadReader {
    framing: Framing,
}

impl Default for HeadReader {
    fn default() -> Self {
        Self { framing: Framing::Head(Vec::new()) }
    }
}

impl HeadReader {
    /// Takes the next bytes of the connection and gives the heads that they complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Vec<Head> {
        let mut heads = Vec::new();
        while !bytes.is_empty() {
            match &mut self.framing {
                Framing::Lost => return heads,
                Framing::Body(left) => {
                    bytes = skip(bytes, left);
                    if *left == 0 {
                        self.framing = Framing::Head(Vec::new());
                    }
                }
                Framing::Chunk(left) => {
                    bytes = skip(bytes, left);
                    if *left == 0 {
                        self.framing = Framing::ChunkSize(Vec::new());
                    }
                }
                Framing::Head(kept) => {
                    let Some(rest) = take_line(kept, bytes) else {
                        break;
                    };
                    bytes = rest;
                    if kept.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
                        kept.clear(); // empty lines before a request are allowed
                    } else if ends_with_empty_line(kept) {
                        match Head::parse(kept) {
                            Some(head) => {
                                self.framing = head.framing();
                                heads.push(head);
                            }
                            None => self.framing = Framing::Lost,
                        }
                    } else if kept.len() > LIMIT {
                        self.framing = Framing::Lost;
                    }
                }
                Framing::ChunkSize(kept) => {
                    let Some(rest) = take_line(kept, bytes) else {
                        break;
                    };
                    bytes = rest;
                    self.framing = match chunk_size(kept) {
                        Some(0) => Framing::Trailer(Vec::new()),
                        Some(size) => Framing::Chunk(size.saturating_add(2)),
                        None => Framing::Lost,
                    };
                }
                Framing::Trailer(kept) => {
                    let Some(rest) = take_line(kept, bytes) else {
                        break;
                    };
                    bytes = rest;
                    if kept.trim_ascii().is_empty() {
                        self.framing = Framing::Head(Vec::new());
                    } else {
                        kept.clear();
                    }
                }
            }
        }
        heads
    }
}

/// Moves one line (with its end) to `kept`; `None` when the line is not complete yet.
fn take_line<'a>(kept: &mut Vec<u8>, bytes: &'a [u8]) -> Option<&'a [u8]> {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => {
            kept.extend_from_slice(&bytes[..=at]);
            Some(&bytes[at + 1..])
        }
        None => {
            kept.extend_from_slice(bytes);
            None
        }
    }
}

fn ends_with_empty_line(kept: &[u8]) -> bool {
    kept.ends_with(b"\n\r\n") || kept.ends_with(b"\n\n")
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let digits = text.split(';').next()?.trim();
    u64::from_str_radix(digits, 16).ok()
}

fn skip<'a>(bytes: &'a [u8], left: &mut u64) -> &'a [u8] {
    let step = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= step as u64;
    &bytes[step..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"POST /a HTTP/1.1\r\nX-Odd: 1\r\nx-odd:  two \r\nTransfer-Encoding: chunked\r\n\r\n\
        5;x=y\r\nGET /\r\n3\r\n\r\n\r\r\n0\r\nT: 1\r\n\r\nGET /b?c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nGETGET /c HTTP/1.1\r\n\r\n";

    #[test]
    fn heads_are_found_whatever_the_pieces() {
        for step in [1, 2, 3, 7, 64, TWO.len()] {
            let mut reader = HeadReader::default();
            let heads: Vec<Head> = TWO.chunks(step).flat_map(|part| reader.feed(part)).collect();
            let targets: Vec<&str> = heads.iter().map(|head| head.target.as_str()).collect();
            assert_eq!(targets, ["/a", "/b?c", "/c"], "step {step}");
            assert_eq!(heads[0].headers[0], ("X-Odd".to_owned(), b"1".to_vec()));
            assert_eq!(heads[0].headers[1], ("x-odd".to_owned(), b"two".to_vec()));
        }
    }

    #[test]
    fn nonsense_is_not_taken_for_a_head() {
        let mut reader = HeadReader::default();
        assert!(reader.feed(b"what is this\r\n\r\nGET / HTTP/1.1\r\n\r\n").is_empty());
    }
}
