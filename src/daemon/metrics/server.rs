//! The socket for metrics: `GET /metrics` and `GET /ready` over HTTP/1.1, for a Prometheus that comes by itself, and
//! nothing else. Who reaches it may read; nothing that is said here is a secret, and nothing can be done.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use crate::daemon::control::{Body, Context, ready, whole};
use crate::daemon::inherited::Socket;
use crate::daemon::metrics::text;
use crate::daemon::reception::{Visit, receive};
use crate::daemon::{listener, port_holder};
use crate::net::listener::{Address, Listener};
use crate::observe::exposition;
use crate::observe::health::Health;

/// How many connections are served at once; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 16;
/// How long a caller may take to send the head of its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;
/// The condition: there is no such socket, although there should be one.
const NOT_SERVED: &str = "metrics-not-served";
/// What it concerns.
const SUBJECT: &str = "metrics";

/// The server of that socket.
pub(in crate::daemon) struct Metrics {
    listeners: Vec<Listener>,
    context: Arc<Context>,
}

/// Takes the `passed` sockets; without any, listens at `address`. A daemon serves without it too, so what is in the way
/// is a condition, and no more.
pub(in crate::daemon) fn open(passed: Vec<Socket>, address: Option<SocketAddr>, health: &Health) -> Vec<Listener> {
    let opened: Vec<io::Result<Listener>> = match (passed.is_empty(), address) {
        (false, _) => passed.into_iter().map(adopted).collect(),
        (true, Some(address)) => vec![bound(address)],
        (true, None) => Vec::new(),
    };
    let (mut listeners, mut problems) = (Vec::new(), Vec::new());
    for one in opened {
        match one {
            Ok(listener) => listeners.push(listener),
            Err(error) => problems.push(error.to_string()),
        }
    }
    if !problems.is_empty() {
        let reason = format!("Metrics are not served where they should be: {}", problems.join("; "));
        let remedy = "Give metrics.listen, or mcp-proxy-metrics.socket, an address of its own, then restart mcp-proxy";
        health.raise(NOT_SERVED, SUBJECT, &reason, remedy);
    }
    listeners
}

fn adopted(socket: Socket) -> io::Result<Listener> {
    match socket {
        Socket::Tcp(listener) => TcpListener::from_std(listener).map(Listener::Tcp),
        // Its file is the service manager's.
        Socket::Unix(listener) => UnixListener::from_std(listener).map(|listener| Listener::Unix(listener, None)),
    }
}

fn bound(address: SocketAddr) -> io::Result<Listener> {
    listener::bind_address(address).map(Listener::Tcp).map_err(|error| {
        let holder = port_holder::find(address).filter(|_| error.kind() == io::ErrorKind::AddrInUse);
        let by = holder.map_or_else(String::new, |holder| format!(" (by {holder})"));
        io::Error::new(error.kind(), format!("{address}: {error}{by}"))
    })
}

impl Metrics {
    /// A server on sockets that are bound already.
    pub(in crate::daemon) fn new(listeners: Vec<Listener>, context: Arc<Context>) -> Self {
        Self { listeners, context }
    }

    /// Serves until `stop`.
    pub(in crate::daemon) async fn run(self, stop: CancellationToken) {
        let Self { listeners, context } = self;
        let serve = |visit: Visit| connection(context.clone(), visit);
        receive(listeners, MOST_CONNECTIONS, stop, || (), serve).await;
    }
}

async fn connection(context: Arc<Context>, visit: Visit) {
    let Visit { stream, peer, at } = visit;
    // No name leads to a Unix socket.
    let bound = match at {
        Some(Address::Tcp(address)) => Some(address.ip().to_canonical()),
        _ => None,
    };
    let service = service_fn(|request| {
        let context = context.clone();
        async move { Ok::<_, Infallible>(answer(&context, bound, request)) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(LONGEST_HEAD)
        // One request each: nobody holds a place without asking for something.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = serving.await {
        tracing::debug!(%peer, "connection for metrics ended: {error}");
    }
}

fn answer(context: &Context, bound: Option<IpAddr>, request: Request<Incoming>) -> Response<Body> {
    let (head, _) = request.into_parts();
    let plain = |status, words: &str| whole(status, "text/plain; charset=utf-8", format!("{words}\n"));
    let refused = context.server.as_ref().and_then(|server| server.admits(bound, &head).err());
    if let Some(rule) = refused {
        return plain(StatusCode::FORBIDDEN, &format!("refused by: {rule}"));
    }
    let path = head.uri.path();
    if !["/metrics", "/ready"].contains(&path) {
        return plain(StatusCode::NOT_FOUND, "there are /metrics and /ready");
    }
    if ![Method::GET, Method::HEAD].contains(&head.method) {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET");
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match path {
        "/metrics" => whole(StatusCode::OK, exposition::FORMAT, text(context)),
        _ => ready(context),
    }
}
