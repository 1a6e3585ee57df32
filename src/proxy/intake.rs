//! The body of a request as it comes from the client: counted against the limit, and never collected.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::observe::usage::Usage;
use crate::proxy::connection::Upload;

/// How much of a body that nobody wants is read, in bytes, and for how long.
const UNWANTED: u64 = 64 * 1024;
const UNWANTED_FOR: Duration = Duration::from_secs(1);

/// The body of a request.
#[derive(Debug)]
pub(super) struct Intake {
    incoming: Incoming,
    upload: Upload,
    /// How many bytes may still come; `None` for any number.
    left: Option<u64>,
    too_long: bool,
    usage: Arc<Usage>,
}

/// Why a body breaks off before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum IntakeError {
    /// The client's side failed.
    #[error(transparent)]
    Client(#[from] hyper::Error),
    /// It is longer than it may be.
    #[error("the body is longer than limits.request_body")]
    TooLong,
}

impl Intake {
    /// `limit`: how many bytes it may have. They are counted in `usage`.
    pub(super) fn new(incoming: Incoming, upload: Upload, limit: Option<u64>, usage: Arc<Usage>) -> Self {
        Self { incoming, upload, left: limit, too_long: false, usage }
    }

    /// True if it says, or has shown, that it is longer than it may be.
    pub(super) fn is_too_long(&self) -> bool {
        self.too_long || self.left.is_some_and(|left| self.incoming.size_hint().lower() > left)
    }
}

/// Reads a short body that nobody wants, before its request is answered. Over HTTP/2 a client that is answered while it
/// still sends is told to stop (RFC 9113 §8.1), and there are clients that then miss the answer. Over HTTP/1.1 the rest is
/// read afterwards.
pub(super) async fn use_up(head: &Parts, mut body: Incoming) {
    let is_awaited = head.headers.contains_key(header::EXPECT) || body.size_hint().lower() > UNWANTED;
    if head.version != Version::HTTP_2 || is_awaited {
        return;
    }
    let reading = async {
        let mut left = UNWANTED;
        while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    let _ = tokio::time::timeout(UNWANTED_FOR, reading).await;
}

impl Body for Intake {
    type Data = Bytes;
    type Error = IntakeError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, IntakeError>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.incoming).poll_frame(context) {
            Poll::Pending => {
                this.upload.waits(context);
                return Poll::Pending;
            }
            Poll::Ready(frame) => frame,
        };
        let length = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        this.usage.received(length);
        if let Some(left) = &mut this.left {
            match left.checked_sub(length as u64) {
                Some(rest) => *left = rest,
                None => {
                    this.too_long = true;
                    return Poll::Ready(Some(Err(IntakeError::TooLong)));
                }
            }
        }
        if frame.is_none() || this.incoming.is_end_stream() {
            this.upload.complete();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(IntakeError::Client)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
