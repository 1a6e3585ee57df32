//! The body of every answer: whole, or relayed. It carries the record of its request, so that the record ends
//! when the body does.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::observe::access::Record;
use crate::proxy::quota::Slot;
use crate::proxy::relay::{Relay, RelayError};

/// The body of an answer to a client.
pub(super) struct AnswerBody {
    content: Content,
    record: Record,
    /// Its request counts as under way until it ends.
    _slot: Option<Slot>,
}

enum Content {
    Whole(Option<Bytes>),
    Relayed(Relay),
}

impl AnswerBody {
    /// A body of our own.
    pub(super) fn whole(bytes: Bytes, record: Record) -> Self {
        let content = Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()));
        Self { content, record, _slot: None }.completed_if_empty()
    }

    /// The upstream's body.
    pub(super) fn relayed(relay: Relay, record: Record) -> Self {
        Self { content: Content::Relayed(relay), record, _slot: None }.completed_if_empty()
    }

    /// The same, whose request holds that place.
    pub(super) fn holding(mut self, slot: Option<Slot>) -> Self {
        self._slot = slot;
        self
    }

    /// Nobody reads the body of an answer to `HEAD`.
    pub(super) fn nobody_reads(mut self) -> Self {
        self.record.complete();
        self
    }

    fn completed_if_empty(mut self) -> Self {
        if self.is_end_stream() {
            self.record.complete();
        }
        self
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let this = &mut *self;
        let frame = match &mut this.content {
            Content::Whole(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Content::Relayed(relay) => std::task::ready!(Pin::new(relay).poll_frame(context)),
        };
        match &frame {
            Some(Ok(frame)) => this.record.sent(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => this.record.upstream_broke(),
            None => this.record.complete(),
        }
        if this.is_end_stream() && !matches!(frame, Some(Err(_))) {
            // With a known length nobody asks for the end.
            this.record.complete();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Relayed(relay) => relay.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Relayed(relay) => relay.size_hint(),
        }
    }
}
