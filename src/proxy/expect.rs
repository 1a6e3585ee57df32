//! A body that is asked for: `Expect: 100-continue` (RFC 9110 §10.1.1).
//!
//! A client that expects `100 Continue` is told what the upstream says: its body is read, which asks for it, once the
//! upstream asks for it. An upstream that refuses the request is spared the body, and a 401 can be followed by a
//! second sending however long the body is.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Request, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::net::pool::OnInterim;
use crate::proxy::replay::{BodyError, Sending};

/// Upstreams that know nothing of `100 Continue` say nothing; the body is sent after this (curl waits as long).
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A body that waits until it is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    body: Sending,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    asked: Pin<Box<WaitForCancellationFutureOwned>>,
    limit: Pin<Box<Sleep>>,
}

impl Asked {
    /// A request with this body, which is sent at once, or when the upstream asks for it if the headers say so.
    pub(super) fn request(body: Sending, headers: HeaderMap) -> Request<Self> {
        let expects =
            headers.get_all(header::EXPECT).iter().any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let mut request = Request::new(Self { body, waiting: None });
        *request.headers_mut() = headers;
        if expects && !request.body().is_end_stream() {
            let asked = CancellationToken::new();
            let limit = Box::pin(tokio::time::sleep(LONGEST_WAIT));
            request.body_mut().waiting = Some(Waiting { asked: Box::pin(asked.clone().cancelled_owned()), limit });
            request.extensions_mut().insert(OnInterim::new(move |status| {
                if status == StatusCode::CONTINUE {
                    asked.cancel();
                }
            }));
        }
        request
    }
}

impl Body for Asked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(Waiting { asked, limit }) = &mut self.waiting {
            if asked.as_mut().poll(context).is_pending() && limit.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.waiting = None;
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
