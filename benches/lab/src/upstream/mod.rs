//! The upstream: an MCP server as far as a proxy can tell, over TLS, HTTP/1.1 or HTTP/2 as the client prefers.
//!
//! It has four answers. `/call` is a small one, `/large` one of 64 KiB, `/events` an event stream of [`EVENTS`] events,
//! one each [`PACE`], and `/stream` an event stream without an end, which is silent until the lab lets it speak.

mod h1;
mod h2;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::tls;

/// How many events an answer of `/events` has.
pub(crate) const EVENTS: usize = 20;
/// The time between two of them.
const PACE: Duration = Duration::from_millis(1);
/// The time between two events of a stream without an end.
const BEAT: Duration = Duration::from_secs(1);
/// How long a large body is.
pub(crate) const LARGE: usize = 64 * 1024;
/// The answer to a small call.
const SMALL: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"i-bp1a2b3c4d5e6f7g8h9j Running "#,
    r#"cn-hangzhou-h ecs.g7.large 2 vCPU 8 GiB vpc-bp1q2w3e4r5t6y7u8i9o0"}],"isError":false}}"#
);
/// One event of `/events`.
const EVENT: &str = concat!(
    "event: message\n",
    r#"data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":50}}"#,
    "\n\n"
);

/// How many bytes the body of an answer of `/call` has.
pub(crate) const SMALL_BYTES: usize = SMALL.len();
/// The same for `/events`.
pub(crate) const EVENTS_BYTES: usize = EVENTS * EVENT.len();

/// The running upstream. It ends when it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    /// The file of the authority that signed its certificate.
    pub(crate) authority: PathBuf,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// What its connections share.
struct Shared {
    small: Bytes,
    large: Bytes,
    event: Bytes,
    /// Streams without an end that are open.
    streams: AtomicUsize,
    /// Numbers them, which spreads their events over a second.
    opened: AtomicUsize,
    speaking: watch::Sender<bool>,
    began: Instant,
}

/// What a request is answered with.
enum Answer {
    Json(Bytes),
    Events,
    Stream,
    NotFound,
}

impl Upstream {
    /// Starts, with an authority of its own in `directory`.
    pub(crate) async fn start(directory: &Path) -> anyhow::Result<Self> {
        let authority = directory.join("authority.pem");
        let acceptor = tls::server(&authority)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("the upstream cannot listen")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            small: Bytes::from_static(SMALL.as_bytes()),
            large: Bytes::from(vec![b'x'; LARGE]),
            event: Bytes::from_static(EVENT.as_bytes()),
            streams: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            speaking: watch::Sender::new(false),
            began: Instant::now(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor, shared.clone()));
        Ok(Self { address, authority, shared, _tasks: tasks })
    }

    /// How many streams without an end are open.
    pub(crate) fn streams(&self) -> usize {
        self.shared.streams.load(Ordering::Relaxed)
    }

    /// Whether these streams have an event each second.
    pub(crate) fn speak(&self, speaking: bool) {
        self.shared.speaking.send_replace(speaking);
    }

    /// The point from which events count the time.
    pub(crate) fn began(&self) -> Instant {
        self.shared.began
    }
}

impl Shared {
    fn answer(&self, path: &str) -> Answer {
        match path {
            "/call" => Answer::Json(self.small.clone()),
            "/large" => Answer::Json(self.large.clone()),
            "/events" => Answer::Events,
            "/stream" => Answer::Stream,
            _ => Answer::NotFound,
        }
    }

    /// An event that says when it was sent.
    fn stamped(&self) -> Bytes {
        let sent = self.began.elapsed().as_nanos();
        Bytes::from(format!("event: message\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"lab\",\"sent\":{sent:020}}}\n\n"))
    }
}

/// A stream without an end: says when the next event is due.
struct Speaker {
    shared: Arc<Shared>,
    speaking: watch::Receiver<bool>,
    offset: Duration,
    spoke: bool,
}

impl Speaker {
    fn new(shared: Arc<Shared>) -> Self {
        shared.streams.fetch_add(1, Ordering::Relaxed);
        let number = shared.opened.fetch_add(1, Ordering::Relaxed);
        // Steps that are coprime to the length spread any number of streams evenly.
        let offset = Duration::from_millis((number as u64 * 617) % 1000);
        Self { speaking: shared.speaking.subscribe(), shared, offset, spoke: false }
    }

    /// The next event.
    async fn next(&mut self) -> Bytes {
        loop {
            if !*self.speaking.borrow_and_update() {
                self.spoke = false;
                // The lab outlives its streams.
                let _ = self.speaking.changed().await;
                continue;
            }
            sleep(if self.spoke { BEAT } else { self.offset }).await;
            self.spoke = true;
            if *self.speaking.borrow() {
                return self.shared.stamped();
            }
        }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.shared.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((tcp, _)) = accepted {
                connections.spawn(serve(tcp, acceptor.clone(), shared.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A connection that breaks off is the candidate's business.
async fn serve(tcp: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let _ = tcp.set_nodelay(true);
    let Ok(tls) = acceptor.accept(tcp).await else { return };
    if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
        h2::serve(tls, shared).await;
    } else {
        let _ = h1::serve(tls, &shared).await;
    }
}
