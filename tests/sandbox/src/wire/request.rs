//! A request with its whole body: what the signed API works on, and the record kept of each
//! request to the cloud.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::sign::encoding::{Pairs, decode_pairs, hex};
use crate::wire::head::Head;

/// A request as received, body included.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
}

impl Received {
    /// Reads a head and a body that ends with the bytes.
    #[cfg(test)]
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let at = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let body = Bytes::copy_from_slice(&bytes[at..]);
        Some(Self { head: Head::parse(&bytes[..at])?, body })
    }

    /// The pairs of a form body; none when the body is something else.
    pub(crate) fn form(&self) -> Pairs {
        let is_form = self
            .head
            .text("content-type")
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
        if is_form { decode_pairs(&self.body) } else { Pairs::new() }
    }
}

/// One request to the cloud, as the stand-in saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// Counts from 1 in the order of arrival.
    pub number: u64,
    /// The connection it came on.
    pub connection: u64,
    /// The method.
    pub method: String,
    /// The target exactly as sent.
    pub target: String,
    /// Names in their own case and values, in order; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body received so far.
    pub body_length: u64,
    /// Lower-case hexadecimal SHA-256 of the body; `None` until the body came to its end.
    pub body_sha256: Option<String>,
}

impl RequestRecord {
    /// The values of all headers of this name, in order.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn new(number: u64, connection: u64, head: &Head) -> Self {
        Self {
            number,
            connection,
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
                .collect(),
            body_length: 0,
            body_sha256: None,
        }
    }
}

/// Told how far a body came: its length, and its hash once it is complete.
pub(crate) type Report = Box<dyn FnMut(u64, Option<String>) + Send>;

/// A request body that is counted and hashed while it is read.
pub(crate) struct Tallied<B> {
    inner: B,
    length: u64,
    hash: Sha256,
    report: Option<Report>,
}

impl<B: Body<Data = Bytes> + Unpin> Tallied<B> {
    pub(crate) fn new(inner: B, report: Report) -> Self {
        let mut tallied = Self { inner, length: 0, hash: Sha256::new(), report: Some(report) };
        if tallied.inner.is_end_stream() {
            tallied.finish(true);
        }
        tallied
    }
}

impl<B> Tallied<B> {
    fn finish(&mut self, complete: bool) {
        if let Some(mut report) = self.report.take() {
            let hash = complete.then(|| hex(&std::mem::take(&mut self.hash).finalize()));
            report(self.length, hash);
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Tallied<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.length += data.len() as u64;
                    this.hash.update(data);
                }
                if this.inner.is_end_stream() {
                    this.finish(true);
                }
            }
            Poll::Ready(None) => this.finish(true),
            Poll::Ready(Some(Err(_))) => this.finish(false),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> Drop for Tallied<B> {
    fn drop(&mut self) {
        self.finish(false);
    }
}
