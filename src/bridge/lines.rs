//! Standard input as lines, each of them a message (MCP, stdio transport).

use std::io::{self, Read};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

/// How much is read at once, in bytes.
const PIECE: usize = 64 * 1024;
/// Pieces that may wait.
const WAITING: usize = 4;

/// Standard input, read by a thread of its own: a blocking read cannot be called off, and nobody waits for that thread
/// when the program ends.
///
/// # Errors
/// When the system gives no thread.
pub fn standard_input() -> io::Result<mpsc::Receiver<Bytes>> {
    let (sender, pieces) = mpsc::channel(WAITING);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || read(io::stdin().lock(), &sender))?;
    Ok(pieces)
}

fn read(mut from: impl Read, to: &mpsc::Sender<Bytes>) {
    let mut buffer = vec![0; PIECE];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                if to.blocking_send(Bytes::copy_from_slice(&buffer[..length])).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::warn!("standard input cannot be read any more: {error}");
                return;
            }
        }
    }
}

/// What stands in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A text that is not blank, without its line break.
    Text(Bytes),
    /// More than there may be; it was passed over.
    TooLong,
}

/// Pieces as lines.
#[derive(Debug)]
pub(super) struct Lines {
    pieces: mpsc::Receiver<Bytes>,
    begun: BytesMut,
    /// How much of `begun` is known to have no line break.
    searched: usize,
    longest: usize,
    /// The rest of the line is passed over.
    skipping: bool,
}

impl Lines {
    /// Lines of at most `longest` bytes.
    pub(super) fn new(pieces: mpsc::Receiver<Bytes>, longest: usize) -> Self {
        Self { pieces, begun: BytesMut::new(), searched: 0, longest, skipping: false }
    }

    /// The next line that is not blank; `None` at the end. Nothing is lost if this is not waited for to its end.
    pub(super) async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(end) = self.begun[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.begun.split_to(self.searched + end + 1);
                self.searched = 0;
                if let Some(line) = self.ended(line) {
                    return Some(line);
                }
                continue;
            }
            self.searched = self.begun.len();
            if self.begun.len() > self.longest {
                self.skipping = true;
            }
            if self.skipping {
                (self.begun, self.searched) = (BytesMut::new(), 0);
            }
            match self.pieces.recv().await {
                Some(piece) => self.begun.extend_from_slice(&piece),
                // What stands behind the last line break is a line too.
                None if self.begun.is_empty() && !self.skipping => return None,
                None => {
                    let rest = self.begun.split();
                    self.searched = 0;
                    return self.ended(rest);
                }
            }
        }
    }

    fn ended(&mut self, line: BytesMut) -> Option<Line> {
        if std::mem::take(&mut self.skipping) || line.len() > self.longest {
            return Some(Line::TooLong);
        }
        // A copy, so that a short line does not keep what was read along with it.
        let text = line.trim_ascii();
        (!text.is_empty()).then(|| Line::Text(Bytes::copy_from_slice(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(pieces: &[&str], longest: usize) -> Vec<String> {
        let (sender, receiver) = mpsc::channel(1000);
        for piece in pieces {
            sender.send(Bytes::copy_from_slice(piece.as_bytes())).await.unwrap();
        }
        drop(sender);
        let (mut lines, mut found) = (Lines::new(receiver, longest), Vec::new());
        while let Some(line) = lines.next().await {
            found.push(match line {
                Line::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
                Line::TooLong => "(too long)".to_owned(),
            });
        }
        found
    }

    #[tokio::test]
    async fn lines_are_the_same_however_they_arrive() {
        let text = "{\"a\":1}\n\r\n  \n{\"b\":\"\u{2028}\"}\r\n[]\nlast";
        let expected = ["{\"a\":1}", "{\"b\":\"\u{2028}\"}", "[]", "last"];
        assert_eq!(lines(&[text], 100).await, expected);
        let letters: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(lines(&letters.iter().map(String::as_str).collect::<Vec<_>>(), 100).await, expected);
        assert!(lines(&[""], 100).await.is_empty());
    }

    #[tokio::test]
    async fn what_is_too_long_is_passed_over_and_the_next_line_counts() {
        let long = "x".repeat(50);
        assert_eq!(lines(&[&long, &long, "x\nshort\n"], 60).await, ["(too long)", "short"]);
        assert_eq!(lines(&[&format!("{long}{long}\nshort")], 60).await, ["(too long)", "short"]);
        assert_eq!(lines(&["a\n", &long, &long], 60).await, ["a", "(too long)"]);
    }

    #[test]
    fn a_reader_gives_pieces_until_its_end() {
        let (sender, mut receiver) = mpsc::channel(1000);
        read(&vec![b'x'; PIECE + 1][..], &sender);
        drop(sender);
        let lengths: Vec<usize> = std::iter::from_fn(|| receiver.blocking_recv()).map(|piece| piece.len()).collect();
        assert_eq!(lengths, [PIECE, 1]);
    }
}
