//! An HTTP/2 upstream that does what the path of a request says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::tls::Identity;

/// The upstream. It ends when it is dropped.
pub(crate) struct Upstream {
    pub(crate) url: String,
    pub(crate) identity: Identity,
    seen: Arc<Seen>,
    orders: broadcast::Sender<Order>,
    _tasks: JoinSet<()>,
}

/// What happened so far.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    open_connections: AtomicUsize,
    held: AtomicUsize,
    /// How often each target was processed, and how often refused.
    processed: Mutex<BTreeMap<String, usize>>,
    refused: Mutex<BTreeMap<String, usize>>,
}

/// What all connections are told to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// Take no new streams, and close when the last one has ended.
    GoAway,
    /// Close at once.
    Break,
}

impl Upstream {
    /// Allows so many streams on each connection.
    pub(crate) async fn allowing(streams: u32) -> Self {
        let identity = Identity::new();
        let acceptor = identity.acceptor(&["h2", "http/1.1"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (seen, orders) = (Arc::<Seen>::default(), broadcast::channel(16).0);
        let (shared, told, mut tasks) = (seen.clone(), orders.clone(), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                connections.spawn(serve(tcp, acceptor.clone(), streams, shared.clone(), told.subscribe()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { url, identity, seen, orders, _tasks: tasks }
    }

    pub(crate) fn order(&self, order: Order) {
        // Nobody hears it if there is no connection.
        let _ = self.orders.send(order);
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.seen.open_connections.load(Ordering::SeqCst)
    }

    /// Streams that are held open now.
    pub(crate) fn held(&self) -> usize {
        self.seen.held.load(Ordering::SeqCst)
    }

    /// How often a request for `target` was processed.
    pub(crate) fn processed(&self, target: &str) -> usize {
        self.seen.processed.lock().unwrap().get(target).copied().unwrap_or_default()
    }

    pub(crate) fn refused(&self, target: &str) -> usize {
        self.seen.refused.lock().unwrap().get(target).copied().unwrap_or_default()
    }
}

/// Counts as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn one(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(
    tcp: TcpStream,
    acceptor: TlsAcceptor,
    limit: u32,
    seen: Arc<Seen>,
    mut orders: broadcast::Receiver<Order>,
) {
    seen.connections.fetch_add(1, Ordering::SeqCst);
    let _open = Counted::one(&seen.open_connections);
    let Ok(tls) = acceptor.accept(tcp).await else { return };
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let Ok(mut connection) = h2::server::Builder::new().max_concurrent_streams(limit).handshake(tls).await else {
        return;
    };
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                streams.spawn(answer(request, respond, seen.clone()));
            }
            Ok(order) = orders.recv() => match order {
                Order::GoAway => connection.graceful_shutdown(),
                Order::Break => return,
            },
        }
        while streams.try_join_next().is_some() {}
    }
}

/// A broken exchange is the client's business.
async fn answer(request: Request<RecvStream>, respond: SendResponse<Bytes>, seen: Arc<Seen>) {
    let _ = try_to_answer(request, respond, &seen).await;
}

async fn try_to_answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    seen: &Seen,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let target = head.uri.path_and_query().unwrap().to_string();
    let count = |map: &Mutex<BTreeMap<String, usize>>| {
        let mut map = map.lock().unwrap();
        let number = map.entry(target.clone()).or_default();
        *number += 1;
        *number
    };
    let ok = |kind: &str| Response::builder().header("content-type", kind).body(()).unwrap();
    match head.uri.path() {
        // Refuses each target as often as the query says, then processes it.
        "/refuse" if count(&seen.refused) <= head.uri.query().unwrap().parse().unwrap() => {
            respond.send_reset(Reason::REFUSED_STREAM);
            return Ok(());
        }
        _ => count(&seen.processed),
    };
    match head.uri.path() {
        "/hold" => {
            let mut stream = respond.send_response(ok("text/event-stream"), false)?;
            let _held = Counted::one(&seen.held);
            stream.send_data(Bytes::from_static(b": open\n\n"), false)?;
            until_reset(&mut stream).await;
        }
        "/silent" => {
            let _held = Counted::one(&seen.held);
            std::future::poll_fn(|context| respond.poll_reset(context)).await?;
        }
        "/early" => {
            let mut stream = respond.send_response(ok("text/plain"), false)?;
            // The request's body is dropped unread, which the library tells by RST_STREAM with NO_ERROR.
            stream.send_data(Bytes::from_static(b"enough"), true)?;
        }
        "/flood" => {
            let mut stream = respond.send_response(ok("text/plain"), false)?;
            let _held = Counted::one(&seen.held);
            loop {
                stream.reserve_capacity(16_384);
                match std::future::poll_fn(|context| stream.poll_capacity(context)).await {
                    Some(Ok(room)) => stream.send_data(Bytes::from(vec![b'x'; room]), false)?,
                    _ => return Ok(()),
                }
            }
        }
        "/trailers" => {
            let mut stream = respond.send_response(ok("text/plain"), false)?;
            stream.send_data(Bytes::from_static(b"body"), false)?;
            let mut trailers = HeaderMap::new();
            trailers.insert("x-checksum", "7".parse().unwrap());
            stream.send_trailers(trailers)?;
        }
        // Says what it got.
        _ => {
            let mut length = 0;
            while let Some(piece) = body.data().await {
                let piece = piece?;
                length += piece.len();
                body.flow_control().release_capacity(piece.len())?;
            }
            let uri = &head.uri;
            let mut text = format!("{} {uri}\n", head.method);
            for (name, value) in &head.headers {
                text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
            }
            text.push_str(&format!("{length} bytes\n"));
            let mut response = ok("text/plain");
            response.headers_mut().insert("content-length", text.len().into());
            respond.send_response(response, false)?.send_data(Bytes::from(text), true)?;
        }
    }
    Ok(())
}

async fn until_reset(stream: &mut SendStream<Bytes>) {
    let _ = std::future::poll_fn(|context| stream.poll_reset(context)).await;
}
