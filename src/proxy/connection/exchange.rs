//! One request and its answer, as far as the connection is concerned: it is busy from the head of the request to the
//! last byte of the answer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::proxy::body::AnswerBody;
use crate::proxy::connection::standing::Standing;
use crate::proxy::relay::RelayError;

/// A request under way. The connection is busy until it is dropped.
#[derive(Debug)]
pub(in crate::proxy) struct Exchange {
    standing: Arc<Standing>,
    last: bool,
}

/// What the body of a request tells its connection.
#[derive(Debug)]
pub(in crate::proxy) struct Upload {
    standing: Arc<Standing>,
    last: bool,
}

impl Exchange {
    /// Begins; `None` if the connection was given up a moment ago.
    pub(super) fn begin(standing: &Arc<Standing>, request: &Request<Incoming>) -> Option<Self> {
        let last = is_last(request);
        let begun = standing.begin(last, request.body().is_end_stream());
        begun.then(|| Self { standing: standing.clone(), last })
    }

    /// The answer is an event stream: a client that closes its side has left.
    pub(in crate::proxy) fn is_event_stream(&self) {
        if self.last {
            self.standing.end_of_input_means_gone();
        }
    }

    /// What the body of the request is to be accompanied by.
    pub(in crate::proxy) fn upload(&self) -> Upload {
        Upload { standing: self.standing.clone(), last: self.last }
    }

    /// Ends with the body of the answer, which hyper writes until it rests, and then whoever looks into `handover`, if
    /// somebody does.
    pub(super) fn until_end_of(self, body: AnswerBody, handover: Option<Handover>) -> Answering {
        Answering { rest: Some(Rest { body, exchange: self }), handover }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.standing.end();
    }
}

impl Upload {
    /// More of the body is waited for.
    pub(in crate::proxy) fn waits(&self, context: &Context<'_>) {
        if self.last {
            self.standing.upload_waits(context.waker());
        }
    }

    /// All of the body has come.
    pub(in crate::proxy) fn complete(&self) {
        self.standing.upload_complete();
    }
}

/// True if the client will send no other request on the connection (RFC 9112 §9.3).
fn is_last(request: &Request<Incoming>) -> bool {
    let tokens = || {
        let values = request.headers().get_all(header::CONNECTION).iter();
        values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
    };
    let has = |wanted: &[u8]| tokens().any(|token| token.eq_ignore_ascii_case(wanted));
    has(b"close") || (request.version() <= Version::HTTP_10 && !has(b"keep-alive"))
}

/// The body of an answer, with the exchange that ends with it.
pub(super) struct Rest {
    body: AnswerBody,
    exchange: Exchange,
}

impl Rest {
    /// The next piece of it.
    pub(super) fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    /// True if the client will send no other request on the connection.
    pub(super) fn is_last(&self) -> bool {
        self.exchange.last
    }

    /// True if the body of its request was not read to its end.
    fn leaves_input(&self) -> bool {
        self.exchange.standing.left_upload_unread()
    }
}

/// Where the rest of an answer lies that hyper is not to write.
#[derive(Clone, Default)]
pub(super) struct Handover(Arc<Mutex<Option<Rest>>>);

impl Handover {
    /// What lies there.
    pub(super) fn take(&self) -> Option<Rest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The body of an answer as hyper sees it.
pub(super) struct Answering {
    /// `None` once it was handed over: from then on hyper hears nothing of it.
    rest: Option<Rest>,
    handover: Option<Handover>,
}

impl Body for Answering {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let this = &mut *self;
        let Some(rest) = &mut this.rest else { return Poll::Pending };
        let polled = rest.poll_frame(context);
        // As long as the request comes, hyper has to read it.
        if polled.is_pending()
            && !rest.leaves_input()
            && let Some(Handover(place)) = &this.handover
        {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = this.rest.take();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.as_ref().map_or_else(SizeHint::default, |rest| rest.body.size_hint())
    }
}
