//! The other end of a connection, frame by frame or line by line: it does what a test says, and nothing else.

use std::collections::VecDeque;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// An HTTP/2 server that knows no headers: a request is a stream number to it (RFC 9113 §4.1).
pub(super) struct Peer {
    io: DuplexStream,
    kept: VecDeque<Frame>,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;

pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) const NO_ERROR: u32 = 0;
pub(super) const INTERNAL_ERROR: u32 = 2;
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const CANCEL: u32 = 8;

impl Peer {
    /// Reads the client's preface (RFC 9113 §3.4).
    pub(super) async fn new(mut io: DuplexStream) -> Self {
        let mut preface = [0; 24];
        io.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        Self { io, kept: VecDeque::new() }
    }

    /// The same, accepts the client's SETTINGS and allows so many streams.
    pub(super) async fn allowing(io: DuplexStream, streams: u32) -> Self {
        let mut peer = Self::new(io).await;
        peer.write(SETTINGS, ACK, 0, &[]).await;
        peer.allow(streams).await;
        peer
    }

    /// SETTINGS_MAX_CONCURRENT_STREAMS; returns when the client has taken notice.
    pub(super) async fn allow(&mut self, streams: u32) {
        let mut payload = vec![0, 3];
        payload.extend(streams.to_be_bytes());
        self.write(SETTINGS, 0, 0, &payload).await;
        self.frame(|frame| frame.kind == SETTINGS && frame.flags == ACK).await;
    }

    pub(super) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        self.io.write_all(&bytes).await.unwrap();
    }

    /// The next frame that a test cares for; others are kept for later, but a PING is answered. `None` when the client closes.
    pub(super) async fn find(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        if let Some(at) = self.kept.iter().position(&wanted) {
            return self.kept.remove(at);
        }
        loop {
            let mut head = [0; 9];
            self.io.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut frame = Frame { kind: head[3], flags: head[4], stream, payload: vec![0; length as usize] };
            self.io.read_exact(&mut frame.payload).await.ok()?;
            if wanted(&frame) {
                return Some(frame);
            }
            match (frame.kind, frame.flags) {
                (PING, 0) => self.write(PING, ACK, 0, &frame.payload).await,
                _ => self.kept.push_back(frame),
            }
        }
    }

    pub(super) async fn frame(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        self.find(wanted).await.expect("a frame before the end")
    }

    /// The stream of the next request.
    pub(super) async fn request(&mut self) -> u32 {
        self.frame(|frame| frame.kind == HEADERS).await.stream
    }

    /// The head of an answer with status 200.
    pub(super) async fn head(&mut self, stream: u32, flags: u8) {
        self.write(HEADERS, END_HEADERS | flags, stream, &[0x88]).await;
    }

    /// The head of an interim answer: `:status` as a literal (RFC 7541 §6.2.2).
    pub(super) async fn interim(&mut self, stream: u32, status: &[u8; 3]) {
        let mut payload = vec![0x08, 3];
        payload.extend(status);
        self.write(HEADERS, END_HEADERS, stream, &payload).await;
    }

    /// A whole answer.
    pub(super) async fn answer(&mut self, stream: u32, body: &[u8]) {
        self.head(stream, 0).await;
        self.write(DATA, END_STREAM, stream, body).await;
    }

    pub(super) async fn reset(&mut self, stream: u32, code: u32) {
        self.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(super) async fn go_away(&mut self, last: u32, code: u32) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend(code.to_be_bytes());
        self.write(GOAWAY, 0, 0, &payload).await;
    }

    /// Waits for a RST_STREAM and answers its code.
    pub(super) async fn was_reset(&mut self, stream: u32) -> u32 {
        let frame = self.frame(|frame| frame.kind == RST_STREAM && frame.stream == stream).await;
        u32::from_be_bytes(frame.payload.try_into().unwrap())
    }

    /// True if nothing was kept that `wanted` fits.
    pub(super) fn never_saw(&self, wanted: impl Fn(&Frame) -> bool) -> bool {
        !self.kept.iter().any(wanted)
    }
}

/// Reads the head of an HTTP/1.1 request; `None` when the client closes.
pub(super) async fn read_head(io: &mut DuplexStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Writes an HTTP/1.1 answer with a body of two bytes.
pub(super) async fn answer_ok(io: &mut DuplexStream) {
    io.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
}
