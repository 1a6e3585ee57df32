//! The control socket: HTTP/1.1 over a Unix socket, for the commands of `mcp-proxy` and for whoever operates it.
//!
//! `GET /status`, `/servers`, `/clients`, `/probe`, `/ready` and `/metrics` are for everybody who can open the socket; `POST /login`,
//! `/login/ID/paste`, `/logout`, `/incident` and `/resume` for those whom `rights` lets; `POST /clients/add` and
//! `/clients/remove` for root and the daemon's own user. [`protocol`] has the words that go over it, [`client`] is its
//! other end.

mod answer;
pub mod client;
mod clients;
mod door;
mod incident;
mod login;
mod logout;
mod metrics;
mod probe;
pub mod protocol;
mod rights;
mod servers;
mod snapshot;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::alibaba::credentials::Credentials;
use crate::config::settings::Upstream;
use crate::daemon::control::rights::Caller;
use crate::daemon::custody::Kept;
use crate::daemon::in_force::InForce;
use crate::daemon::incident::Incident;
use crate::daemon::registrar::Registrar;
use crate::daemon::sign_in::SignIn;
use crate::model::peer::Peer;
use crate::model::time::{Clock, Now};
use crate::model::upstream::UpstreamName;
use crate::net::api_client::ApiClient;
use crate::net::listener::{Address, Listener, Stream};
use crate::net::owner::Finder;
use crate::net::settings::Settings as NetSettings;
use crate::observe::audit::Audit;
use crate::observe::health::Health;
use crate::observe::traffic::Traffic;
use crate::proxy::server::Reloader;

pub(super) use self::door::open;
pub(super) use self::login::Waiting;
pub(super) use self::servers::Shelf;

/// How many connections are served at once; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 32;
/// How long a caller may take to send the head of its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;
/// How long answers under way may take once the daemon stops.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// How long to wait when the system cannot give us a connection, so that a lack of descriptors is no busy loop.
const BREATHER: Duration = Duration::from_millis(100);

/// What is known and can be done through the socket.
pub(super) struct Context {
    pub(super) health: Health,
    pub(super) traffic: Arc<Traffic>,
    pub(super) clock: Clock,
    pub(super) started: Now,
    pub(super) listening: Vec<Address>,
    /// Host and port at which clients on this machine reach the daemon, if it has a port.
    pub(super) reached_at: Option<String>,
    /// The data path, whose server lists a reload exchanges.
    pub(super) server: Option<Reloader>,
    /// What is known of the servers of each upstream that lists them.
    pub(super) shelves: Vec<Shelf>,
    pub(super) state_dir: PathBuf,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) kept: Vec<Kept>,
    pub(super) sign_ins: Vec<SignIn>,
    /// The API credentials of the upstreams that have any.
    pub(super) credentials: Vec<(UpstreamName, Credentials)>,
    pub(super) api: ApiClient,
    /// The login that waits for what a person pastes.
    pub(super) waiting: Waiting,
    pub(super) audit: Option<Audit>,
    pub(super) incident: Incident,
    pub(super) stop: CancellationToken,
    /// Who is at the other end of a connection.
    pub(super) finder: Finder,
    /// People and keys.
    pub(super) registrar: Registrar,
    /// Where browsers come back to.
    pub(super) redirect_uri: Option<String>,
    pub(super) net: NetSettings,
    pub(super) max_connections: usize,
    /// How far the configuration has gone ahead, if it can be read anew.
    pub(super) in_force: Option<InForce>,
    /// Held while somebody has the daemon look at its surroundings.
    pub(super) looking: Mutex<()>,
}

/// The server of the control socket.
pub(super) struct Control {
    listeners: Vec<Listener>,
    context: Arc<Context>,
}

impl Control {
    /// A server on sockets that are bound already.
    pub(super) fn new(listeners: Vec<Listener>, context: Context) -> Self {
        Self { listeners, context: Arc::new(context) }
    }

    /// Serves until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let Self { listeners, context } = self;
        let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let permit = tokio::select! {
                () = stop.cancelled() => break,
                Ok(permit) = permits.clone().acquire_owned() => permit,
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = next(&listeners) => accepted,
            };
            match accepted {
                Ok((stream, peer, path)) => {
                    let caller = Caller::of(peer, stream.inode(), path.as_deref());
                    let context = context.clone();
                    connections.spawn(async move {
                        connection(context, stream, caller).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection on the control socket: {error}");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
        drop(listeners);
        context.stop.cancel();
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_ANSWERS, all).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// The next connection on any of them, who is there, and the path of the socket. Without listeners there is none, ever.
async fn next(listeners: &[Listener]) -> io::Result<(Stream, Peer, Option<PathBuf>)> {
    poll_fn(|context| {
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                let path = match listener.address() {
                    Ok(Address::Unix(path)) => path,
                    _ => None,
                };
                return Poll::Ready(accepted.map(|(stream, peer)| (stream, peer, path)));
            }
        }
        Poll::Pending
    })
    .await
}

async fn connection(context: Arc<Context>, stream: Stream, caller: Caller) {
    let service = service_fn(|request| {
        let context = context.clone();
        async move { Ok::<_, Infallible>(answer::answer(context, caller, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(LONGEST_HEAD)
        // One request each: nobody holds a place without asking for something.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = serving.await {
        tracing::debug!(%caller, "control connection ended: {error}");
    }
}
