//! One client's connection: HTTP/1.1, or HTTP/2 with prior knowledge, each with limits on what a client may leave
//! undone, and a graceful end.
//!
//! There is one timer for each connection. It is set when the connection has to wait, and moved only to be nearer; a
//! request that comes in time touches none.

mod exchange;
mod serving;
mod socket;
mod standing;
mod stream;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, Version as Http, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::exchange::{Answering, Handover};
pub(super) use self::exchange::{Exchange, Upload};
use self::serving::{Ending, UntilHandover, Whole, guarded};
use self::socket::{Socket, Version};
use self::standing::{Patience, Phase};
pub(super) use self::standing::{Room, Standing};
use self::stream::{End, EventStream};
use crate::net::listener::{Arrival, Stream, Unopened};
use crate::observe::traffic::{Connected, Unread};
use crate::proxy::caller::Caller;
use crate::proxy::context::Context;
use crate::proxy::handle::handle;
use crate::proxy::headers;

/// The longest head of a request, in bytes: request line and headers of HTTP/1.1, the header list of HTTP/2 as RFC 9113
/// §6.5.2 counts it. Also what is buffered of a body in either direction.
const LONGEST_HEAD: usize = 64 * 1024;
/// The most header lines of a request of HTTP/1.1; hyper alone would take 100.
const MOST_HEADERS: usize = 256;
/// How many requests one HTTP/2 connection may have open. RFC 9113 §6.5.2 asks for at least 100.
const HTTP_2_STREAMS: u32 = 128;
/// How much of one upload, and of all uploads, may come ahead of what was taken, on one HTTP/2 connection.
const HTTP_2_STREAM_WINDOW: u32 = 256 * 1024;
const HTTP_2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How many streams may be ended by our errors before an HTTP/2 connection is. Floods of resets that the client sends
/// are bounded by the h2 crate, at 20 that have not been looked at.
const HTTP_2_RESETS: usize = 128;
/// How often a client of HTTP/2 is asked whether it is there, and how long it may take to say so.
const HTTP_2_PING: Duration = Duration::from_secs(30);
const HTTP_2_PONG: Duration = Duration::from_secs(15);
/// How long after our last word the rest of an upload is read, so that it does not reset the connection before the
/// client has read that word (RFC 9112 §9.6).
const LINGERING: Duration = Duration::from_secs(2);
/// How long after a stop a connection that was accepted may still begin its first request: the client's system has
/// told it that it is connected, so its bytes may be under way.
const LAST_CHANCE: Duration = Duration::from_millis(500);
/// The answer to a head that was not complete in time.
const TOO_LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The answer to a client that does not begin with TLS where it should.
const NO_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: 58\r\n\r\n\
    This address of mcp-proxy speaks TLS: use https:// for it\n";

/// The connection was given up just when a request came.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed in favour of another one")]
struct Evicted;

/// Serves one connection to its end, for which it counts as open.
pub(super) async fn serve(
    context: Arc<Context>,
    arrival: Arrival,
    caller: Caller,
    standing: Arc<Standing>,
    _open: Connected,
) {
    let patience = {
        let settings = &context.snapshot().settings;
        Patience { head: settings.header_timeout, idle: settings.idle_timeout }
    };
    // Before anything is read: the process is sure to be there now.
    let snapshot = context.snapshot();
    caller.look(&context.finder, &snapshot.settings.clients).await;
    drop(snapshot);
    // Handshake and first head have one time together.
    let deadline = Instant::now() + patience.head;
    // On the heap: most have no handshake, and those that have one have it once.
    let Some(stream) = Box::pin(open(&context, arrival, &caller, &standing, deadline)).await else { return };
    let mut socket = Socket::new(stream, standing.clone());
    let version = tokio::select! {
        biased;
        version = tokio::time::timeout_at(deadline, socket.version()) => version,
        () = last_chance(&context.drain) => return,
    };
    match version {
        Ok(Ok(Some(Version::Http1))) => http_1(context, socket, caller, standing, patience).await,
        // On the heap, so that all the others need not have room for it.
        Ok(Ok(Some(Version::Http2))) => Box::pin(http_2(context, socket, caller, standing, patience)).await,
        Ok(Ok(None) | Err(_)) => {}
        Err(_) if socket.has_received() => {
            context.unheard.note(caller.peer, Unread::TooLate, "its first bytes came");
            socket.say(TOO_LATE).await;
        }
        Err(_) => {}
    }
}

/// Begins TLS, where that is needed; `None` if the connection is over.
async fn open(
    context: &Context,
    arrival: Arrival,
    caller: &Caller,
    standing: &Arc<Standing>,
    deadline: Instant,
) -> Option<Stream> {
    let opened = tokio::select! {
        biased;
        opened = tokio::time::timeout_at(deadline, arrival.opened()) => opened,
        () = last_chance(&context.drain) => return None,
    };
    let stream = match opened {
        Ok(Ok((stream, certificate))) => {
            if let Some(certificate) = certificate {
                caller.shows(certificate);
            }
            return Some(stream);
        }
        Ok(Err(Unopened::Left)) => return None,
        Ok(Err(Unopened::NotTls(stream))) => {
            context.unheard.note(caller.peer, Unread::NotTls, "it was told to use https://");
            let mut socket = Socket::new(stream, standing.clone());
            socket.say(NO_TLS).await;
            socket
        }
        Ok(Err(Unopened::Handshake(error, stream))) => {
            context.unheard.note(caller.peer, Unread::Handshake, &error.to_string());
            Socket::new(stream, standing.clone())
        }
        Err(_) => {
            context.unheard.note(caller.peer, Unread::Handshake, "it was not complete in time (limits.header_timeout)");
            return None;
        }
    };
    linger(stream, &context.drain).await;
    None
}

/// Reads the rest, for a while: who still writes after that has had its chance to read our last word.
async fn linger(mut socket: Socket, drain: &CancellationToken) {
    tokio::select! {
        _ = tokio::time::timeout(LINGERING, socket.use_up()) => {}
        () = drain.cancelled() => {}
    }
}

/// Ends some time after a stop: who was let in before it may still say what for.
async fn last_chance(drain: &CancellationToken) {
    drain.cancelled().await;
    tokio::time::sleep(LAST_CHANCE).await;
}

async fn http_1(context: Arc<Context>, socket: Socket, caller: Caller, standing: Arc<Standing>, patience: Patience) {
    let handover = Handover::default();
    let (shared, own, place) = (context.clone(), standing.clone(), handover.clone());
    let called = caller.clone();
    let service = service_fn(move |request| answer(&shared, &called, &own, Some(&place), request));
    let mut server = http1::Builder::new();
    server
        .header_read_timeout(None)
        // To look for the end of the input, hyper would hold 8 KiB for each stream that is open. The socket looks.
        .half_close(true)
        .max_buf_size(LONGEST_HEAD)
        .max_headers(MOST_HEADERS);
    let mut socket = socket;
    loop {
        let serving = server.serve_connection(TokioIo::new(socket), &service);
        let mut serving = UntilHandover { serving, handover: &handover, standing: &standing };
        let ending = guarded(&mut serving, &standing, patience, &context.drain).await;
        let parts = serving.serving.into_parts();
        socket = parts.io.into_inner();
        let ending = match ending {
            Ending::Over(Ok(Some(rest))) => {
                socket.put_back(&parts.read_buf);
                let mut stream = EventStream::new(socket, rest);
                let ending = guarded(&mut stream, &standing, patience, &context.drain).await;
                socket = stream.into_socket();
                match ending {
                    Ending::Over(End::Kept) => continue,
                    Ending::Over(End::Last) => return socket.close().await,
                    Ending::Over(End::Broken) | Ending::Late(_) => return,
                }
            }
            Ending::Over(Ok(None)) => Ending::Over(Ok(())),
            Ending::Over(Err(error)) => Ending::Over(Err(error)),
            Ending::Late(phase) => Ending::Late(phase),
        };
        note(&ending, &context, &caller);
        let unread = match &ending {
            Ending::Late(Phase::Head) => return socket.say(TOO_LATE).await,
            Ending::Late(_) => false,
            Ending::Over(Ok(())) => standing.left_upload_unread(),
            Ending::Over(Err(error)) => error.is_parse(),
        };
        if unread {
            linger(socket, &context.drain).await;
        }
        return;
    }
}

async fn http_2(context: Arc<Context>, socket: Socket, caller: Caller, standing: Arc<Standing>, patience: Patience) {
    standing.multiplexed();
    let (shared, own) = (context.clone(), standing.clone());
    let called = caller.clone();
    let service = service_fn(move |request| answer(&shared, &called, &own, None, request));
    let mut serving = http2::Builder::new(Streams::default())
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP_2_STREAMS)
        .max_header_list_size(LONGEST_HEAD as u32)
        .max_send_buf_size(LONGEST_HEAD)
        .initial_stream_window_size(HTTP_2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP_2_CONNECTION_WINDOW)
        .max_local_error_reset_streams(HTTP_2_RESETS)
        .keep_alive_interval(HTTP_2_PING)
        .keep_alive_timeout(HTTP_2_PONG)
        .serve_connection(TokioIo::new(socket), service);
    let ending = guarded(&mut Whole(&mut serving), &standing, patience, &context.drain).await;
    note(&ending, &context, &caller);
    if let Ending::Late(_) = ending {
        Pin::new(&mut serving).graceful_shutdown();
        // Its client is told, and need not answer.
        let _ = tokio::time::timeout(patience.head, serving).await;
    }
}

/// Answers one request. The connection is busy from the moment this is called. The rest of an event stream may go to
/// `handover`.
fn answer(
    context: &Arc<Context>,
    caller: &Caller,
    standing: &Arc<Standing>,
    handover: Option<&Handover>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Answering>, Evicted>> + Send + use<> {
    let exchange = Exchange::begin(standing, &request);
    // An older client would get no chunks, and one that asks for the head alone no body.
    let chunked = request.version() == Http::HTTP_11 && request.method() != Method::HEAD;
    let handover = handover.filter(|_| chunked).cloned();
    let (context, caller) = (context.clone(), caller.clone());
    // On the heap until the head of the answer is there: hyper keeps room for what this returns as long as the
    // connection lasts, and most of that time there is only a body, or nothing.
    Box::pin(async move {
        let exchange = exchange.ok_or(Evicted)?;
        let response = handle(context, caller, &exchange, request).await;
        let handover = handover.filter(|_| is_chunked_stream(&response));
        Ok(response.map(|body| exchange.until_end_of(body, handover)))
    })
}

/// True for an event stream that hyper sends in chunks, with nothing after the last one.
fn is_chunked_stream<B: Body>(response: &Response<B>) -> bool {
    response.body().size_hint().exact().is_none()
        && response.status() == StatusCode::OK
        && headers::is_event_stream(response.headers())
        && !response.headers().contains_key(header::TRAILER)
        && !response.headers().contains_key(header::CONTENT_LENGTH)
}

fn note(ending: &Ending<hyper::Result<()>>, context: &Context, caller: &Caller) {
    if let Some(why) = unread(ending) {
        let detail = match ending {
            // What it says of a cause may repeat what came.
            Ending::Over(Err(error)) => error.to_string(),
            _ => "a part of it came".to_owned(),
        };
        context.unheard.note(caller.peer, why, &detail);
    }
    match ending {
        Ending::Over(Ok(())) => {}
        Ending::Over(Err(error)) => tracing::debug!(peer = %caller.peer, "connection ended: {error}"),
        Ending::Late(phase) => tracing::debug!(peer = %caller.peer, ?phase, "connection closed: its time is up"),
    }
}

/// Whether the connection ended with something that is no request, to which hyper or we have said so.
fn unread(ending: &Ending<hyper::Result<()>>) -> Option<Unread> {
    match ending {
        Ending::Over(Err(error)) if error.is_parse_too_large() => Some(Unread::TooLong),
        Ending::Over(Err(error)) if error.is_parse() => Some(Unread::Malformed),
        Ending::Late(Phase::Head) => Some(Unread::TooLate),
        Ending::Over(_) | Ending::Late(_) => None,
    }
}

/// The requests of one HTTP/2 connection, which end with it.
#[derive(Debug, Clone, Default)]
struct Streams(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while streams.try_join_next().is_some() {}
        streams.spawn(stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of<F: Future>(_: impl Fn(Arc<Context>, Arrival, Caller, Arc<Standing>, Connected) -> F) -> usize {
        std::mem::size_of::<F>()
    }

    #[test]
    fn ten_thousand_idle_connections_need_little_room_for_their_tasks() {
        assert!(size_of(serve) < 3 * 1024, "{} bytes", size_of(serve));
    }

    fn size_of_answer<F: Future>(
        _: impl Fn(&Arc<Context>, &Caller, &Arc<Standing>, Option<&Handover>, Request<Incoming>) -> F,
    ) -> usize {
        std::mem::size_of::<F>()
    }

    /// hyper keeps room for it as long as the connection lasts.
    #[test]
    fn requests_under_way_need_no_room_in_their_connection() {
        assert!(size_of_answer(answer) <= 16, "{} bytes", size_of_answer(answer));
    }
}
