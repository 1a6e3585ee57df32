//! The listener's loop: a permit, a connection, a task; and the end of all of them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::model::callback::CallbackHandler;
use crate::model::server::McpServer;
use crate::model::time::Clock;
use crate::net;
use crate::net::stream_client::StreamClient;
use crate::net::tls::TlsError;
use crate::observe::health::Health;
use crate::observe::traffic::Traffic;
use crate::proxy::admit::Doors;
use crate::proxy::context::Context;
use crate::proxy::handle::handle;
use crate::proxy::settings::{Settings, UpstreamSettings};
use crate::proxy::upstream::Upstream;
use crate::token::Reader;

/// How long to wait when the system cannot give us a connection, so that a lack of descriptors is no busy loop.
const BREATHER: Duration = Duration::from_millis(100);

/// An upstream and what is known about it.
#[derive(Debug)]
pub struct Mounted {
    /// Its settings.
    pub settings: UpstreamSettings,
    /// Where its bearer is read.
    pub tokens: Reader,
    /// What is known of its servers.
    pub catalogue: watch::Receiver<Arc<[McpServer]>>,
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
    /// The daemon's conditions.
    pub health: Health,
    /// The daemon's counters.
    pub traffic: Arc<Traffic>,
    /// The time.
    pub clock: Clock,
}

/// Why no server can be made.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No TLS configuration for the upstreams.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The listener has no address.
    #[error("the listener has no address: {0}")]
    Listener(#[from] io::Error),
    /// An upstream's host cannot stand in a header.
    #[error("the host of upstream {0} cannot stand in a Host header")]
    Host(String),
}

/// A server that is ready to accept on its listener.
pub struct Server {
    listener: TcpListener,
    context: Arc<Context>,
}

impl Server {
    /// Puts a server together. The listener is bound already.
    ///
    /// # Errors
    /// When the parts do not fit.
    pub fn new(listener: TcpListener, parts: Parts) -> Result<Self, ServerError> {
        let client = StreamClient::new(&parts.net)?;
        let mut mounts = Vec::with_capacity(parts.upstreams.len());
        for Mounted { settings, tokens, catalogue } in parts.upstreams {
            let name = settings.name.to_string();
            let upstream = Upstream::new(settings, tokens, catalogue, client.clone());
            mounts.push(Arc::new(upstream.map_err(|_| ServerError::Host(name))?));
        }
        mounts.sort_by_key(|upstream| std::cmp::Reverse(upstream.settings.mount.len()));
        let Settings { allowed_hosts, allowed_origins, .. } = &parts.settings;
        let doors = Doors::new(listener.local_addr()?, allowed_hosts, allowed_origins);
        let context = Context {
            doors,
            mounts,
            callbacks: parts.callbacks,
            health: parts.health,
            traffic: parts.traffic,
            started: parts.clock.now(),
            clock: parts.clock,
            settings: parts.settings,
            drain: CancellationToken::new(),
        };
        Ok(Self { listener, context: Arc::new(context) })
    }

    /// Serves until `stop`, then lets requests finish within the drain timeout.
    pub async fn run(self, stop: CancellationToken) {
        let Self { listener, context } = self;
        let permits = Arc::new(Semaphore::new(context.settings.max_connections));
        let mut connections = JoinSet::new();
        loop {
            let permit = tokio::select! {
                () = stop.cancelled() => break,
                Ok(permit) = permits.clone().acquire_owned() => permit,
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, client)) => {
                    let context = context.clone();
                    connections.spawn(async move {
                        connection(context, stream, client).await;
                        drop(permit);
                    });
                }
                Err(error) if is_the_clients(&error) => tracing::debug!("a client went away: {error}"),
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
        drop(listener);
        context.drain.cancel();
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(context.settings.drain_timeout, all).await.is_err() {
            tracing::warn!("{} connections did not end in time and are cut", connections.len());
            connections.shutdown().await;
        }
    }
}

async fn connection(context: Arc<Context>, stream: TcpStream, client: SocketAddr) {
    // Small answers must not wait for more; a failure costs speed alone.
    let _ = stream.set_nodelay(true);
    let shared = context.clone();
    let service = service_fn(move |request| {
        let context = shared.clone();
        async move { Ok::<_, Infallible>(handle(context, client, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(context.settings.header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = context.drain.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%client, "connection ended: {error}");
    }
}

/// Errors of `accept` that concern one client, not the listener (accept(2)).
fn is_the_clients(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
