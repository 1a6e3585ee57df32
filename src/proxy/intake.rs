//! The body of a request as it comes from the client: counted against the limit, and never collected.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::observe::usage::Usage;
use crate::proxy::connection::Upload;

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
