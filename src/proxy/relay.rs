//! The upstream's body on its way to the client: each piece as it comes, never collected.
//!
//! A clean end stays a clean end and a break stays a break. What an event stream needs beyond that, it alone pays for:
//! when the daemon stops, one that only listens ends between two events, while other bodies go on until they are
//! complete or the time is up; one that is silent may be kept alive; and where a GET opened it, the `endpoint` event
//! with which it may begin is looked at.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::net::pool::{BodyError, Incoming};
use crate::proxy::channels::Inbox;
use crate::proxy::endpoint::{FirstEvent, Found, Remembered, Verdict};
use crate::proxy::keep_alive::KeepAlive;
use crate::proxy::sse::EventBoundary;
use crate::proxy::tools::{Cut, Cutter, EventCutter, NotCut};
use crate::proxy::trailers;

/// Why a relayed body breaks off.
#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    /// The upstream broke its answer off.
    #[error("the upstream broke its answer off: {0}")]
    Upstream(#[from] BodyError),
    /// The upstream would have its client send messages elsewhere.
    #[error("the stream's endpoint event must not reach the client")]
    Endpoint,
    /// What a client must not see cannot be taken out of an event.
    #[error("a list of tools does not pass: {0}")]
    Tools(#[from] NotCut),
}

/// How many bytes may wait for the first event to be over.
const MOST_SETTLING: usize = 64 * 1024;

/// Decides about the reference of an `endpoint` event; `None` stands for one that cannot be read.
pub(super) type Judge = Box<dyn FnOnce(Option<&str>) -> Verdict + Send>;

/// A body that is being relayed.
pub(super) struct Relay {
    upstream: Incoming,
    events: Option<Box<Events>>,
    /// Comes when what passed before has had its chance to be sent.
    breaks: Option<RelayError>,
}

/// What an event stream needs beside being passed on.
#[derive(Default)]
struct Events {
    boundary: EventBoundary,
    drain: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    draining: bool,
    keep_alive: Option<KeepAlive>,
    gate: Option<Gate>,
    cutter: Option<EventCutter>,
    inbox: Option<Inbox>,
    /// The path that the client was given for its messages.
    endpoint: Option<Remembered>,
    /// What passes next.
    ready: VecDeque<Result<Frame<Bytes>, RelayError>>,
    /// After what is ready comes the end.
    ended: bool,
    /// It is not, or may not be, as long as the upstream said.
    resized: bool,
}

/// Where a stream waits until it is known how it begins.
struct Gate {
    first: FirstEvent,
    judge: Judge,
}

impl Relay {
    /// A body that is passed on as it is.
    pub(super) fn plain(upstream: Incoming) -> Self {
        Self { upstream, events: None, breaks: None }
    }

    /// The same event stream, which ends between two events once `drain` is cancelled.
    pub(super) fn ending_with(mut self, drain: CancellationToken) -> Self {
        self.events().drain = Some(Box::pin(drain.cancelled_owned()));
        self
    }

    /// The same event stream, with a comment between two events whenever it was silent for so long.
    pub(super) fn kept_alive(mut self, silence: Duration) -> Self {
        self.events().keep_alive = Some(KeepAlive::after(silence));
        self
    }

    /// The same event stream, whose `endpoint` event passes as `judge` decides.
    pub(super) fn judged(mut self, judge: Judge) -> Self {
        self.events().gate = Some(Gate { first: FirstEvent::default(), judge });
        self
    }

    /// The same event stream, without the tools that its client may not call.
    pub(super) fn cut(mut self, cutter: Cutter) -> Self {
        let events = self.events();
        (events.cutter, events.resized) = (Some(EventCutter::new(cutter)), true);
        self
    }

    /// The same event stream, with what comes in the inbox between two events.
    pub(super) fn hearing(mut self, inbox: Inbox) -> Self {
        let events = self.events();
        (events.inbox, events.resized) = (Some(inbox), true);
        self
    }

    /// Reads until it is known what becomes of the first event, for `limit` at most. True if the stream is then as long
    /// as the upstream said; else nobody knows how long it is.
    pub(super) async fn keeps_its_length(&mut self, limit: Duration) -> bool {
        let Self { upstream, events, .. } = self;
        let Some(events) = events else { return true };
        let settling = poll_fn(|context| {
            while events.is_undecided() && events.waiting() < MOST_SETTLING {
                let frame = ready!(Pin::new(&mut *upstream).poll_frame(context));
                events.take(frame);
            }
            Poll::Ready(())
        });
        // Undecided is undecided, whether it took too long or too much.
        let _ = tokio::time::timeout(limit, settling).await;
        events.resized |= events.is_undecided();
        !events.resized
    }

    fn events(&mut self) -> &mut Events {
        self.events.get_or_insert_default()
    }
}

impl Events {
    /// Takes what the upstream sent, and makes ready what may pass.
    fn take(&mut self, frame: Option<Result<Frame<Bytes>, BodyError>>) {
        match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(bytes))) => return self.take_data(bytes),
            Some(Ok(Err(frame))) => {
                self.release();
                if !self.ended {
                    self.ready.push_back(Ok(trailers::for_client(frame)));
                }
                return;
            }
            Some(Err(error)) => {
                self.release();
                if !self.ended {
                    self.ready.push_back(Err(error.into()));
                }
            }
            None => self.release(),
        }
        self.ended = true;
    }

    /// True for what passes as it is and at once, which is nearly everything: data after the first event.
    fn lets_pass(&mut self, frame: &Frame<Bytes>) -> bool {
        if self.gate.is_some() || self.cutter.is_some() || self.draining {
            return false;
        }
        let Some(bytes) = frame.data_ref() else { return false };
        self.passed(bytes);
        !bytes.is_empty()
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.boundary.pass(bytes);
        if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.passed();
        }
    }

    fn take_data(&mut self, mut bytes: Bytes) {
        if self.draining
            && let Some(whole) = self.boundary.last_in(&bytes)
        {
            bytes.truncate(whole);
            self.ended = true;
        }
        self.passed(&bytes);
        match self.gate.take() {
            None => self.say(bytes),
            Some(gate) => self.take_first(bytes, gate),
        }
    }

    fn take_first(&mut self, bytes: Bytes, mut gate: Gate) {
        match gate.first.pass(bytes) {
            Found::Nothing(bytes) => {
                self.gate = Some(gate);
                self.say(bytes);
            }
            Found::Other(bytes) => self.say(bytes),
            Found::Endpoint(event) => match (gate.judge)(Some(&event.reference())) {
                Verdict::AsItIs => self.say(event.unchanged()),
                Verdict::Instead(reference) => self.say_otherwise(event.with(&reference)),
                Verdict::Mapped(remembered) => {
                    self.say_otherwise(event.with(remembered.path()));
                    self.endpoint = Some(remembered);
                }
                Verdict::Refused => self.refuse(RelayError::Endpoint),
            },
            Found::Unreadable => {
                (gate.judge)(None);
                self.refuse(RelayError::Endpoint);
            }
        }
    }

    fn refuse(&mut self, why: RelayError) {
        self.resized = true;
        self.ready.push_back(Err(why));
        self.ended = true;
    }

    fn say(&mut self, bytes: Bytes) {
        match self.cutter.as_mut().map(|cutter| cutter.pass(&bytes)) {
            None => self.pass_on(bytes),
            Some(Cut { over, trouble }) => {
                over.into_iter().for_each(|event| self.pass_on(event));
                if let Some(why) = trouble {
                    self.refuse(why.into());
                }
            }
        }
    }

    fn pass_on(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.ready.push_back(Ok(Frame::data(bytes)));
        }
    }

    fn say_otherwise(&mut self, bytes: Bytes) {
        self.resized = true;
        self.say(bytes);
    }

    /// What was held back passes as it is.
    fn release(&mut self) {
        if let Some(mut gate) = self.gate.take() {
            self.say(gate.first.rest());
        }
        match self.cutter.take().map(|mut cutter| cutter.rest()).transpose() {
            Ok(rest) => self.pass_on(rest.unwrap_or_default()),
            Err(_) if self.ended => {}
            Err(why) => self.refuse(why.into()),
        }
    }

    /// True if the daemon stops and the stream is between two events.
    fn ends_here(&mut self, context: &mut Context<'_>) -> bool {
        let Some(drain) = &mut self.drain else { return false };
        self.draining = self.draining || drain.as_mut().poll(context).is_ready();
        self.draining && self.boundary.is_between()
    }

    /// The upstream is silent, and something else is to be said.
    fn poll_inbox(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        match &mut self.inbox {
            Some(inbox) if self.boundary.is_between() => inbox.poll(context),
            _ => Poll::Pending,
        }
    }

    /// The upstream is silent.
    fn poll_comment(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        let Some(keep_alive) = &mut self.keep_alive else { return Poll::Pending };
        loop {
            ready!(keep_alive.poll_silence(context));
            if self.boundary.is_between() {
                return Poll::Ready(Bytes::from_static(b":\n\n"));
            }
        }
    }

    /// True while another endpoint event may pass than the upstream sent.
    fn is_undecided(&self) -> bool {
        !self.ended && self.gate.as_ref().is_some_and(|gate| gate.first.may_be_endpoint())
    }

    /// How many bytes have come and not passed.
    fn waiting(&self) -> usize {
        let ready = self.ready.iter().flatten().filter_map(Frame::data_ref).map(Bytes::len).sum::<usize>();
        let held = self.cutter.as_ref().map_or(0, EventCutter::held);
        ready + held + self.gate.as_ref().map_or(0, |gate| gate.first.held())
    }
}

impl Relay {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let Self { upstream, events, .. } = self;
        let Some(events) = events else {
            let frame = ready!(Pin::new(upstream).poll_frame(context));
            return Poll::Ready(frame.map(|frame| frame.map(trailers::for_client).map_err(RelayError::from)));
        };
        loop {
            if let Some(frame) = events.ready.pop_front() {
                if events.ready.is_empty() {
                    // Most streams never need it again.
                    events.ready = VecDeque::new();
                }
                return Poll::Ready(Some(frame));
            }
            if events.ended || events.ends_here(context) {
                events.ended = true;
                return Poll::Ready(None);
            }
            match Pin::new(&mut *upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) if events.lets_pass(&frame) => return Poll::Ready(Some(Ok(frame))),
                Poll::Ready(frame) => events.take(frame),
                Poll::Pending => {
                    let said = match events.poll_inbox(context) {
                        Poll::Pending => events.poll_comment(context),
                        event => event,
                    };
                    return said.map(|said| Some(Ok(Frame::data(said))));
                }
            }
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        if let Some(error) = self.breaks.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(self.poll_piece(context)) {
            // The server drops what it has not written yet when a body breaks off; when one rests, it writes.
            Some(Err(error)) => {
                self.breaks = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.events {
            _ if self.breaks.is_some() => false,
            None => self.upstream.is_end_stream(),
            Some(events) => {
                let ended = events.ended || (self.upstream.is_end_stream() && events.waiting() == 0);
                ended && events.ready.is_empty()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let (upstream, Some(events)) = (self.upstream.size_hint(), &self.events) else {
            return self.upstream.size_hint();
        };
        match upstream.exact() {
            Some(left) if !events.resized => SizeHint::with_exact(left + events.waiting() as u64),
            _ => SizeHint::default(),
        }
    }
}
