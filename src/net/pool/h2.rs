//! An HTTP/2 connection: many exchanges at once, each in its own stream, none in the way of another.
//!
//! A stream may hold back as much as [`STREAM_WINDOW`]; the connection's window has room for all of them, so a
//! reader who does not read slows nobody but itself. A peer that answers no PING is gone (RFC 9113 §6.7).

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, Version};
use http_body::Body;
use tokio::time::{Instant, Sleep};

use crate::net::pool::answer::Incoming;
use crate::net::pool::error::{Failure, StreamError, innermost};
use crate::net::pool::interim::OnInterim;
use crate::net::pool::origin::Origin;
use crate::net::pool::tally::{Counted, Tally};
use crate::net::pool::upload::Upload;
use crate::net::pool::{Io, Protocol};

/// The most streams that are opened on one connection, whatever the peer allows.
pub(super) const MOST_STREAMS: usize = 100;
/// How many bytes of an answer may wait for its reader.
const STREAM_WINDOW: u32 = 256 * 1024;
/// How many bytes of a request may wait to be written.
const SEND_BUFFER: usize = 64 * 1024;
/// The longest list of header fields that is taken, as RFC 9113 §6.5.2 counts it.
const LONGEST_HEAD: u32 = 64 * 1024;
/// How long the peer may take to send its SETTINGS.
const SETTINGS_LIMIT: Duration = Duration::from_secs(10);
/// How often the peer is asked whether it is there, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_LIMIT: Duration = Duration::from_secs(20);
/// Stands for "not told yet": more streams than there are numbers for.
const NOT_TOLD: usize = usize::MAX - 1;

/// Header fields of one connection, which HTTP/2 does not have (RFC 9113 §8.2.2), and `Host`, which it has elsewhere.
static NOT_FOR_HTTP2: [HeaderName; 6] = [
    header::CONNECTION,
    header::HOST,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Whoever counts the streams of connections, each of which has a number.
pub(super) trait Home: Send + Sync {
    /// A stream has ended.
    fn release(&self, connection: u64);
    /// The peer allows so many streams now.
    fn allow(&self, connection: u64, streams: usize);
    /// No new stream can be opened.
    fn retire(&self, connection: u64);
    /// The connection has ended.
    fn gone(&self, connection: u64, why: &str);
}

/// One stream's place among those that a connection may have open. Dropped, it is free.
pub(super) struct Place {
    home: Option<Arc<dyn Home>>,
    connection: u64,
    _exchange: Counted,
}

impl Place {
    pub(super) fn new(home: Arc<dyn Home>, connection: u64, exchange: Counted) -> Self {
        Self { home: Some(home), connection, _exchange: exchange }
    }

    /// Ends it without telling anybody; answers the connection's number.
    pub(super) fn forget(mut self) -> u64 {
        self.home = None;
        self.connection
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.release(self.connection);
        }
    }
}

/// The right to open one stream.
pub(super) struct Lease {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) place: Place,
    /// How many streams are open, this one included.
    pub(super) open: usize,
    /// True if the connection had a stream before.
    pub(super) reused: bool,
}

impl Lease {
    /// One request and the head of its answer.
    pub(super) async fn exchange<B>(
        self,
        request: Request<B>,
        origin: &Origin<B>,
    ) -> Result<Response<Incoming>, Failure<B>>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let Self { mut sender, place, open, reused } = self;
        if let Err(error) = ready_now(&mut sender) {
            origin.retire(place.connection);
            return Err(Failure::NotSent(Box::new(request), innermost(&error)));
        }
        let (mut head, body) = request.into_parts();
        let interim = head.extensions.remove::<OnInterim>();
        let ends = body.is_end_stream();
        let request = Request::from_parts(fit(head, body.size_hint().exact()), ());
        let unsent = |why: String| Failure::Lost(StreamError::NotProcessed(why));
        let (response, stream) = sender.send_request(request, ends).map_err(|error| unsent(innermost(&error)))?;
        let allowed = sender.current_max_send_streams();
        if allowed < open && ready_at_once(&mut sender).is_pending() {
            // The limit was lowered in this moment. The stream is not open: to drop it costs nothing.
            origin.allow(place.connection, allowed);
            return Err(unsent("the upstream takes fewer streams than before".to_owned()));
        }
        drop(sender);
        let place = Arc::new(place);
        let mut upload = (!ends).then(|| Upload::new(body, stream, place.clone()));
        let response = told(response, interim, &mut upload).await;
        let response = response.map_err(|error| Failure::Lost(sort(&error, reused)))?;
        // Most uploads are over by now, and need no task of their own.
        let end = upload.map(|mut rest| {
            let end = rest.end();
            origin.spawn(rest);
            end
        });
        let (head, data) = response.into_parts();
        let length = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Ok(Response::from_parts(head, Incoming::http2(data, length, place, end)))
    }
}

/// The response, once it is there; interim answers that come before it are told, and the upload goes on meanwhile.
async fn told<B>(
    mut response: ResponseFuture,
    interim: Option<OnInterim>,
    upload: &mut Option<Upload<B>>,
) -> Result<Response<RecvStream>, h2::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    poll_fn(|context| {
        if let Some(uploading) = upload
            && Pin::new(uploading).poll(context).is_ready()
        {
            *upload = None;
        }
        if let Some(interim) = &interim {
            while let Poll::Ready(Some(Ok(answer))) = response.poll_informational(context) {
                interim.tell(answer.status());
            }
        }
        Pin::new(&mut response).poll(context)
    })
    .await
}

fn ready_at_once(sender: &mut SendRequest<Bytes>) -> Poll<Result<(), h2::Error>> {
    sender.poll_ready(&mut Context::from_waker(Waker::noop()))
}

/// An error if the connection is closed or going away.
fn ready_now(sender: &mut SendRequest<Bytes>) -> Result<(), h2::Error> {
    match ready_at_once(sender) {
        Poll::Ready(ready) => ready,
        Poll::Pending => Ok(()),
    }
}

/// Makes the head of a request fit for HTTP/2. `length` is that of the body, if it is known.
fn fit(mut head: http::request::Parts, length: Option<u64>) -> http::request::Parts {
    // Few names are there; to look up those that may be would hash each of them.
    let unfit: Vec<HeaderName> = head.headers.keys().filter(|name| NOT_FOR_HTTP2.contains(name)).cloned().collect();
    for name in unfit {
        head.headers.remove(name);
    }
    if head.headers.get(header::TE).is_some_and(|te| te != "trailers") {
        head.headers.remove(header::TE);
    }
    if let Some(length) = length
        && (length > 0 || matches!(head.method, Method::POST | Method::PUT | Method::PATCH))
    {
        let missing = |headers: &HeaderMap| !headers.contains_key(header::CONTENT_LENGTH);
        if missing(&head.headers) {
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
    head.version = Version::HTTP_2;
    head
}

/// What became of a request whose stream ended before the head of an answer came.
fn sort(error: &h2::Error, reused: bool) -> StreamError {
    let why = innermost(error);
    // A stream hears of a GOAWAY only if it is none of those that the peer will still process (RFC 9113 §6.8).
    if error.is_remote() && error.is_go_away() {
        if reused { StreamError::WentAway(why) } else { StreamError::NotProcessed(why) }
    } else if error.is_remote() && error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM) {
        StreamError::NotProcessed(why)
    } else if error.is_reset() && !error.is_remote() && !error.is_library() {
        StreamError::RequestBody("its body was not complete".to_owned())
    } else {
        StreamError::broken(reused, why)
    }
}

/// Begins to speak HTTP/2; the second value drives the connection until it is closed.
pub(super) async fn open(
    io: Box<dyn Io>,
    home: Weak<dyn Home>,
    number: u64,
    tally: &Arc<Tally>,
) -> Result<(SendRequest<Bytes>, Driver), String> {
    let (sender, mut connection) = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * MOST_STREAMS as u32)
        .max_header_list_size(LONGEST_HEAD)
        .max_send_buffer_size(SEND_BUFFER)
        .initial_max_send_streams(NOT_TOLD)
        .handshake::<_, Bytes>(io)
        .await
        .map_err(|error| innermost(&error))?;
    let ping = connection.ping_pong().ok_or("PING is in use")?;
    let timer = Box::pin(tokio::time::sleep(SETTINGS_LIMIT));
    let (awaits, allowed, yielded) = (Awaits::Settings, NOT_TOLD, false);
    let _open = tally.opened(Protocol::Http2);
    Ok((sender, Driver { connection, ping, timer, awaits, allowed, home, number, yielded, _open }))
}

/// Moves the bytes of a connection, tells what the peer allows, and notices when it is gone.
pub(super) struct Driver {
    connection: h2::client::Connection<Box<dyn Io>, Bytes>,
    ping: PingPong,
    timer: Pin<Box<Sleep>>,
    awaits: Awaits,
    allowed: usize,
    home: Weak<dyn Home>,
    number: u64,
    /// It let the others go first.
    yielded: bool,
    _open: Counted,
}

/// What the timer is set for.
enum Awaits {
    Settings,
    TimeToAsk,
    Pong,
}

impl Driver {
    fn poll_connection(&mut self, context: &mut Context<'_>) -> Poll<String> {
        if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(context) {
            return Poll::Ready(ended.map_or_else(|error| innermost(&error), |()| "it was closed".to_owned()));
        }
        let allowed = self.connection.max_concurrent_send_streams();
        if allowed != self.allowed {
            if let Awaits::Settings = self.awaits {
                self.wait(Awaits::TimeToAsk, PING_INTERVAL);
            }
            self.allowed = allowed;
            if let Some(home) = self.home.upgrade() {
                home.allow(self.number, allowed);
            }
        }
        self.poll_peer(context).map(str::to_owned)
    }

    /// Ready if the peer is gone.
    fn poll_peer(&mut self, context: &mut Context<'_>) -> Poll<&'static str> {
        loop {
            if let Awaits::Pong = self.awaits
                && self.ping.poll_pong(context).is_ready()
            {
                self.wait(Awaits::TimeToAsk, PING_INTERVAL);
            }
            ready!(self.timer.as_mut().poll(context));
            match self.awaits {
                Awaits::Settings => return Poll::Ready("it sent no SETTINGS"),
                Awaits::Pong => return Poll::Ready("it answers no PING"),
                Awaits::TimeToAsk => {
                    // Only a connection that is closed takes none, and says so when it is polled.
                    let _ = self.ping.send_ping(Ping::opaque());
                    self.wait(Awaits::Pong, PING_LIMIT);
                }
            }
        }
    }

    fn wait(&mut self, awaits: Awaits, limit: Duration) {
        self.awaits = awaits;
        self.timer.as_mut().reset(Instant::now() + limit);
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Whoever has something for this connection now goes first, so that it is written together: else each head and
        // each body would be a TLS record and a system call of its own.
        self.yielded = !self.yielded;
        if self.yielded {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let why = ready!(self.poll_connection(context));
        if let Some(home) = self.home.upgrade() {
            home.gone(self.number, &why);
        }
        Poll::Ready(())
    }
}
