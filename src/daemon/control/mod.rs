//! The control socket: HTTP/1.1 over a Unix socket, for the commands of `mcp-proxy` and for whoever operates it.
//!
//! `GET /status`, `/servers`, `/clients`, `/reach`, `/probe`, `/ready` and `/metrics` are for everybody who can open the socket, and
//! so is the page at `/ui`; `GET /recent`,
//! `POST /login`, `/login/ID/paste`, `/logout`, `/incident` and `/resume` for those whom `rights` lets; `POST /clients/add`
//! and `/clients/remove` for root and the daemon's own user. [`protocol`] has the words that go over it, [`client`] is its
//! other end.

mod answer;
pub mod client;
mod clients;
mod door;
mod guard;
mod incident;
mod login;
mod logout;
mod probe;
pub mod protocol;
mod reach;
mod rights;
mod servers;
mod snapshot;
pub mod ui;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::alibaba::credentials::Credentials;
use crate::config::settings::Upstream;
use crate::daemon::control::rights::Caller;
use crate::daemon::custody::Kept;
use crate::daemon::in_force::InForce;
use crate::daemon::incident::Incident;
use crate::daemon::reception::{Visit, receive};
use crate::daemon::registrar::Registrar;
use crate::daemon::sign_in::SignIn;
use crate::model::time::{Clock, Now, Wall};
use crate::model::upstream::UpstreamName;
use crate::net::api_client::ApiClient;
use crate::net::listener::{Address, Listener, Stream};
use crate::net::owner::Finder;
use crate::net::settings::Settings as NetSettings;
use crate::observe::audit::Audit;
use crate::observe::health::Health;
use crate::observe::traffic::Traffic;
use crate::proxy::server::Reloader;

pub(super) use self::answer::{Body, ready, whole};
pub(super) use self::door::open;
pub(super) use self::login::Waiting;
pub(super) use self::reach::Probe;
pub(super) use self::servers::Shelf;
pub(super) use self::ui::Ui;

/// How many connections are served at once; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 32;
/// How long a caller may take to send the head of its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;
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
    /// How the upstreams were reached the last time.
    pub(super) probe: Probe,
    /// The login that waits for what a person pastes.
    pub(super) waiting: Waiting,
    /// What is kept for the page.
    pub(super) ui: Ui,
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

impl Context {
    /// True if requests to every upstream can be served.
    pub(super) fn is_ready(&self) -> bool {
        snapshot::is_ready(self)
    }

    /// When the daemon started, on the wall clock as it is now.
    pub(super) fn began(&self) -> Wall {
        let now = self.clock.now();
        now.wall.minus(now.mono.since(self.started.mono))
    }
}

/// The server of the control socket.
pub(super) struct Control {
    listeners: Vec<Listener>,
    context: Arc<Context>,
}

impl Control {
    /// A server on sockets that are bound already.
    pub(super) fn new(listeners: Vec<Listener>, context: Arc<Context>) -> Self {
        Self { listeners, context }
    }

    /// Serves until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let Self { listeners, context } = self;
        let closed = context.stop.clone();
        let serve = |Visit { stream, peer, at }: Visit| {
            let path = match at {
                Some(Address::Unix(path)) => path,
                _ => None,
            };
            let caller = Caller::of(peer, stream.inode(), path.as_deref());
            connection(context.clone(), stream, caller)
        };
        receive(listeners, MOST_CONNECTIONS, stop, || closed.cancel(), serve).await;
    }
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
