//! The loop of all listeners: a connection, a place, a task; and the end of all of them.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::model::callback::CallbackHandler;
use crate::model::peer::Peer;
use crate::model::server::McpServer;
use crate::model::time::Clock;
use crate::model::upstream::UpstreamName;
use crate::net;
use crate::net::listener::{Address, Arrival, Listener};
use crate::net::owner::Finder;
use crate::net::pool::Tally;
use crate::net::stream_client::StreamClient;
use crate::net::tls::TlsError;
use crate::observe::audit::Audit;
use crate::observe::health::Health;
use crate::observe::pulse::Beat;
use crate::observe::traffic::Traffic;
use crate::observe::unheard::Unheard;
use crate::policy::client::Clients;
use crate::policy::register::Register;
use crate::policy::servers::ServerRules;
use crate::proxy::admit::{Doors, Entrance};
use crate::proxy::caller::Caller;
use crate::proxy::connection;
use crate::proxy::context::{Context, Snapshot};
use crate::proxy::crowd::Crowd;
use crate::proxy::gate::Gate;
use crate::proxy::guesses::Guesses;
use crate::proxy::quota::Quotas;
use crate::proxy::settings::{Settings, UpstreamSettings};
use crate::proxy::upstream::{Counters, Upstream};
use crate::token::Reader;

/// How long to wait when the system cannot give us a connection, so that a lack of descriptors is no busy loop.
const BREATHER: Duration = Duration::from_millis(100);

/// An upstream and what is known about it.
#[derive(Debug, Clone)]
pub struct Mounted {
    /// Its settings.
    pub settings: UpstreamSettings,
    /// Where its bearer is read.
    pub tokens: Reader,
    /// What is known of its servers.
    pub catalogue: watch::Receiver<Arc<[McpServer]>>,
    /// Told when a request cannot be decided without knowing more of them.
    pub unknown: Arc<Notify>,
}

/// What a server is made of.
pub struct Parts {
    /// Settings of the data path.
    pub settings: Settings,
    /// Settings of the connections to upstreams.
    pub net: net::Settings,
    /// The upstreams.
    pub upstreams: Vec<Mounted>,
    /// Who takes callbacks of the sign-in.
    pub callbacks: CallbackHandler,
    /// Who is at the other end of a connection.
    pub finder: Finder,
    /// People and keys.
    pub register: watch::Receiver<Arc<Register>>,
    /// The daemon's conditions.
    pub health: Health,
    /// The daemon's counters.
    pub traffic: Arc<Traffic>,
    /// What takes the records of all requests, if anything does.
    pub audit: Option<Audit>,
    /// The gate before all upstreams.
    pub gate: Gate,
    /// The time.
    pub clock: Clock,
}

/// Why no server can be made.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No TLS configuration for the upstreams.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener has no address.
    #[error("a listener has no address: {0}")]
    Listener(#[from] io::Error),
}

/// A server that is ready to accept on its listeners.
pub struct Server {
    listeners: Vec<(Listener, Entrance)>,
    context: Arc<Context>,
    reloader: Reloader,
}

/// Exchanges what the configuration decides, while requests are served.
#[derive(Clone)]
pub struct Reloader {
    context: Arc<Context>,
}

impl Server {
    /// Puts a server together. The listeners are bound already.
    ///
    /// # Errors
    /// When the parts do not fit.
    pub fn new(listeners: Vec<Listener>, parts: Parts) -> Result<Self, ServerError> {
        let with_entrance = |listener: Listener| {
            let entrance = match listener.address()? {
                Address::Tcp(address) => Entrance::Tcp(address.ip().to_canonical()),
                Address::Tls(address) => Entrance::Tls(address.ip().to_canonical()),
                Address::Unix(_) => Entrance::Unix,
            };
            listener.tune()?;
            Ok::<_, ServerError>((listener, entrance))
        };
        let listeners = listeners.into_iter().map(with_entrance).collect::<Result<_, _>>()?;
        let client = StreamClient::new(&parts.net)?;
        let context = Arc::new(Context {
            current: watch::Sender::new(Arc::new(snapshot(
                parts.settings,
                parts.upstreams,
                &client,
                &[],
                &parts.traffic,
            ))),
            callbacks: parts.callbacks,
            finder: parts.finder,
            register: parts.register,
            guesses: Guesses::default(),
            health: parts.health,
            unheard: Unheard::new(parts.traffic.clone(), parts.audit.clone(), parts.clock.clone()),
            traffic: parts.traffic,
            quotas: Quotas::default(),
            audit: parts.audit,
            gate: parts.gate,
            started: parts.clock.now(),
            clock: parts.clock,
            drain: CancellationToken::new(),
        });
        let reloader = Reloader { context: context.clone() };
        Ok(Self { listeners, context, reloader })
    }

    /// What exchanges settings and upstreams later on.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Serves until `stop`, then lets requests finish within the drain timeout. Until then it answers when `beat` is
    /// asked for.
    pub async fn run(self, stop: CancellationToken, mut beat: Beat) {
        let Self { listeners, context, .. } = self;
        let (mut connections, mut crowd, mut turn) = (JoinSet::new(), Crowd::default(), 0);
        while let Some((arrival, caller)) =
            next(&context.gate, &listeners, &mut turn, &mut connections, &mut crowd, &mut beat, &stop).await
        {
            if !room(&context, &mut connections, &mut crowd, &mut beat, &stop).await {
                break;
            }
            if context.gate.cuts() {
                connections.abort_all();
            }
            let standing = crowd.newcomer();
            let counted = context.traffic.connected(caller.entrance.kind());
            let task =
                connections.spawn(connection::serve(context.clone(), arrival, caller, standing.clone(), counted));
            crowd.enter(standing, task);
        }
        drop(listeners);
        context.drain.cancel();
        let all = ended(&mut connections, &context.gate);
        if tokio::time::timeout(context.snapshot().settings.drain_timeout, all).await.is_err() {
            tracing::warn!("{} connections did not end in time and are cut", connections.len());
            connections.shutdown().await;
        }
    }
}

/// Waits until all connections have ended.
async fn ended(connections: &mut JoinSet<()>, gate: &Gate) {
    loop {
        tokio::select! {
            ended = connections.join_next() => if ended.is_none() { return },
            () = gate.cut() => connections.abort_all(),
        }
    }
}

/// The next connection of any listener; `None` once stopped.
async fn next(
    gate: &Gate,
    listeners: &[(Listener, Entrance)],
    turn: &mut usize,
    connections: &mut JoinSet<()>,
    crowd: &mut Crowd,
    beat: &mut Beat,
    stop: &CancellationToken,
) -> Option<(Arrival, Caller)> {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return None,
            () = beat.asked() => {
                beat.answer().await;
                continue;
            }
            () = gate.cut() => {
                connections.abort_all();
                continue;
            }
            Some(ended) = connections.join_next_with_id() => {
                crowd.leave(id_of(&ended));
                continue;
            }
            accepted = accept(listeners, *turn) => accepted,
        };
        *turn = turn.wrapping_add(1);
        match accepted {
            Ok(accepted) => return Some(accepted),
            Err(error) if is_the_clients(&error) => tracing::debug!("a client went away: {error}"),
            Err(error) => {
                // It may be descriptors that are missing, and an idle connection has one.
                let made = crowd.make_room();
                tracing::warn!(closed_an_idle_one = made, "cannot accept a connection: {error}");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

/// Waits until one more connection may be open; false once stopped.
async fn room(
    context: &Context,
    connections: &mut JoinSet<()>,
    crowd: &mut Crowd,
    beat: &mut Beat,
    stop: &CancellationToken,
) -> bool {
    while !crowd.has_room(context.snapshot().settings.max_connections) {
        tokio::select! {
            () = stop.cancelled() => return false,
            () = beat.asked() => beat.answer().await,
            () = context.gate.cut() => connections.abort_all(),
            Some(ended) = connections.join_next_with_id() => crowd.leave(id_of(&ended)),
            () = crowd.freed() => {}
            // One that says nothing has a moment to speak, and nobody tells when that is over.
            () = tokio::time::sleep(BREATHER) => {}
        }
    }
    true
}

fn id_of(ended: &Result<(Id, ()), JoinError>) -> Id {
    match ended {
        Ok((id, ())) => *id,
        Err(error) => error.id(),
    }
}

impl Reloader {
    /// The clients that are in force.
    pub fn clients(&self) -> Clients {
        self.context.snapshot().settings.clients.clone()
    }

    /// The server lists of an upstream that are in force.
    pub fn rules(&self, upstream: &UpstreamName) -> Option<ServerRules> {
        let snapshot = self.context.snapshot();
        let mounted = snapshot.mounts.iter().find(|mounted| mounted.settings.name == *upstream);
        mounted.map(|mounted| mounted.settings.rules.clone())
    }

    /// Whether a request to another socket of this program is addressed to it, by the names that are in force: at a TCP
    /// socket that is `bound` to that address, else at a Unix socket.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn admits(&self, bound: Option<IpAddr>, head: &http::request::Parts) -> Result<(), &'static str> {
        let entrance = bound.map_or(Entrance::Unix, Entrance::Tcp);
        self.context.snapshot().doors.admit(entrance, head).map(drop).map_err(|why| why.rule())
    }

    /// The connections to each upstream.
    pub fn tallies(&self) -> Vec<(UpstreamName, Arc<Tally>)> {
        let of = |upstream: &Arc<Upstream>| (upstream.settings.name.clone(), upstream.counters.tally.clone());
        self.context.snapshot().mounts.iter().map(of).collect()
    }

    /// Exchanges settings and upstreams for requests that begin from now on; those under way keep what they began
    /// with, and connections their timeouts. The trusted authorities are read anew, so idle connections to upstreams
    /// are not used again.
    ///
    /// # Errors
    /// When the parts do not fit; then nothing was changed.
    pub fn reload(&self, settings: Settings, net: &net::Settings, upstreams: Vec<Mounted>) -> Result<(), ServerError> {
        let before = self.context.snapshot();
        let client = StreamClient::new(net)?;
        let snapshot = snapshot(settings, upstreams, &client, &before.mounts, &self.context.traffic);
        self.context.current.send_replace(Arc::new(snapshot));
        Ok(())
    }
}

fn snapshot(
    settings: Settings,
    upstreams: Vec<Mounted>,
    client: &StreamClient,
    before: &[Arc<Upstream>],
    traffic: &Traffic,
) -> Snapshot {
    let mut mounts = Vec::with_capacity(upstreams.len());
    for Mounted { settings, tokens, catalogue, unknown } in upstreams {
        let same = before.iter().find(|upstream| upstream.settings.name == settings.name);
        let tally = same.map(|upstream| upstream.counters.tally.clone()).unwrap_or_default();
        let counters = Counters { usage: traffic.usage(&settings.name.to_string()), tally };
        let upstream = Upstream::new(settings, tokens, (catalogue, unknown), client, counters);
        mounts.push(Arc::new(upstream.with_memory_of(before)));
    }
    mounts.sort_by_key(|upstream| std::cmp::Reverse(upstream.settings.mount.len()));
    let doors = Doors::new(&settings.allowed_hosts, &settings.allowed_origins);
    Snapshot { settings, doors, mounts }
}

/// They are asked in turn, so that a busy listener leaves the others their share.
async fn accept(listeners: &[(Listener, Entrance)], turn: usize) -> io::Result<(Arrival, Caller)> {
    poll_fn(|context| {
        for at in 0..listeners.len() {
            let (listener, entrance) = &listeners[turn.wrapping_add(at) % listeners.len()];
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                let called = |(arrival, peer): (Arrival, Peer)| {
                    let caller = Caller::of(arrival.stream(), peer, *entrance);
                    (arrival, caller)
                };
                return Poll::Ready(accepted.map(called));
            }
        }
        Poll::Pending
    })
    .await
}

/// Errors of `accept` that concern one client, not the listener (accept(2)).
fn is_the_clients(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
