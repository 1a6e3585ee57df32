//! A list of tools that comes as a whole answer, in JSON.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use http_body::Body;

use crate::net::pool::Incoming;
use crate::proxy::tools::{Cutter, LONGEST_LIST};

/// Headers that speak of the bytes as the upstream sent them.
const OF_THE_BYTES: [HeaderName; 6] = [
    header::ETAG,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// Why a list does not pass.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::proxy) enum NotCut {
    /// Longer than [`LONGEST_LIST`].
    #[error("it is longer than {} MiB", LONGEST_LIST / (1024 * 1024))]
    TooLong,
    /// It has a `Content-Encoding`, though none was asked for.
    #[error("it is encoded (Content-Encoding), although that was not asked for")]
    Encoded,
    /// It is no JSON, or can be read in two ways.
    #[error("it is no JSON that can be read in one way alone")]
    Unreadable,
    /// The upstream broke it off.
    #[error("the upstream broke it off: {0}")]
    Broken(String),
}

/// Collects a successful answer and cuts it. The headers are made fit.
///
/// # Errors
/// When it must not pass.
pub(in crate::proxy) async fn whole(answer: &mut Parts, mut body: Incoming, cutter: &Cutter) -> Result<Bytes, NotCut> {
    if answer.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(NotCut::Encoded);
    }
    let mut collected = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| NotCut::Broken(error.to_string()))?;
        let piece = frame.data_ref().map_or(&[][..], |piece| piece);
        if collected.len() + piece.len() > LONGEST_LIST {
            return Err(NotCut::TooLong);
        }
        collected.extend_from_slice(piece);
    }
    let collected = collected.freeze();
    if collected.iter().all(u8::is_ascii_whitespace) {
        return Ok(collected); // The answer is elsewhere: 202 over HTTP+SSE.
    }
    let text = std::str::from_utf8(&collected).map_err(|_| NotCut::Unreadable)?;
    let Some(cut) = cutter.cut(text).map_err(|_| NotCut::Unreadable)? else { return Ok(collected) };
    resized(&mut answer.headers, cut.len());
    Ok(Bytes::from(cut))
}

/// Makes headers fit for a body of another length.
fn resized(headers: &mut HeaderMap, length: usize) {
    for name in &OF_THE_BYTES {
        headers.remove(name);
    }
    if headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}
